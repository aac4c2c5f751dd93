// The rows of a run: read from its snapshots, cut into windows by event time, labelled rows only.
//
// Every rank reads all of them, so that all fit the same transforms and shuffle the same positions.
#pragma once

#include <string>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::trainer {

struct Window {
  dataio::Table rows;
  std::vector<double> labels;  // 0 or 1

  size_t size() const { return labels.size(); }
  size_t positives() const;
};

struct RunRows {
  Window train, valid, holdout;
};

// Whatever makes these rows unfit to train on is said with what to do about it.
Result<RunRows> read_run_rows(const artifacts::Store& store, const v1::Plan& plan);

// Columns that the spec's features need.
std::vector<std::string> feature_columns(const v1::Data& data);

// Labels of a table as 0, 1 or NaN. invalid_argument for other values.
Result<std::vector<double>> labels_of(const dataio::Table& rows, const std::string& column);

// Rows with a label and an event time in [from_us, until_us), in order.
Window labelled(const dataio::Table& rows, const std::vector<double>& labels,
                const std::vector<int64_t>& times, int64_t from_us, int64_t until_us);

}  // namespace rekindle::trainer
