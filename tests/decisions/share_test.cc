// How much of what could be gained the policy gains, and what late labels cost it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <vector>

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
constexpr double kHarm = 0.003;  // of loss: less is luck

// Worlds that were seen to reach their goals when lived through for a year (docs/proofs.md): they must go on
// doing so.
const std::set<std::string_view> kReached = {
    "sea-abrupt",
    "sea-gradual",
    "sea-incremental",
    "sea-recurring",
    "sea-prior",
    "agrawal-abrupt",
    "agrawal-gradual",
    "agrawal-incremental",
    "agrawal-recurring",
    "agrawal-prior",
    "hyperplane-abrupt",
    "hyperplane-gradual",
    "hyperplane-recurring",
    "hyperplane-covariate",
    "led-abrupt",
    "led-gradual",
    "led-incremental",
    "led-recurring",
    "rbf-abrupt",
    "rbf-gradual",
    "rbf-recurring",
    "fashion-prior",
    "fashion-swap",
};
const std::set<std::string_view> kReachedLate = {
    "sea-abrupt",           "sea-gradual",      "sea-covariate",     "sea-prior",
    "agrawal-abrupt",       "agrawal-gradual",  "hyperplane-abrupt", "hyperplane-gradual",
    "hyperplane-covariate", "hyperplane-prior", "led-abrupt",        "led-gradual",
    "led-covariate",        "rbf-abrupt",       "rbf-gradual",       "rbf-prior",
    "fashion-prior",        "fashion-swap",
};

Report backtest_of(const fs::path& folder, v1::BacktestRequest request,
                   const std::vector<std::string>& policies = {kOwn, "never", "cron"}) {
  for (const std::string& name : policies) request.add_policies(name);
  Result<Report> report = backtest::run(request, [](const std::string&) {});
  if (!report.ok()) ADD_FAILURE() << folder << ": " << report.status().message();
  return report.ok() ? *std::move(report) : Report{};
}

// A calendar that has trained on as many rows: a run of ours makes two fits.
std::string as_dear(const Report& report) {
  const PolicyLine &own = *find_policy(report, kOwn), &cron = *find_policy(report, "cron");
  const double rows_of_fit = static_cast<double>(cron.rows) / static_cast<double>(cron.fits);
  return fmt::format("cron:{}", std::max(1L, std::lround(static_cast<double>(own.rows) / rows_of_fit) - 1));
}

// What the goals ask, of one world over all lives in it.
struct Lives {
  size_t lives = 0;
  double never = 0, own = 0, best = 0, calendar = 0;  // log-losses, added up
  double points = 0;  // over the periodic schedule that costs as much, of AUROC or accuracy, added up
  double delay_days = 0;
  uint64_t fits = 0, most_fits = 0, calendar_fits = 0;
  double gain = 0, gain_variance = 0;

  void add(const Report& report, const PolicyLine& as_dear) {
    const PolicyLine& line = *find_policy(report, kOwn);
    ++lives;
    never += report.never;
    own += line.loss;
    best += line.best;
    calendar += as_dear.loss;
    points += line.score - as_dear.score;
    delay_days += line.delay_days;
    fits += line.fits;
    most_fits = std::max(most_fits, line.fits);
    calendar_fits += as_dear.fits;
    gain += report.gain.mean;
    gain_variance += report.gain.standard_error * report.gain.standard_error;
  }
  double mean(double sum) const { return sum / static_cast<double>(lives); }
  // A policy that never fits again has nothing of what there was.
  double share() const { return most_fits > 1 ? (never - own) / (never - best) : 0; }
  bool worthwhile() const { return backtest::Gain{gain, std::sqrt(gain_variance)}.real(); }
  bool reached() const {
    return share() >= kShareGoal && mean(points) >= -kPointsGoal && most_fits <= kFitsGoal;
  }
};

const char* word(bool worthwhile, bool reached) {
  return !worthwhile ? "nothing to gain" : reached ? "reached" : "missed";
}

void tell(const std::string& world, const Lives& soon) {
  fmt::print(
      "| {} | {} | {:.4f} | {:.4f} | {:.4f} | {:.0f} | {:.4f} | {:.1f} | {:.2f} | {:+.4f} | {:.1f} | {} |",
      world, soon.lives, soon.mean(soon.never), soon.mean(soon.own), soon.mean(soon.calendar),
      soon.mean(static_cast<double>(soon.calendar_fits)), soon.mean(soon.best),
      soon.mean(static_cast<double>(soon.fits)), soon.share(), soon.mean(soon.points),
      soon.mean(soon.delay_days),
      !soon.worthwhile() ? "nothing to gain"
      : soon.reached()   ? "reached"
                         : "missed");
}

bool reached_late(const Lives& soon, const Lives& late) {
  return soon.share() - late.share() <= kLateShareGoal &&
         static_cast<double>(late.fits) <= kLateRunsGoal * static_cast<double>(soon.fits);
}

void tell_late(const Lives& soon, const Lives& late) {
  fmt::print(" {:.2f} | {:.1f} | {} |", late.share(), late.mean(static_cast<double>(late.fits)),
             word(soon.worthwhile() && late.worthwhile(), reached_late(soon, late)));
}

// Where nothing comes to mean anything else little is to be gained, and in one life luck decides.
uint32_t lives_of(const std::string& world) {
  return seeds(world.ends_with("-covariate") || world.ends_with("-prior") ? 3 : 1);
}

// One life with labels that come soon and, of the whole, one with labels that come four slices later.
void live_both(const Life& life, Lives& soon, Lives& late) {
  const Folder folder;
  v1::BacktestRequest request = request_of(folder.path(), life);
  const Report report = backtest_of(folder.path(), request);
  if (report.policies.empty()) return;
  const std::string dear = as_dear(report);
  const Report calendars = backtest_of(folder.path(), request, {dear});
  if (calendars.policies.empty()) return;
  soon.add(report, *find_policy(calendars, dear));
  if (!whole()) return;
  *request.mutable_label_delay() = to_proto(from_proto(request.slice()) * kSlicesLate);
  const Report told_late = backtest_of(folder.path(), request);
  if (!told_late.policies.empty()) late.add(told_late, *find_policy(told_late, "cron"));
}

TEST(Share, OfTheGainOfTheClairvoyantSoonAndLate) {
  start_logging("decisions_test", LogLevel::kError, false);
  fmt::print(
      "| world | lives | never | rekindle | cron | its fits | best | fits | share | points over cron "
      "| delay, days | goals | late: share | fits | goals |\n");
  for (const std::string& name : changing_worlds()) {
    Lives soon, late;
    for (uint32_t seed = 1; seed <= lives_of(name); ++seed)
      live_both(whole() ? Life{name, seed} : Life{name, seed, 90}, soon, late);
    if (soon.lives == 0) continue;
    tell(name, soon);
    EXPECT_LE(soon.most_fits, kFitsGoal) << name;
    EXPECT_LT(soon.own, soon.never + kHarm * static_cast<double>(soon.lives)) << name << ": harm";
    if (whole()) {
      EXPECT_TRUE(soon.reached() || !kReached.contains(name)) << name;
      if (late.lives > 0) {
        tell_late(soon, late);
        EXPECT_TRUE(reached_late(soon, late) || !kReachedLate.contains(name)) << name << " with late labels";
      }
    }
    fmt::print("\n");
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace rekindle::decisions
