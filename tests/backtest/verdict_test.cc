// What people read.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <limits>

#include "backtest/report/report.h"

namespace rekindle::backtest {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr int64_t kDay = 86'400'000'000;

PolicyLine line(const std::string& name, double loss, uint64_t fits, double share) {
  PolicyLine out;
  out.name = name;
  out.loss = loss;
  out.score = 0.7;
  out.fits = fits;
  out.rows = fits * 1000;
  out.share = share;
  out.best = 0.440;
  out.losses = {loss, std::numeric_limits<double>::quiet_NaN()};
  out.delay_days = std::numeric_limits<double>::quiet_NaN();
  for (uint64_t i = 1; i < fits; ++i)
    out.runs.push_back({static_cast<int64_t>(i) * kDay, "drift", "psi of <temp>", "published",
                        "published as version 2", 0, 1000, 1.5, false});
  return out;
}

Report report() {
  Report out;
  out.model = "flight-delay";
  out.data = "flights";
  out.loss_name = "log-loss";
  out.score_name = "AUROC";
  out.from_us = kDay;
  out.until_us = 3 * kDay;
  out.slices = {{kDay, 2 * kDay, 10}, {2 * kDay, 3 * kDay, 0}};
  out.never = 0.5;
  out.best = {0.5, 0.46, 0.44};
  out.gain = {0.06, 0.01};
  out.still = 1e-9;
  out.policies = {line(kOwn, 0.445, 5, 0.9), line("never", 0.5, 1, 0), line("cron", 0.451, 12, 0.8)};
  out.verdict = verdict_of(out);
  return out;
}

TEST(Verdict, NamesTheRivalRekindleAndTheBestPossible) {
  EXPECT_EQ(
      "log-loss, less is better: never 0.5000; cron with 12 fits 0.4510; rekindle with 5 fits 0.4450; best "
      "possible with 5 fits 0.4400 (rekindle has 90 % of that gain)",
      verdict_of(report()));
}

TEST(Verdict, NamesTreesThatDoBetterThanAnySchedule) {
  Report with = report();
  with.trees.line = line("boosted trees", 0.4, 12, 0);
  with.trees.over_own = {0.045, 0.002};
  EXPECT_THAT(verdict_of(with),
              AllOf(StartsWith(verdict_of(report())),
                    HasSubstr("Boosted trees, refitted every slice, lose 0.4000: 0.0450 less")));
  for (const std::string& shown : {table_of(with), html_of(with), json_of(with)})
    EXPECT_THAT(shown, HasSubstr("boosted")) << shown;
  with.trees.over_own.standard_error = 0.02;
  EXPECT_EQ(verdict_of(report()), verdict_of(with)) << "within what chance makes";
}

TEST(Verdict, SaysWhyThereAreNoTrees) {
  Report without = report();
  without.trees.missing = "LightGBM cannot be loaded";
  EXPECT_THAT(table_of(without), HasSubstr("no reference of boosted trees: LightGBM cannot be loaded"));
  EXPECT_THAT(json_of(without), HasSubstr("LightGBM cannot be loaded"));
}

TEST(Verdict, SaysNotToBotherWhereNothingDrifts) {
  Report still = report();
  still.gain = {0.002, 0.001};
  EXPECT_THAT(verdict_of(still), AllOf(StartsWith("do not bother: nothing drifts"), Not(HasSubstr("cron"))));
}

TEST(Verdict, TellsMoreRowsFromDrift) {
  Report still = report();
  still.still = 0.4;
  EXPECT_THAT(
      verdict_of(still),
      AllOf(
          StartsWith("do not bother: nothing drifts, as far as can be told. Fits differ by the same amount"),
          HasSubstr("0.5000 at first, 0.4600 with one fit more, 0.4400 with any")));
}

TEST(Verdict, TellsHowMuchIsLuck) {
  Report banded = report();
  for (PolicyLine& one : banded.policies) one.least = one.most = one.loss;
  Report other = report();
  other.policies[0].loss = 0.4420;
  other.policies[2].loss = 0.4540;
  other.policies.erase(other.policies.begin() + 1);
  widen_bands(banded, other);
  EXPECT_THAT(verdict_of(banded),
              AllOf(HasSubstr("cron with 12 fits 0.4510 (0.4510 to 0.4540 over 2 seeds)"),
                    HasSubstr("rekindle with 5 fits 0.4450 (0.4420 to 0.4450 over 2 seeds)")));
  EXPECT_THAT(table_of(banded), AllOf(HasSubstr("OVER 2 SEEDS"), HasSubstr("0.4420 to 0.4450")));
}

TEST(Verdict, TakesNoRivalOfAnotherPrice) {
  Report dear = report();
  dear.policies.push_back(line("adwin", 0.430, 101, 0.99));
  EXPECT_THAT(verdict_of(dear), AllOf(HasSubstr("; cron with 12 fits"), Not(HasSubstr("adwin"))));
}

TEST(Verdict, SaysWhatWasTunedOnWhat) {
  EXPECT_EQ("", suggestion_of(report()));
  Report with = report();
  with.suggested = {"every:56d", "retrain: {when: [{age: 56d}]}", 8, 5, 2 * kDay, 0.45, 0.5, 0.46};
  EXPECT_THAT(
      table_of(with),
      HasSubstr("for 8 fits a history: every:56d, in a spec `retrain: {when: [{age: 56d}]}`. Tuned on "
                "1970-01-02 to 1970-01-03 alone; on the rows after that it loses 0.4500 with 5 fits after "
                "version 1 "
                "(never 0.5000, rekindle as it is 0.4600)"));
}

TEST(Verdict, NeedsNoRekindle) {
  Report others = report();
  others.policies.erase(others.policies.begin());
  EXPECT_THAT(verdict_of(others), HasSubstr("cron with 12 fits 0.4510; best possible with 12 fits"));
}

TEST(Table, ShowsEachPolicyAndSlice) {
  const std::string text = table_of(report());
  EXPECT_THAT(text, HasSubstr("cron"));
  EXPECT_THAT(text, HasSubstr("90 %"));
  EXPECT_THAT(text, HasSubstr("1970-01-02"));
  EXPECT_THAT(text, HasSubstr("best possible by fits: 1 0.5000, 2 0.4600, 3 0.4400"));
}

TEST(Json, IsWholeAndHasNoNaN) {
  const auto parsed = boost::json::parse(json_of(report())).as_object();
  EXPECT_EQ(3u, parsed.at("policies").as_array().size());
  EXPECT_TRUE(parsed.at("policies").as_array()[0].as_object().at("delay_days").is_null());
  EXPECT_EQ(4u, parsed.at("policies").as_array()[0].as_object().at("runs").as_array().size());
  EXPECT_TRUE(parsed.at("anything_drifts").as_bool());
}

TEST(Held, IsToldWithItsReason) {
  Report with = report();
  with.held.push_back({"leaking_label", "salary", "node-b", 0, 3'600'000'000, 12, "salary alone <knows> it"});
  EXPECT_THAT(table_of(with), HasSubstr("1970-01-01T00:00:00Z to 1970-01-01T01:00:00Z  12 rows, "
                                        "leaking_label from node-b: salary alone <knows> it"));
  const auto held = boost::json::parse(json_of(with)).as_object().at("held").as_array().at(0).as_object();
  EXPECT_EQ(held.at("feature").as_string(), "salary");
  EXPECT_EQ(held.at("until").as_string(), "1970-01-01T01:00:00Z");
  EXPECT_THAT(html_of(with), HasSubstr("12 rows, leaking_label: salary alone &lt;knows&gt; it"));
  EXPECT_THAT(table_of(report()), Not(HasSubstr("held back")));
  EXPECT_THAT(html_of(report()), Not(HasSubstr("Held back")));
}

TEST(Html, StandsAloneAndTrustsNoName) {
  Report named = report();
  named.model = "<script>alert(1)</script>";
  const std::string page = html_of(named);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("http")));
  EXPECT_THAT(page, Not(HasSubstr("nan")));
  EXPECT_THAT(page, HasSubstr("</svg>"));
}

}  // namespace
}  // namespace rekindle::backtest
