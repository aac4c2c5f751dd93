// In a world that stands still there is nothing to learn anew, only more of the same: how often the policy
// fits for nothing, and whether what it promotes is worse.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/log.h"
#include "tests/decisions/extent.h"
#include "tests/decisions/life.h"

namespace rekindle::decisions {
namespace {

constexpr uint32_t kSeedsOfEach = 40;  // of five worlds: 200 in all
constexpr size_t kRunsMost = 2;        // in a year,
constexpr size_t kNeedlessGoal = 1;    // of which no better version came

// More than the error of a mean over so many rows.
constexpr double kWorse = 0.003;

// What a person would look at: why each run of a year with too many came.
void print_runs(const std::string& world, uint32_t seed, const std::vector<backtest::Triggered>& runs) {
  fmt::print("{}, seed {}:\n", world, seed);
  for (const backtest::Triggered& run : runs)
    fmt::print("  {} {}, {}: {}\n", format_time(time_from_micros(run.as_of_us)), run.cause, run.outcome,
               run.detail);
}

TEST(Still, NothingIsFittedForNothing) {
  start_logging("decisions_test", LogLevel::kError, false);
  size_t years = 0, worse = 0;
  fmt::print(
      "| world | years | runs | most in a year | needless | most in a year | promoted | of them worse "
      "| by at most |\n");
  for (const std::string& name : still_worlds()) {
    size_t runs = 0, most = 0, needless = 0, most_needless = 0, promoted = 0, worse_here = 0;
    double by = 0;
    const uint32_t lives = seeds(kSeedsOfEach);
    for (uint32_t seed = 1; seed <= lives; ++seed, ++years) {
      const Folder folder;
      const Result<Lived> lived = live(folder.path(), whole() ? Life{name, seed} : Life{name, seed, 90});
      ASSERT_TRUE(lived.ok()) << name << ", seed " << seed << ": " << lived.status().message();
      size_t for_nothing = lived->runs.size();
      runs += lived->runs.size();
      most = std::max(most, lived->runs.size());
      for (size_t i = 1; i < lived->losses.size(); ++i) {
        ++promoted;
        const double lost = lived->losses[i] - lived->losses[i - 1];
        for_nothing -= lost < 0;
        worse_here += lost > kWorse;
        by = std::max(by, lost);
      }
      needless += for_nothing;
      most_needless = std::max(most_needless, for_nothing);
      if (for_nothing > kNeedlessGoal) print_runs(name, seed, lived->runs);
    }
    worse += worse_here;
    fmt::print("| {} | {} | {} | {} | {} | {} | {} | {} | {:.4f} |\n", name, lives, runs, most, needless,
               most_needless, promoted, worse_here, by);
    std::fflush(stdout);
    EXPECT_LE(most, kRunsMost) << name;
    EXPECT_LE(most_needless, kNeedlessGoal) << name;
  }
  // Of n lives without one, the rate is below 3 / n with a confidence of 95 %.
  fmt::print(
      "{} promotions of a worse version in {} lives: at most {:.3f} a life, with a confidence of 95 %\n",
      worse, years, worse == 0 ? 3.0 / static_cast<double>(years) : std::nan(""));
  EXPECT_EQ(worse, 0u);
}

}  // namespace
}  // namespace rekindle::decisions
