// Detectors against their oracles: river 0.26.1, scipy 1.17.1, numpy (golden/make_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "drift/psi.h"
#include "drift/streams/adwin.h"
#include "tests/drift/golden.h"

namespace rekindle::drift {
namespace {

namespace json = boost::json;

// `reload`: the state goes through save() and load() before every item.
void expect_as_river(const json::object& stream, bool reload) {
  SCOPED_TRACE(stream.at("name").as_string().c_str());
  const AdwinTerms terms{.delta = stream.at("delta").to_number<double>(),
                         .clock = stream.at("clock").to_number<uint64_t>()};
  Adwin adwin(terms);
  std::vector<int64_t> detections;
  const json::array& widths = stream.at("widths").as_array();
  size_t next_width = 0;
  int64_t index = 0;
  for_each_item(stream, [&](double item) {
    if (reload) {
      auto again = Adwin::load(adwin.save(), terms);
      ASSERT_TRUE(again.ok()) << again.status().message();
      adwin = *again;
    }
    if (adwin.update(item)) {
      detections.push_back(index);
      EXPECT_GT(std::abs(adwin.before() - adwin.after()), adwin.bound());
    }
    if (next_width < widths.size() && widths[next_width].at(0).to_number<int64_t>() == index) {
      EXPECT_EQ(static_cast<int64_t>(adwin.width()), widths[next_width].at(1).to_number<int64_t>())
          << "item " << index;
      EXPECT_NEAR(adwin.mean(), widths[next_width].at(2).to_number<double>(), 1e-9) << "item " << index;
      ++next_width;
    }
    ++index;
  });
  EXPECT_EQ(next_width, widths.size());
  const std::vector<int64_t> expected = numbers<int64_t>(stream.at("detections"));
  EXPECT_EQ(detections, expected);
  EXPECT_EQ(adwin.detections(), expected.size());
}

TEST(Adwin, DetectsWhereRiverDoes) {
  for (const auto& stream : golden().at("adwin").as_array()) expect_as_river(stream.as_object(), false);
}

TEST(Adwin, GoesOnFromItsSavedStateAsIfThereHadBeenNoBreak) {
  expect_as_river(golden().at("adwin").as_array().at(1).as_object(), true);
}

// Of means what counts is how much of their own spread a change is, not how much of [0, 1].
TEST(Adwin, OfMeansFindsAsSoonWhatIsSmaller) {
  const auto items_until_found = [](double scale, bool of_means) {
    Adwin adwin({.clock = 1, .of_means = of_means});
    Uniform uniform(5);
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(adwin.update(scale * (0.2 + 0.2 * uniform())));
    int items = 1;
    while (!adwin.update(scale * (0.3 + 0.2 * uniform()))) ++items;
    return items;
  };
  EXPECT_EQ(items_until_found(0.6, true), items_until_found(1, true));
  EXPECT_LT(3 * items_until_found(1, true), items_until_found(1, false));
  EXPECT_LT(10 * items_until_found(0.1, true), items_until_found(0.1, false));
}

TEST(Adwin, OfMeansRarelyAlarmsWhereNothingChanges) {
  Adwin adwin({.clock = 1, .of_means = true});
  Uniform uniform(7);
  for (int i = 0; i < 50000; ++i) {
    double mean = 0;
    for (int row = 0; row < 6; ++row) mean += (uniform() < 0.2 ? 1.0 : 0.0) / 6;
    adwin.update(mean);
  }
  EXPECT_EQ(adwin.detections(), 0u);
}

// Two days in seven by a tenth of log-loss, and hardly any noise, as of a million rows an hour.
TEST(Adwin, OfMeansThatAreWorseAtWeekendsNothingIsFound) {
  Adwin adwin({.clock = 1, .of_means = true});
  Uniform uniform(8);
  for (int hour = 0; hour < 24 * 365; ++hour)
    ASSERT_FALSE(adwin.update(0.1 + (hour / 24 % 7 >= 5 ? 0.02 : 0) + 0.002 * uniform())) << hour;
}

TEST(Adwin, OfMeansThatAreAllTheSameRoundingIsNoChange) {
  Adwin adwin({.clock = 1, .of_means = true});
  for (int i = 0; i < 5000; ++i) ASSERT_FALSE(adwin.update(std::log(0.9) / std::log(0.01))) << i;
}

TEST(Adwin, OfItemsThatSpreadOverAllOfTheRangeIsRivers) {
  Adwin means({.of_means = true}), rivers;
  Uniform uniform(6);
  for (int i = 0; i < 6000; ++i) {
    const double item = uniform() < (i < 3000 ? 0.2 : 0.4) ? 1 : 0;
    ASSERT_EQ(means.update(item), rivers.update(item)) << i;
  }
  EXPECT_GT(rivers.detections(), 0u);
}

TEST(Adwin, KnowsTheDirectionOfAChange) {
  Adwin adwin;
  Uniform uniform(5);
  for (int i = 0; i < 1000; ++i) ASSERT_FALSE(adwin.update(uniform() * 0.2));
  bool found = false;
  int since = 0;
  for (; since < 1000 && !found; ++since) found = adwin.update(0.5 + uniform() * 0.2);
  ASSERT_TRUE(found);
  EXPECT_NEAR(static_cast<double>(adwin.newer()), since, 4) << "to within a bucket";
  EXPECT_LT(adwin.before(), 0.2);
  EXPECT_GT(adwin.after(), adwin.before() + 0.05);
}

TEST(Adwin, RefusesDamagedState) {
  Adwin adwin;
  for (int i = 0; i < 100; ++i) adwin.update(0.5);
  const std::string bytes = adwin.save();
  for (size_t cut : {size_t{0}, size_t{3}, bytes.size() / 2, bytes.size() - 1})
    EXPECT_EQ(Adwin::load(std::string_view(bytes).substr(0, cut)).status().code(), Code::kDataLoss);
  EXPECT_EQ(Adwin::load(bytes + "x").status().code(), Code::kDataLoss);
  std::string width = bytes;
  width[4 + 4 + 8] ^= 1;  // the width no longer agrees with the buckets
  EXPECT_EQ(Adwin::load(width).status().code(), Code::kDataLoss);
}

TEST(Psi, EqualsNumpy) {
  for (const auto& value : golden().at("psi").as_array()) {
    const auto& c = value.as_object();
    const std::vector<int64_t> reference = numbers<int64_t>(c.at("reference"));
    const std::vector<int64_t> live = numbers<int64_t>(c.at("live"));
    const Psi found = psi(reference, live);
    EXPECT_EQ(found.bins, c.at("bins").to_number<int>());
    EXPECT_NEAR(found.value, c.at("value").to_number<double>(), 1e-12);
  }
}

TEST(Psi, NullQuantileEqualsScipy) {
  for (const auto& value : golden().at("chi2").as_array()) {
    const auto& c = value.as_object();
    const double expected = c.at("value").to_number<double>();
    EXPECT_NEAR(null_quantile(c.at("bins").to_number<int>(), c.at("tail").to_number<double>(),
                              c.at("n").to_number<int64_t>(), c.at("m").to_number<int64_t>()),
                expected, 1e-9 * expected);
  }
}

TEST(Psi, OfPureNoiseStaysUnderItsNullQuantile) {
  // 400 windows of 500 rows from the reference's own law: at 1 % about four alarms, at most ten.
  Uniform uniform(11);
  std::vector<int64_t> reference(20);
  for (int i = 0; i < 5000; ++i) ++reference[static_cast<size_t>(uniform() * 20)];
  int alarms = 0;
  for (int window = 0; window < 400; ++window) {
    std::vector<int64_t> live(20);
    for (int i = 0; i < 500; ++i) ++live[static_cast<size_t>(uniform() * 20)];
    alarms += psi(reference, live).value > null_quantile(20, 0.01, 5000, 500);
  }
  EXPECT_LE(alarms, 10);
}

TEST(Psi, ScoreSaysWhatItWasComparedWith) {
  v1::FeatureProfile reference;
  reference.set_name("temp");
  for (int64_t n : {0, 0, 500, 500, 0}) reference.add_counts(n);
  v1::DriftTrigger trigger;
  trigger.set_psi(0.25);
  trigger.set_false_alarms(0.01);
  const std::vector<int64_t> moved = {0, 0, 900, 100, 0}, few = {0, 0, 9, 1, 0}, same = {0, 0, 510, 490, 0};
  const v1::Score fired = psi_score(reference, moved, trigger, 0.01 / 13, 1000);
  EXPECT_TRUE(fired.fired());
  EXPECT_EQ(fired.feature(), "temp");
  EXPECT_DOUBLE_EQ(fired.threshold(), 0.25);
  EXPECT_GT(fired.null_quantile(), 0);
  EXPECT_FALSE(psi_score(reference, same, trigger, 0.01 / 13, 1000).fired());
  const v1::Score too_few = psi_score(reference, few, trigger, 0.01 / 13, 1000);
  EXPECT_FALSE(too_few.fired());
  EXPECT_GT(too_few.threshold(), 0.25) << "chance alone makes more of ten rows";
  EXPECT_FALSE(psi_score(reference, std::vector<int64_t>(5), trigger, 0.01 / 13, 0).fired());
}

// 13 features of 10 bins, `moved` of them by a quarter of a bin's rows; `rows` live rows each.
struct Window {
  std::vector<v1::FeatureProfile> references = std::vector<v1::FeatureProfile>(13);
  std::vector<FeatureWindow> features;
  Window(Uniform& uniform, int64_t rows, size_t moved) {
    for (size_t k = 0; k < references.size(); ++k) {
      std::vector<int64_t> live(10);
      for (int i = 0; i < 10; ++i) references[k].add_counts(2000);
      for (int64_t i = 0; i < rows; ++i) {
        const auto bin = static_cast<size_t>(uniform() * 10);
        ++live[k < moved && bin == 0 && uniform() < 0.6 ? 9 : bin];
      }
      features.push_back({&references[k], std::move(live)});
    }
  }
};

TEST(Psi, FeaturesTogetherRaiseNoMoreFalseAlarmsThanAllowedWhenNothingMoves) {
  Uniform uniform(12);
  v1::DriftTrigger trigger;
  trigger.set_false_alarms(0.1);  // psi 0: chance alone rules
  int alarms = 0;
  for (int round = 0; round < 600; ++round) {
    const Window window(uniform, 400, 0);
    const auto scores = psi_scores(window.features, trigger, 1);
    EXPECT_EQ(scores.size(), 13u);
    alarms += std::ranges::any_of(scores, [](const v1::Score& s) { return s.fired(); });
  }
  EXPECT_LE(alarms, 85) << "one window in ten";
  EXPECT_GE(alarms, 25);
}

TEST(Psi, FeaturesThatMoveTogetherMakeEachOthersThresholdFall) {
  Uniform uniform(13);
  v1::DriftTrigger trigger;
  trigger.set_false_alarms(0.01);
  int together = 0, alone = 0;
  for (int round = 0; round < 100; ++round) {
    const Window window(uniform, 400, 9);
    const auto scores = psi_scores(window.features, trigger, 1);
    for (size_t k = 0; k < scores.size(); ++k) {
      const auto by_itself =
          psi_score(*window.features[k].reference, window.features[k].live, trigger, 0.01 / 13, 1);
      together += scores[k].fired();
      alone += by_itself.fired();
      EXPECT_GE(scores[k].fired(), by_itself.fired()) << "never stricter than Bonferroni";
      EXPECT_EQ(scores[k].fired(), scores[k].value() > scores[k].threshold());
    }
  }
  EXPECT_GT(together, alone + 50);
}

TEST(Psi, FeaturesWithFewRowsNeitherFireNorHelpOthersTo) {
  Uniform uniform(14);
  v1::DriftTrigger trigger;
  trigger.set_false_alarms(0.01);
  Window window(uniform, 400, 13);
  for (size_t k = 1; k < window.features.size(); ++k)
    window.features[k].live = {90, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const auto scores = psi_scores(window.features, trigger, 100);
  for (size_t k = 1; k < scores.size(); ++k) EXPECT_FALSE(scores[k].fired());
  EXPECT_EQ(scores[0].threshold(),
            psi_score(window.references[0], window.features[0].live, trigger, 0.01 / 13, 100).threshold());
  EXPECT_TRUE(psi_scores({}, trigger, 100).empty());
}

}  // namespace
}  // namespace rekindle::drift
