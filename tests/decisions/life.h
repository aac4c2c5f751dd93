// A made-up world lived through under one job spec, the same for all: what the default policy comes to.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "backtest/backtest.h"
#include "backtest/loop/replay.h"
#include "tests/worlds/catalogue.h"

namespace rekindle::decisions {

namespace fs = std::filesystem;

inline constexpr int64_t kHour = 3'600'000'000;
inline constexpr int64_t kDay = 24 * kHour;

struct Life {
  std::string world;  // of the catalogue
  uint32_t seed = 1;
  int days = 365;  // version 1 is trained on the first quarter
  int rows_an_hour = 6;
};

// The history as a backtest takes it, with its rows in `folder`. Changes are told to it. Slices of two weeks.
v1::BacktestRequest request_of(const fs::path& folder, const Life& life);

// The days, from the beginning, at which the world begins to change.
std::vector<int64_t> change_times(const Life& life);

// The loop alone, without the fits of a backtest: what was triggered, and what became of it.
struct Lived {
  std::vector<backtest::Triggered> runs;
  std::vector<int64_t> alarms;  // when triggers began to fire for something that had moved or become worse
  // Mean losses on rows of the world after its end, of version 1 and of each version that took over, in that
  // order.
  std::vector<double> losses;
  // Of each row of the history: when it came, and whether version 1 would have been wrong (1) or right (0).
  std::vector<int64_t> times;
  std::vector<double> errors;
  int64_t matures_us = 0;  // after a row its label is told
};
Result<Lived> live(const fs::path& folder, const Life& life);

}  // namespace rekindle::decisions
