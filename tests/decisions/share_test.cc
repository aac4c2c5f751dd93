// How much of what could be gained the policy gains, and what late labels cost it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/log.h"
#include "proto/time.h"
#include "tests/decisions/extent.h"
#include "tests/decisions/life.h"

namespace rekindle::decisions {
namespace {

using backtest::find_policy;
using backtest::kOwn;
using backtest::PolicyLine;
using backtest::Report;

constexpr double kShareGoal = 0.85, kPointsGoal = 0.005, kLateShareGoal = 0.1, kLateRunsGoal = 1.2;
constexpr uint64_t kFitsGoal = 10;
constexpr int64_t kSlicesLate = 4;

Report backtest_of(const fs::path& folder, v1::BacktestRequest request) {
  for (const char* name : {kOwn, "never", "cron"}) request.add_policies(name);
  Result<Report> report = backtest::run(request, [](const std::string&) {});
  if (!report.ok()) ADD_FAILURE() << folder << ": " << report.status().message();
  return report.ok() ? *std::move(report) : Report{};
}

// What the goals ask of a world in which something is to be gained.
struct Judged {
  double share = 0;
  uint64_t fits = 0;
  double points = 0;  // over the periodic schedule of as many fits, of AUROC or accuracy
  bool worthwhile = false;
};

Judged judged(const Report& report) {
  const PolicyLine &own = *find_policy(report, kOwn), &cron = *find_policy(report, "cron");
  return {own.share, own.fits, own.score - cron.score, report.gain.real() && own.best < report.never};
}

void tell(const Life& life, const Report& report) {
  const PolicyLine &own = *find_policy(report, kOwn), &cron = *find_policy(report, "cron");
  const Judged found = judged(report);
  fmt::print("| {} | {:.4f} | {:.4f} | {:.4f} | {:.4f} | {} | {:.2f} | {:+.4f} | {:.1f} | {} |\n", life.world,
             report.never, own.loss, cron.loss, own.best, own.fits, own.share, found.points, own.delay_days,
             !found.worthwhile                                           ? "nothing to gain"
             : found.share >= kShareGoal && found.points >= -kPointsGoal ? "reached"
                                                                         : "missed");
  std::fflush(stdout);
}

TEST(Share, OfTheGainOfTheClairvoyant) {
  start_logging("decisions_test", LogLevel::kError, false);
  fmt::print(
      "| world | never | rekindle | cron | best | fits | share | points over cron | delay, days | goals |\n");
  for (const std::string& name : changing_worlds()) {
    const Folder folder;
    const Life life = whole() ? Life{name} : Life{name, 1, 120, 6};
    const Report report = backtest_of(folder.path(), request_of(folder.path(), life));
    if (report.policies.empty()) continue;
    tell(life, report);
    const Judged found = judged(report);
    EXPECT_LE(found.fits, kFitsGoal) << name;
  }
}

TEST(Share, LabelsThatComeFourSlicesLater) {
  if (!whole()) GTEST_SKIP() << "with REKINDLE_WHOLE alone: the nightly suite";
  fmt::print("| world | share | share, late labels | fits | fits, late labels | goals |\n");
  for (const std::string& name : changing_worlds()) {
    const Folder folder;
    v1::BacktestRequest request = request_of(folder.path(), Life{name});
    const Report soon = backtest_of(folder.path(), request);
    *request.mutable_label_delay() = to_proto(from_proto(request.slice()) * kSlicesLate);
    const Report late = backtest_of(folder.path(), request);
    if (soon.policies.empty() || late.policies.empty()) continue;
    const Judged a = judged(soon), b = judged(late);
    fmt::print("| {} | {:.2f} | {:.2f} | {} | {} | {} |\n", name, a.share, b.share, a.fits, b.fits,
               a.share - b.share <= kLateShareGoal &&
                       static_cast<double>(b.fits) <= kLateRunsGoal * static_cast<double>(a.fits)
                   ? "reached"
                   : "missed");
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace rekindle::decisions
