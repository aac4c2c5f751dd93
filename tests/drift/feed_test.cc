// What the checks of a feed are made of: samples that add up, codes that changed, who is at fault, labels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "base/hash.h"
#include "drift/feed/labels.h"
#include "drift/feed/recode.h"
#include "drift/feed/repeats.h"
#include "drift/feed/units/units.h"
#include "drift/profile.h"
#include "drift/quality.h"

namespace rekindle::drift {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kHour = 3'600'000'000;

TEST(LeastHashes, ANumberComesBackFromItsHash) {
  for (const double x : {0.0, 1.0, -1.5, 1e-300, -1e300, 0.1, 3e9}) EXPECT_EQ(number_of(hash_of(x)), x);
  EXPECT_EQ(hash_of(-0.0), hash_of(0.0));
  EXPECT_NE(hash_of(1), hash_of(-1));
}

TEST(LeastHashes, SamplesOfPartsAddUpToTheSampleOfAll) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 50; ++round) {
    std::vector<LeastHashes> parts(4, LeastHashes(6));
    LeastHashes all(6), sum(6);
    for (int i = 0; i < 300; ++i) {
      const uint64_t hash = hash_of(static_cast<double>(random() % 40));
      parts[random() % parts.size()].add(hash);
      all.add(hash);
    }
    std::shuffle(parts.begin(), parts.end(), random);
    for (const auto& part : parts)
      for (const auto& kept : part.kept()) sum.add(kept.hash, kept.rows);
    EXPECT_TRUE(std::equal(sum.kept().begin(), sum.kept().end(), all.kept().begin(), all.kept().end()));
    EXPECT_EQ(all.kept().size(), 6u);
  }
}

TEST(RowContents, DependOnTheRowAndNotOnTheOrderOfItsColumns) {
  const double temp[] = {1, 2, 1, std::nan("")};
  RowContents a(4), b(4);
  a.add_numbers("temp", temp);
  RowContents::Texts of_a = a.texts("carrier"), of_b = b.texts("carrier");
  of_b.add_missing(3);
  for (size_t i = 0; i < 3; ++i) {
    of_a.add(i, "UA");
    of_b.add(i, "UA");
  }
  of_a.add_missing(3);
  b.add_numbers("temp", temp);
  EXPECT_TRUE(std::equal(a.hashes().begin(), a.hashes().end(), b.hashes().begin()));
  EXPECT_EQ(a.hashes()[0], a.hashes()[2]);
  EXPECT_NE(a.hashes()[0], a.hashes()[1]);
  EXPECT_NE(a.hashes()[0], a.hashes()[3]);
  RowContents other(1);
  other.add_numbers("dew", std::span(temp, 1));
  other.texts("carrier").add(0, "UA");
  EXPECT_NE(other.hashes()[0], a.hashes()[0]) << "the same values of other columns";
}

// A slot of a column whose values are `counts` by name.
SlotHealth texts(const v1::FeatureProfile& reference, const std::map<std::string, int>& counts) {
  v1::Profile profile;
  *profile.add_features() = reference;
  *profile.mutable_prediction() = numeric_profile(kPrediction, std::vector<double>{0.1, 0.2});
  const auto bins = *ProfileBins::make(profile);
  SlotCounter counter(*bins);
  for (const auto& [text, n] : counts)
    for (int i = 0; i < n; ++i) counter.add_text(0, text);
  const FeedColumn column{"carrier", true};
  return health_of(counter.to_proto(1, Time{}), &profile, std::span(&column, 1));
}

TEST(Recode, IsWhatCameWithTheSharesOfWhatWent) {
  CategoryTally tally;
  const std::map<std::string, int> before = {{"UA", 500}, {"B6", 250}, {"EV", 150}, {"DL", 100}};
  for (const auto& [text, n] : before)
    for (int i = 0; i < n; ++i) tally.add(text);
  const v1::FeatureProfile reference = tally.profile("carrier");
  const auto found = [&](const std::map<std::string, int>& now) {
    const SlotHealth slot = texts(reference, now);
    return find_recode(reference, std::span(&slot, 1), 0);
  };
  const auto all = found({{"1", 148}, {"2", 100}, {"3", 500}, {"4", 252}});
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->went, 4);
  EXPECT_EQ(all->came, 4);
  EXPECT_LT(all->apart, 0.01);
  EXPECT_TRUE(found({{"UA", 500}, {"b6", 250}, {"ev", 150}, {"DL", 100}})) << "some of the codes";
  EXPECT_FALSE(found({{"UA", 300}, {"B6", 150}, {"EV", 90}, {"DL", 60}, {"AA", 400}})) << "a new carrier";
  EXPECT_FALSE(found({{"1", 250}, {"2", 250}, {"3", 250}, {"4", 250}})) << "other shares";
  EXPECT_FALSE(found(before));
}

