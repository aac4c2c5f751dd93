// The shadow, its regret, and the loss that answers alone lead one to expect.
#include "drift/shadow/shadow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/stats.h"
#include "drift/unlabelled/expected_loss.h"

namespace rekindle::drift {
namespace {

using ::testing::HasSubstr;

// Two numbers and a category decide by a logistic rule, which turns round when the world does.
class World {
 public:
  explicit World(uint64_t seed) : random_(seed) {
    std::vector<double> x, y;
    CategoryTally tally;
    for (int i = 0; i < 2000; ++i) {
      x.push_back(normal());
      y.push_back(normal());
      tally.add(word());
    }
    *profile.add_features() = numeric_profile("x", x);
    *profile.add_features() = numeric_profile("y", y);
    *profile.add_features() = tally.profile("c");
    profile.set_label_rate(0.4);
  }

  struct Row {
    std::vector<uint32_t> bins;
    double chance = 0, label = 0, number = 0;
  };
  Row row(const Shadow& shadow, bool turned) {
    const double x = normal(), y = normal();
    const std::string c = word();
    const double sum = (turned ? -1.0 : 1.0) * (1.5 * x - y) + (c == "a" ? 1 : -0.5);
    Row out;
    const auto& features = shadow.features();
    out.bins = {features[0].bin(x), features[1].bin(y), features[2].bin(std::string_view(c))};
    out.chance = 1 / (1 + std::exp(-sum));
    out.label = std::uniform_real_distribution<>(0, 1)(random_) < out.chance;
    out.number = 30 + 10 * sum + 2 * normal();
    return out;
  }

  v1::Profile profile;

