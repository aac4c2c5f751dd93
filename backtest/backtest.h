// A backtest from a request to a report. Owns the order: version 1, the history through the loop, then the
// fits that other policies and the clairvoyant ask for, then sums.
#pragma once

#include <functional>
#include <string>

#include "backtest/report/report.h"
#include "base/result.h"
#include "rekindle/v1/backtest.pb.h"

namespace rekindle::backtest {

// Fewer slices than these say nothing of how quality went.
inline constexpr size_t kSlicesLeast = 4;

using Say = std::function<void(const std::string& line)>;

// invalid_argument and failed_precondition say what to do. The report's verdict is filled in.
Result<Report> run(const v1::BacktestRequest& request, const Say& say);

}  // namespace rekindle::backtest