v1::Breach breach(const std::string& check, const std::string& source, int64_t from_us) {
  v1::Breach out;
  out.set_check(check);
  out.set_feature("temp");
  out.set_source(source);
  out.set_from_us(from_us);
  return out;
}

std::string sources(const Findings& findings) {
  std::string out;
  for (const auto& b : findings.breaches) out += b.check() + "/" + b.source() + " ";
  return out;
}

TEST(Attribute, NamesWhoIsAtFault) {
  const v1::Breach whole = breach("range", "", 0), a = breach("range", "a", 0),
                   b = breach("range", "b", kHour);
  const Findings of_all{{whole}, {}}, of_a{{a}, {}}, of_b{{b}, {}}, none;
  EXPECT_EQ(sources(attribute(of_all, {of_a, none}, {})), "range/a ");
  EXPECT_EQ(sources(attribute(of_all, {of_a, of_b}, {})), "range/ ");
  EXPECT_EQ(sources(attribute(of_all, {none, none}, {})), "range/ ") << "too few rows on each";
  EXPECT_EQ(sources(attribute(none, {of_a, none}, {})), "range/a ");
  const v1::Breach* open = &whole;
  EXPECT_EQ(sources(attribute(of_all, {of_a, none}, std::span(&open, 1))), "range/ ") << "it keeps its name";
  const Findings later{{breach("range", "b", 50 * kHour)}, {}};
  EXPECT_EQ(sources(attribute(of_all, {of_a, later}, {})), "range/a range/b ") << "two troubles";
}

TEST(Repeats, CountWhatCameBefore) {
  std::vector<SlotHealth> slots = {
      {0, 3, {}, {{1, 1}, {2, 2}}}, {kHour, 2, {}, {{2, 1}, {3, 1}}}, {60 * kHour, 2, {}, {{1, 1}, {4, 1}}}};
  const std::vector<Part> parts = repeats_of(slots);
  EXPECT_EQ(parts[0].bad, 1);
  EXPECT_EQ(parts[0].of, 3);
  EXPECT_EQ(parts[1].bad, 1);
  EXPECT_EQ(parts[2].bad, 0) << "longer ago than is looked back";
}

TEST(Concordance, CountsPairsTiesHalf) {
  const std::vector<double> scores = {0.1, 0.4, 0.4, 0.8, std::nan("")}, labels = {0, 0, 1, 1, 1};
  const Concordance c = concordance(std::span<const double>(scores), labels);
  EXPECT_EQ(c.pairs, 4);
  EXPECT_EQ(c.concordant, 3.5);
  // Mann-Whitney: n1 n0 / 12 (n + 1 - sum(t^3 - t) / (n (n - 1)))
  EXPECT_DOUBLE_EQ(c.chance, 4.0 / 12 * (5 - 6.0 / 12));
  const std::vector<std::string_view> values = {"a", "a", "b", "b", "c"};
  const std::vector<double> by_value = {1, 1, 0, 0, 1};
  const Concordance told = concordance(std::span<const std::string_view>(values), by_value);
  EXPECT_EQ(told.concordant, 6);
  EXPECT_EQ(told.pairs, 6);
  const std::vector<std::string_view> same = {"a", "a", "d"};
  const std::vector<double> apart = {1, 0, 0};
  EXPECT_EQ(concordance(std::span<const std::string_view>(same), apart).concordant, 0)
      << "a row does not tell its own label";
}

// Labels of `hours` slots; `sums` fills in one sender's part of one slot.
std::vector<v1::LabelSums> hours(
    int count, const std::function<void(int, v1::LabelSums& east, v1::LabelSums& west)>& sums) {
  std::vector<v1::LabelSums> out;
  for (int i = 0; i < count; ++i) {
    v1::LabelSums east, west;
    for (auto* s : {&east, &west}) {
      s->set_slot_us(i * kHour);
      s->set_rows(20);
      s->set_loss(2 + 0.3 * std::sin(i));
      s->set_pairs(96);
      s->set_concordant(77);
      s->set_chance(168);
    }
    east.set_source("east");
    west.set_source("west");
    sums(i, east, west);
    out.push_back(east);
    out.push_back(west);
  }
  return out;
}

