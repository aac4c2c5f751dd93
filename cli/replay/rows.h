// The rows that a replay sends: read from a dataset, in event time, cut into slots and requests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/dataset.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::cli::replay {

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

}  // namespace rekindle::cli::replay
