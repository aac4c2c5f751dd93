// What a request asks for, checked and resolved before anything is trained. Refuses what no backtest can do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "backtest/fits/store.h"
#include "backtest/policies/baseline.h"
#include "backtest/trees/lightgbm.h"
#include "dataio/history/rows.h"
#include "rekindle/v1/backtest.pb.h"

namespace rekindle::backtest {

struct Setting {
  v1::JobSpec spec;  // resolved, for one rank on this host, with the labels' delay as its maturity
  std::vector<v1::DatasetSnapshot> initial;  // of version 1
  std::string history;                       // the reference, as given
  dataio::history::Rows rows;                // of the history, without those of version 1
  std::vector<Policy> policies;
  int64_t from_us = 0, until_us = 0;  // of the slots that hold rows
  int64_t slice_us = 0;
  Micros run_takes{0};
  std::optional<LightGbm> trees;  // the reference of boosted trees, unless it is not wanted or cannot be
  std::string no_trees;           // why it cannot be
};

// Blobs of the initial snapshots are brought into the store.
Result<Setting> prepare(const v1::BacktestRequest& request, const FitStore& store);

}  // namespace rekindle::backtest
