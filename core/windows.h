// Which rows a run as of a time sees, and how they are split. Pure; only settled facts about snapshots.
//
// Never a row whose label was not known at `as_of`: the cut is as_of - lateness - matures.
#pragma once

#include <vector>

#include "base/result.h"
#include "core/state.h"

namespace rekindle::core {

struct Selection {
  std::vector<v1::DatasetSnapshot> data;  // by first row, then dataset and name
  v1::Windows windows;
};

// TRAIN: the job's initial snapshots and the model's settled days that were over by the cut, but for days
// with rows that a quarantine opened later covers.
//   end = min(cut, newest row + 1 us); holdout = [end - gate.holdout, end);
//   train and validation = [max(oldest row, known - reach), end - gate.holdout), the newest
//   train.validation share of that span being validation; reach is what train.rows says (jobs/rows.h);
//   with train.candidates the validation of all is that of the one that reaches back least, so that they can
//   be compared and none is fitted on it;
//   known = the as-of time, or when the newest row's label was known where the rows end earlier: a first run
//   on an old import sees its rows.
// `changed_us`: event time from which on the world is taken to be another; 0: no change is known.
// Refuses (failed_precondition) when no snapshot qualifies or when nothing is left to train on.
Result<Selection> training_rows(const State& state, const v1::JobSpec& spec, int64_t as_of_us,
                                int64_t changed_us);

// Event times from and before which lie the rows that a run as of then learns from: what is newer is not
// known, or held back for the verdict. From 0: there are none. `oldest_us`: of oldest_row_us().
int64_t learns_from_us(const v1::JobSpec& spec, int64_t oldest_us, int64_t as_of_us, int64_t changed_us);
int64_t learns_until_us(const v1::JobSpec& spec, int64_t as_of_us);

// Event time of the oldest row that a run could be given; 0: there is none. Looks at every snapshot.
int64_t oldest_row_us(const State& state, const v1::JobSpec& spec);

// Labelled rows that have settled by then and that the version does not know.
uint64_t new_labels(const State& state, const v1::JobSpec& spec, const v1::Version& champion,
                    int64_t as_of_us);

// SCORE: all rows of NAME[@A..B]; the model's name means its settled rows.
Result<Selection> scored_rows(const State& state, std::string_view dataset);

// When all of these rows and labels were known: what a version trained on them is "as of".
int64_t known_at_us(const v1::JobSpec& spec, const v1::Windows& windows);

}  // namespace rekindle::core
