// The rows of a run: read from its snapshots, cut into windows by event time, labelled rows only; of those to
// train on the ones that train.rows keeps (dataio/choice.h). Validation and holdout are never thinned out.
//
// Every rank reads all of them, so that all fit the same transforms and shuffle the same positions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::trainer {

struct Window {
  dataio::Table rows;
  std::vector<double> labels;  // as dataio/labels.h says; all known

  size_t size() const { return labels.size(); }
};

struct RunRows {
  Window train, valid, holdout;
  // Where classes were balanced: the training rows as the world has them. How often things are is read from
  // these, never from the balanced ones.
  std::optional<Window> unbalanced;

  const Window& world() const { return unbalanced ? *unbalanced : train; }
};

// Whatever makes these rows unfit to train on is said with what to do about it: no labelled rows, or labels
// that are all alike. trainable.h has what the features and the ranks may be.
Result<RunRows> read_run_rows(const artifacts::Store& store, const v1::Plan& plan);

// Columns that the spec's features need.
std::vector<std::string> feature_columns(const v1::Data& data);

// Rows with a label and an event time in [from_us, until_us), in order.
Window labelled(const dataio::Table& rows, const std::vector<double>& labels,
                const std::vector<int64_t>& times, int64_t from_us, int64_t until_us);

}  // namespace rekindle::trainer
