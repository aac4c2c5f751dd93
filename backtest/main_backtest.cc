// rekindle-backtest: a BacktestRequest on standard input, a report on standard output. Started by
// `rekindle backtest`, which knows the flags; what goes on is told on standard error.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "backtest/backtest.h"
#include "base/files.h"
#include "base/log.h"

namespace {

using namespace rekindle;

// As the command line's own codes.
int exit_code_of(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArgument:
      return 2;
    case Code::kNotFound:
      return 3;
    case Code::kFailedPrecondition:
    case Code::kAlreadyExists:
      return 4;
    default:
      return 1;
  }
}

Status write_and_print(const v1::BacktestRequest& request, const backtest::Report& report) {
  if (!request.html().empty())
    TRY_STATUS(write_file_durably(request.html(), backtest::html_of(report), 0644));
  const std::string text = request.json()    ? backtest::json_of(report)
                           : request.quiet() ? report.verdict + "\n"
                                             : backtest::table_of(report);
  return write_all(STDOUT_FILENO, text, "standard output");
}

Status run() {
  v1::BacktestRequest request;
  if (!request.ParseFromFileDescriptor(STDIN_FILENO))
    return invalid_argument("standard input holds no request; start this with `rekindle backtest`");
  const bool silent = request.json() || request.quiet();
  // The trainer's own reports of each fit are of no use to anybody here.
  start_logging("rekindle-backtest", LogLevel::kWarning, false);
  const auto say = [silent](const std::string& line) {
    if (!silent) fmt::print(stderr, "{}\n", line);
  };
  return write_and_print(request, TRY(backtest::run(request, say)));
}

}  // namespace

int main() {
  const rekindle::Status status = run();
  if (status.ok()) return 0;
  fmt::print(stderr, "{}\n", status.message());
  return exit_code_of(status);
}
