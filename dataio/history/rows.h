// A dataset's rows as a history: in event time, cut into slots and requests, with the labels that follow
// them. What `rekindle replay` sends and a backtest answers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/dataset.pb.h"
#include "rekindle/v1/events.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::dataio::history {

// One request: rows of one slot and one value of the grouping column.
struct Group {
  std::string id;        // "EWR-2013-02-01T10:00:00Z": stable, so that sending it again changes nothing
  int64_t event_us = 0;  // least of its rows
  std::vector<uint32_t> rows;
};

struct Slot {
  int64_t start_us = 0;
  std::vector<Group> groups;
};

struct Rows {
  dataio::Table table;         // sorted by event time
  std::vector<int64_t> times;  // of the rows
  std::vector<double> labels;  // as dataio/labels.h says; NaN: not known
  std::vector<Slot> slots;     // those that hold rows, ascending
};

struct RowsRequest {
  std::vector<v1::DatasetSnapshot> snapshots;
  std::string group_by;  // empty: one request a slot
  int64_t until_us = 0;  // rows before this; 0: all
  int64_t slot_us = 0;
};

// Reads the job's columns and cuts them. Groups of a slot come in the order of their ids.
Result<Rows> read_replay_rows(const artifacts::Store& store, const v1::Data& data,
                              const RowsRequest& request);

// `times` and `labels` of a dataset for the baselines, with `extra` columns.
Result<Rows> read_labelled_rows(const artifacts::Store& store, const v1::Data& data,
                                std::vector<v1::DatasetSnapshot> snapshots,
                                const std::vector<std::string>& extra);

// Labels on their way: queued with their requests, due in the slot in which they become known.
class Labels {
 public:
  // Known `after_us` after the event.
  Labels(const Rows& rows, int64_t after_us, int64_t slot_us)
      : rows_(rows), after_us_(after_us), slot_us_(slot_us) {}

  void queue(const Group& group);  // nothing where no row of it is labelled
  // Of the oldest slot that begins by then, and no longer queued; empty: none.
  std::vector<v1::LabelRecord> take(int64_t slot_start_us);
  void drop_before(int64_t slot_start_us);

 private:
  const Rows& rows_;
  int64_t after_us_, slot_us_;
  std::map<int64_t, std::vector<v1::LabelRecord>> due_;  // by slot
};

}  // namespace rekindle::dataio::history