 private:
  double normal() { return std::normal_distribution<>(0, 1)(random_); }
  std::string word() { return std::string(1, "abc"[std::uniform_int_distribution<>(0, 2)(random_)]); }
  std::mt19937_64 random_;
};

TEST(Shadow, IsSoonNearlyAsGoodAsTheTruthAndFollowsItRound) {
  World world(3);
  v1::ShadowState state = Shadow::begin(world.profile, false, 0, 1);
  Shadow shadow = *Shadow::of(state, false);
  const auto excess = [&](int rows, bool turned) {
    double sum = 0;
    for (int i = 0; i < rows; ++i) {
      const World::Row row = world.row(shadow, turned);
      sum += log_loss(row.label, shadow.answer(row.bins)) - log_loss(row.label, row.chance);
      shadow.learn(row.bins, row.label);
    }
    return sum / rows;
  };
  excess(5000, false);
  EXPECT_LT(excess(20000, false), 0.02) << "a bin is coarser than the truth";
  EXPECT_GT(excess(200, true), 0.3) << "what it has not seen it does not know";
  excess(10000, true);
  EXPECT_LT(excess(20000, true), 0.03);
  EXPECT_EQ(state.rows(), 55200);
}

TEST(Shadow, LearnsNumbersInTheirOwnUnit) {
  World world(5);
  v1::ShadowState state = Shadow::begin(world.profile, true, 28, 20);
  Shadow shadow = *Shadow::of(state, true);
  double error = 0;
  for (int i = 0; i < 40000; ++i) {
    const World::Row row = world.row(shadow, false);
    const double off = shadow.answer(row.bins) - row.number;
    if (i >= 20000) error += off * off / 20000;
    shadow.learn(row.bins, row.number);
  }
  // Its noise is 4, the labels' variance about 370; within a bin a slope is lost.
  EXPECT_LT(error, 20);
}

TEST(Shadow, GoesOnFromItsBytesAndRefusesDamage) {
  World world(7);
  v1::ShadowState a = Shadow::begin(world.profile, false, 0, 1), b;
  Shadow first = *Shadow::of(a, false);
  std::vector<World::Row> rows;
  for (int i = 0; i < 200; ++i) rows.push_back(world.row(first, false));
  for (const auto& row : rows) first.learn(row.bins, row.label);
  const v1::ShadowState begun = Shadow::begin(world.profile, false, 0, 1);
  ASSERT_TRUE(b.ParseFromString(begun.SerializeAsString()));
  for (const auto& row : rows) {
    Shadow::of(b, false)->learn(row.bins, row.label);
    const std::string bytes = b.SerializeAsString();
    ASSERT_TRUE(b.ParseFromString(bytes));
  }
  EXPECT_EQ(a.SerializeAsString(), b.SerializeAsString());
  b.mutable_weights()->RemoveLast();
  EXPECT_EQ(Shadow::of(b, false).status().code(), Code::kDataLoss);
}

TEST(Regret, ChanceOwesNothingAndALastingLossSoonDoes) {
  v1::RegretTrigger trigger;
  trigger.set_loss(0.01);
  std::mt19937_64 random(11);
  // Hourly slots of forty rows or so: the mean of their differences is off by about 0.05. The shadow is of a
  // better class: what that is worth is no regret.
  const auto slot = [&random](double loss) { return std::normal_distribution<>(0.1 + loss, 0.05)(random); };
  int alarms = 0;
  for (int year = 0; year < 20; ++year) {
    v1::ShadowState state;
    bool alarmed = false;
    for (int hour = 0; hour < 365 * 24; ++hour) {
      add_regret({slot(0), 0}, 1.0 / 168, hour, state);
      if (hour % 6 == 0) alarmed |= regret_score(state, trigger).fired();
    }
    alarms += alarmed;
  }
  EXPECT_LE(alarms, 1);
  v1::ShadowState state;
  int hour = 0;
  for (; hour < 21 * 24; ++hour) add_regret({slot(0), 0}, 1.0 / 168, hour, state);
  for (; hour < 365 * 24 && !regret_score(state, trigger).fired(); ++hour)
    add_regret({slot(0.05), 0}, 1.0 / 168, hour, state);
  EXPECT_LT(hour, 35 * 24)
      << "a loss of 0.05 is a window's worth in a day and a half, and sure within two weeks";
  EXPECT_NEAR(static_cast<double>(regret_score(state, trigger).since_us()), 21 * 24, 24);
  EXPECT_THAT(regret_score(state, trigger).reason(), HasSubstr("more to its shadow than when it was new"));
  begin_regret(2, 1.0 / 168, trigger, state);
  EXPECT_EQ(regret_score(state, trigger).value(), 0);
}

TEST(Regret, AVersionThatIsBadFromItsFirstDayOwesFromItsFirstDay) {
  v1::RegretTrigger trigger;
  trigger.set_loss(0.01);
  constexpr double kShare = 1.0 / 168;
  std::mt19937_64 random(12);
  v1::ShadowState state;
  int hour = 0;
  const auto live = [&](int hours, double loss) {
    for (const int until = hour + hours; hour < until && !regret_score(state, trigger).fired(); ++hour)
      add_regret({std::normal_distribution<>(loss, 0.05)(random), 0}, kShare, hour, state);
    return regret_score(state, trigger).fired();
  };
  ASSERT_FALSE(live(30 * 24, 0));
  begin_regret(2, kShare, trigger, state);
  EXPECT_FALSE(live(30 * 24, 0)) << "as good as the one before it";
  begin_regret(3, kShare, trigger, state);
  const int came = hour;
  EXPECT_TRUE(live(30 * 24, 0.05)) << "it came into a world that it had not learned";
  EXPECT_LT(hour, came + 14 * 24);
  // The answer to that is as it is: it may be that the shadow is the better one in this world.
  begin_regret(4, kShare, trigger, state);
  EXPECT_FALSE(live(30 * 24, 0.05));
  // Another one is held to the less of the two.
  begin_regret(5, kShare, trigger, state);
  ASSERT_FALSE(live(30 * 24, 0));
  begin_regret(6, kShare, trigger, state);
  EXPECT_TRUE(live(30 * 24, 0.05));
}

TEST(Regret, AShadowThatBecomesBetterIsNoChangeOfTheWorld) {
  v1::RegretTrigger trigger;
  trigger.set_loss(0.01);
  std::mt19937_64 random(14);
  const auto score = [&](double version, double shadow) {
    v1::ShadowState state;
    const auto around = [&random](double mean) { return std::normal_distribution<>(mean, 0.05)(random); };
    for (int hour = 1; hour <= 90 * 24; ++hour) {
      const bool later = hour > 30 * 24;
      add_regret({around(0.4 + (later ? version : 0)), around(0.4 + (later ? shadow : 0))}, 1.0 / 168, hour,
                 state);
    }
    return regret_score(state, trigger);
  };
  const v1::Score better = score(0, -0.05), worse = score(0.05, 0);
  EXPECT_GT(better.value(), better.threshold());
  EXPECT_FALSE(better.fired());
  EXPECT_EQ(better.since_us(), 0);
  EXPECT_THAT(better.reason(), HasSubstr("its shadow has learned more"));
  EXPECT_TRUE(worse.fired());
  EXPECT_NEAR(static_cast<double>(worse.since_us()), 30 * 24, 24);
}

// What it lost when it was new is known to within chance alone.
TEST(Regret, AVersionThatWasLuckyWhenItWasNewHasNotBecomeWorse) {
  v1::RegretTrigger trigger;
  trigger.set_loss(0.01);
  int fired = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    // A slot is six rows; the shadow learns for a month.
    std::normal_distribution<> noise(0, 0.2), apart(0, 0.05);
    v1::ShadowState state;
    for (int hour = 1; hour <= 90 * 24; ++hour) {
      const double lost = 0.4 + noise(random);
      add_regret({lost, lost + apart(random) - std::min(hour / 720.0, 1.0) * 0.02}, 1.0 / 168, hour, state);
      fired += hour == 90 * 24 && regret_score(state, trigger).fired();
    }
  }
  EXPECT_LE(fired, 12);
}

TEST(Regret, AnUntaughtShadowIsNotComparedWith) {
  World world(13);
  v1::ShadowState state = Shadow::begin(world.profile, false, 0, 1);
  state.set_rows(49 * state.weights_size());
  add_regret({-5, 0}, 0.5, 1, state);
  EXPECT_EQ(state.new_slots(), 0u);
  state.set_rows(50 * state.weights_size());
  for (int slot = 0; slot < 100; ++slot) add_regret({-1, 0}, 0.5, slot, state);
  EXPECT_EQ(state.new_slots(), 100u) << "so many say what is usual";
  EXPECT_EQ(state.regret(), 0);
  add_regret({0, 0}, 0.5, 100, state);
  EXPECT_DOUBLE_EQ(state.regret(), 0.5) << "half a window at one more than usual";
}

// --- Expected loss

struct Answers {
  v1::Profile profile;
  FeatureBins bins;
};

// Answers p that come true so often; the loss is the log-loss.
Answers holdout(std::mt19937_64& random, int rows) {
  std::vector<double> p, loss;
  for (int i = 0; i < rows; ++i) {
    p.push_back(std::uniform_real_distribution<>(0.02, 0.6)(random));
    loss.push_back(log_loss(std::uniform_real_distribution<>(0, 1)(random) < p.back(), p.back()));
  }
  Answers out;
  *out.profile.mutable_prediction() = numeric_profile(kPrediction, p);
  out.bins = *FeatureBins::make(out.profile.prediction());
  std::vector<double> sums(out.bins.size()), squares(out.bins.size());
  for (int i = 0; i < rows; ++i) {
    sums[out.bins.bin(p[static_cast<size_t>(i)])] += loss[static_cast<size_t>(i)];
    squares[out.bins.bin(p[static_cast<size_t>(i)])] +=
        loss[static_cast<size_t>(i)] * loss[static_cast<size_t>(i)];
  }
  out.profile.mutable_loss_sums()->Assign(sums.begin(), sums.end());
  out.profile.mutable_loss_square_sums()->Assign(squares.begin(), squares.end());
  return out;
}

std::vector<int64_t> counts(std::mt19937_64& random, const FeatureBins& bins, int rows, double low,
                            double high, double* loss = nullptr) {
  std::vector<int64_t> live(bins.size());
  for (int i = 0; i < rows; ++i) {
    const double p = std::uniform_real_distribution<>(low, high)(random);
    ++live[bins.bin(p)];
    if (loss) *loss += (-p * std::log(p) - (1 - p) * std::log(1 - p)) / rows;
  }
  return live;
}

v1::EstimateTrigger sharp() {
  v1::EstimateTrigger trigger;
  trigger.set_rise(0.001);
  trigger.set_false_alarms(0.01);
  return trigger;
}

TEST(ExpectedLoss, FollowsAnswersToWhereTheVersionErrs) {
  std::mt19937_64 random(17);
  const Answers made = holdout(random, 20000);
  double truth = 0;
  const auto live = counts(random, made.bins, 5000, 0.35, 0.6, &truth);
  const auto score = expected_loss(made.profile, live, sharp(), 1000);
  ASSERT_TRUE(score);
  const double before =
      std::accumulate(made.profile.loss_sums().begin(), made.profile.loss_sums().end(), 0.0) / 20000;
  EXPECT_NEAR(before + score->value(), truth, 0.01);
  EXPECT_TRUE(score->fired()) << score->reason();
  EXPECT_FALSE(
      expected_loss(made.profile, counts(random, made.bins, 5000, 0.02, 0.2), sharp(), 1000)->fired())
      << "less is no alarm";
}

TEST(ExpectedLoss, ChanceIsNoAlarmAtAnyNumberOfRows) {
  std::mt19937_64 random(23);
  for (const int rows : {200, 1000, 5000}) {
    int alarms = 0;
    for (int i = 0; i < 400; ++i) {
      const Answers made = holdout(random, 500);
      alarms +=
          expected_loss(made.profile, counts(random, made.bins, rows, 0.02, 0.6), sharp(), 100)->fired();
    }
    EXPECT_LE(alarms, 8) << rows << " rows; 2 of 200 are meant";
  }
}

TEST(ExpectedLoss, RefusesWhatItCannotTell) {
  std::mt19937_64 random(29);
  Answers made = holdout(random, 2000);
  const auto live = counts(random, made.bins, 500, 0.5, 0.6);
  EXPECT_FALSE(expected_loss(made.profile, live, sharp(), 1000)->fired()) << "too few rows";
  EXPECT_FALSE(expected_loss(made.profile, std::vector<int64_t>(3), sharp(), 1)) << "other bins";
  made.profile.clear_loss_sums();
  EXPECT_FALSE(expected_loss(made.profile, live, sharp(), 1)) << "made before losses were kept";
}

}  // namespace
}  // namespace rekindle::drift
