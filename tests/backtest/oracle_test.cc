// The best schedule in hindsight, against all schedules that there are.
#include "backtest/judge/oracle.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <random>

#include "backtest/judge/front.h"

namespace rekindle::backtest {
namespace {

constexpr int64_t kHour = 3'600'000'000;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct World {
  Judged judged;
  std::vector<int64_t> active;
  std::vector<FitLosses> fits;
};

// One row an hour; `fits` fits that take over at drawn hours and lose drawn amounts.
World world_of(uint32_t seed, size_t rows, size_t fits) {
  std::mt19937 dice(seed);
  std::uniform_real_distribution<double> loss(0, 1);
  World world;
  for (size_t row = 0; row < rows; ++row) {
    world.judged.times_us.push_back(static_cast<int64_t>(row) * kHour);
    world.judged.labelled.push_back(dice() % 5 != 0);
  }
  for (size_t i = 0; i < fits; ++i) {
    // Not in order, and now and then at the same moment as another.
    world.active.push_back(i == 0 ? 0 : static_cast<int64_t>(1 + dice() % (rows - 1)) * kHour - kHour / 2);
    const size_t first = world.judged.at(world.active.back());
    std::vector<double> losses;
    for (size_t row = first; row < rows; ++row)
      losses.push_back(world.judged.labelled[row] ? loss(dice) : kNaN);
    world.fits.emplace_back(first, losses);
  }
  return world;
}

Schedule chosen(const World& world, uint32_t mask) {
  std::vector<size_t> order;
  for (size_t i = 1; i < world.fits.size(); ++i)
    if (mask >> i & 1) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return world.active[a] < world.active[b]; });
  Schedule schedule{{0, 0}};
  for (const size_t i : order) schedule.push_back({i, world.active[i]});
  return schedule;
}

double loss_of(const World& world, const Schedule& schedule) {
  return lost(world.judged, world.fits, schedule, 0, world.judged.rows()).loss;
}

TEST(Oracle, IsTheBestOfAllSchedules) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const World world = world_of(seed, 40, 2 + seed % 7);
    const size_t n = world.fits.size();
    const Oracle oracle(world.judged, world.fits, world.active, n);
    for (size_t most = 1; most <= n; ++most) {
      double least = std::numeric_limits<double>::infinity();
      for (uint32_t mask = 0; mask < 1u << n; ++mask)
        if (!(mask & 1) && static_cast<size_t>(__builtin_popcount(mask)) < most)
          least = std::min(least, loss_of(world, chosen(world, mask)));
      const Best& best = oracle.with(most);
      EXPECT_NEAR(least, best.loss, 1e-9) << "seed " << seed << ", " << most << " fits";
      EXPECT_NEAR(best.loss, loss_of(world, best.schedule), 1e-9) << "its schedule loses what it says";
      EXPECT_LE(best.schedule.size(), most);
      EXPECT_EQ(0u, best.schedule.front().fit) << "the first version was there";
    }
  }
}

TEST(Oracle, OneFitIsTheFirstForEver) {
  const World world = world_of(1, 40, 5);
  const Oracle oracle(world.judged, world.fits, world.active, 5);
  EXPECT_EQ(1u, oracle.with(1).schedule.size());
  EXPECT_DOUBLE_EQ(loss_of(world, {{0, 0}}), oracle.with(1).loss);
}

TEST(Oracle, MoreThanThereAreChangesNothing) {
  const World world = world_of(2, 40, 4);
  const Oracle oracle(world.judged, world.fits, world.active, 100);
  EXPECT_DOUBLE_EQ(oracle.with(4).loss, oracle.with(100).loss);
  EXPECT_EQ(1u, Oracle(world.judged, {world.fits.data(), 1}, {world.active.data(), 1}, 3).enough(0.1));
}

TEST(Losses, UnlabelledRowsCountNowhere) {
  const FitLosses fit(2, std::vector<double>{1, kNaN, 3});
  EXPECT_DOUBLE_EQ(4, fit.between(2, 5).loss);
  EXPECT_EQ(2u, fit.between(2, 5).rows);
  EXPECT_EQ(0u, fit.between(3, 4).rows);
  EXPECT_TRUE(std::isnan(fit.between(3, 4).mean()));
}

TEST(ShareOfGain, IsNoneWhereNothingCanBeGained) {
  EXPECT_DOUBLE_EQ(0.5, share_of_gain(10, 8, 6));
  EXPECT_DOUBLE_EQ(-1, share_of_gain(10, 14, 6)) << "a policy may do harm";
  EXPECT_TRUE(std::isnan(share_of_gain(10, 10, 10)));
}

TEST(Gain, IsRealWhenItComesEveryDayAndNotWhenOneDayBringsIt) {
  World world;
  for (size_t row = 0; row < 24 * 20; ++row) {
    world.judged.times_us.push_back(static_cast<int64_t>(row) * kHour);
    world.judged.labelled.push_back(true);
  }
  std::vector<double> worse(24 * 20, 1.0), better, lucky(24 * 20, 1.0);
  for (size_t row = 0; row < worse.size(); ++row) better.push_back(row % 2 ? 0.5 : 0.6);
  for (size_t row = 0; row < 24; ++row) lucky[row] = 0;
  for (const auto& losses : {worse, better, lucky}) world.fits.emplace_back(0, losses);
  EXPECT_TRUE(gain_by_day(world.judged, world.fits, {{0, 0}}, {{1, 0}}).real());
  EXPECT_FALSE(gain_by_day(world.judged, world.fits, {{0, 0}}, {{2, 0}}).real());
  EXPECT_FALSE(gain_by_day(world.judged, world.fits, {{0, 0}}, {{0, 0}}).real());
}

TEST(Front, HoldsWhoIsBeatenByNobody) {
  const std::vector<Offer> offers{{1, 0.5}, {2, 0.4}, {3, 0.45}, {2, 0.4}, {5, kNaN}, {1, 0.6}};
  EXPECT_THAT(on_the_front(offers), ::testing::ElementsAre(true, true, false, true, false, false));
}

}  // namespace
}  // namespace rekindle::backtest