TEST(Labels, TurnedRoundAndPoisonedAreNamedAndWorseIsNot) {
  const auto check = [](const std::vector<v1::LabelSums>& sums) {
    return check_labels(sums, "late", {}, Micros(kHour), {}, {});
  };
  EXPECT_TRUE(check(hours(90, [](int, auto&, auto&) {})).breaches.empty());
  const Findings turned = check(hours(90, [](int i, auto& east, auto& west) {
    for (auto* s : {&east, &west})
      if (i >= 78) {
        s->set_concordant(19);
        s->set_mirrored_loss(2 + 0.3 * std::cos(i));
      }
  }));
  ASSERT_EQ(turned.breaches.size(), 1u);
  EXPECT_EQ(turned.breaches[0].check(), "inverted_label");
  EXPECT_EQ(turned.breaches[0].feature(), "late");
  EXPECT_EQ(turned.breaches[0].from_us(), 78 * kHour);
  EXPECT_EQ(turned.breaches[0].rows(), 12 * 40);
  EXPECT_TRUE(turned.breaches[0].of_labels());
  EXPECT_THAT(turned.breaches[0].reason(), HasSubstr("80 % in order before, and 20 % since"));
  // Other reasons for being late: upside down for days on end, and wrong by another measure than it was
  // right.
  for (const int begun : {40, 78}) {
    const Findings reversed = check(hours(90, [&](int i, auto& east, auto& west) {
      for (auto* s : {&east, &west})
        if (i >= begun) {
          s->set_concordant(19);
          s->set_loss(9);
          s->set_mirrored_loss(2.9 + 0.3 * std::cos(i));
        }
    }));
    EXPECT_TRUE(reversed.breaches.empty()) << begun;
    EXPECT_TRUE(reversed.suspects.empty()) << "its days may settle";
  }
  const Findings useless = check(hours(90, [](int i, auto& east, auto& west) {
    for (auto* s : {&east, &west})
      if (i >= 70) {
        s->set_concordant(46);
        s->set_loss(6);
      }
  }));
  EXPECT_TRUE(useless.breaches.empty())
      << "a model that has nothing to say any more is no fault of its labels";
  const Findings poisoned = check(hours(90, [](int i, auto&, auto& west) {
    if (i >= 76) west.set_loss(7 + 0.5 * std::cos(i));
  }));
  ASSERT_EQ(poisoned.breaches.size(), 1u);
  EXPECT_EQ(poisoned.breaches[0].check(), "poisoned_feedback");
  EXPECT_EQ(poisoned.breaches[0].source(), "west");
  EXPECT_EQ(poisoned.breaches[0].from_us(), 76 * kHour);
  EXPECT_THAT(poisoned.breaches[0].reason(), HasSubstr("labels sent by west"));
}

// Of the second of two columns what each hour's labels and values are.
Findings told_by_delay(int hours_in_all, const std::function<double(int hour)>& told,
                       const std::function<double(int number)>& value) {
  const FeedColumn columns[] = {{"temp"}, {"delay"}};
  int number = 0;
  const auto sums = hours(hours_in_all, [&](int i, auto& east, auto&) {
    for (const double of : {50.0, told(i)}) {
      east.add_told(of);
      east.add_told_of(96);
    }
    for (size_t k = 0; k < kToldValues; ++k) east.add_told_values(15);
    for (size_t k = 0; k < kToldValues; ++k) east.add_told_values(static_cast<float>(value(number++)));
  });
  return check_labels(sums, "late", columns, Micros(kHour), {}, {});
}

TEST(Labels, AColumnThatGivesThemAwayIsNamed) {
  constexpr int kValues = 80 * kToldValues;  // until then
  const Findings found = told_by_delay(
      90, [](int i) { return i >= 80 ? 0.5 : 70; },
      [](int n) { return n < kValues  ? n * 37 % 100
                         : n % 3 == 0 ? 80 + n % 5
                                      : 10 + n % 5; });
  ASSERT_EQ(found.breaches.size(), 1u);
  EXPECT_EQ(found.breaches[0].check(), "leaking_label");
  EXPECT_EQ(found.breaches[0].feature(), "delay");
  EXPECT_FALSE(found.breaches[0].of_labels()) << "the rows are broken";
}

// The same column, and labels that go by it alone now: the world has changed, the feed has not.
TEST(Labels, AColumnThatHasComeToDecideAloneIsNotNamed) {
  const auto decides = [](int i) { return i >= 80 ? 0.5 : 70; };
  const auto as_ever = [](int n) { return n * 37 % 100; };
  const Findings soon = told_by_delay(90, decides, as_ever);
  EXPECT_TRUE(soon.breaches.empty());
  EXPECT_EQ(soon.suspects.size(), 1u) << "its days wait while too few values tell";
  const Findings later = told_by_delay(110, decides, as_ever);
  EXPECT_TRUE(later.breaches.empty());
  EXPECT_TRUE(later.suspects.empty());
}

}  // namespace
}  // namespace rekindle::drift
