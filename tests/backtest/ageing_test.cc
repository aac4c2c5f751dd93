// More rows are one thing, a world that moves another.
#include "backtest/judge/ageing.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

namespace rekindle::backtest {
namespace {

constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kDay = 24 * kHour;
constexpr size_t kRows = 24 * 5 * 120;  // five an hour, 120 days

struct World {
  Judged judged;
  std::vector<double> hardness;  // of each row, whoever answers
  std::vector<int64_t> ends;
  explicit World(uint32_t seed) {
    std::mt19937 dice(seed);
    std::normal_distribution<double> noise(0, 0.3);
    for (size_t row = 0; row < kRows; ++row) {
      judged.times_us.push_back(static_cast<int64_t>(row) * kHour / 5);
      judged.labelled.push_back(true);
      // Seasons are harder and easier; that is nobody's ageing.
      hardness.push_back(0.5 + 0.2 * std::sin(static_cast<double>(row) / 3000) + noise(dice));
    }
    for (int64_t end = 20; end <= 120; end += 20) ends.push_back(end * kDay);
  }
  // Loses `worse(row)` more than the row is hard, with noise of its own.
  template <typename Worse>
  FitLosses fit(uint32_t seed, size_t first, const Worse& worse) const {
    std::mt19937 dice(seed);
    std::normal_distribution<double> noise(0, 0.1);
    std::vector<double> losses;
    for (size_t row = first; row < kRows; ++row) losses.push_back(hardness[row] + worse(row) + noise(dice));
    return FitLosses(first, losses);
  }
};

TEST(Ageing, MoreRowsAloneAreNoDrift) {
  int alarms = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const World world(seed);
    const std::vector<FitLosses> fits{world.fit(seed + 1000, 0, [](size_t) { return 0.05; }),
                                      world.fit(seed + 2000, kRows / 6, [](size_t) { return 0.02; }),
                                      world.fit(seed + 3000, kRows / 3, [](size_t) { return 0.0; })};
    alarms += nothing_moves(world.judged, fits, world.ends) < 0.01;
  }
  EXPECT_LE(alarms, 7) << "of 200 worlds that stand still two may look as if they moved";
}

TEST(Ageing, AVersionThatGrowsWorseIsSeen) {
  const World world(5);
  const std::vector<FitLosses> fits{
      world.fit(1, 0, [](size_t row) { return 0.05 * static_cast<double>(row) / kRows; }),
      world.fit(2, kRows / 6, [](size_t) { return 0.0; })};
  EXPECT_LT(nothing_moves(world.judged, fits, world.ends), 1e-4);
}

TEST(Ageing, WithoutTwoSlicesThereIsNothingToSay) {
  const World world(5);
  const std::vector<FitLosses> fits{world.fit(1, 0, [](size_t) { return 0.0; }),
                                    world.fit(2, kRows - 10, [](size_t) { return 0.0; })};
  EXPECT_DOUBLE_EQ(1, nothing_moves(world.judged, fits, world.ends));
  EXPECT_DOUBLE_EQ(1, nothing_moves(world.judged, {fits.data(), 1}, world.ends));
}

}  // namespace
}  // namespace rekindle::backtest
