// Whole backtests of a world that is made up: what is known of it must be found, and twice is the same.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "artifacts/store.h"
#include "backtest/backtest.h"
#include "base/log.h"
#include "dataio/snapshot.h"
#include "jobs/spec.h"
#include "proto/time.h"

namespace rekindle::backtest {

namespace fs = std::filesystem;

namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kStart = 15'706 * kDay;  // 2013-01-01
constexpr int kDays = 60, kFirstDays = 10, kRowsAnHour = 20;

constexpr const char* kSpec = R"(rekindle: 1
name: m
data: {initial: d@a, time: at, label: {column: y, matures: 2h}, numeric: [x]}
train: {model: linear, rows: {last: 4d}, batch: 64, optimizer: {adamw: {rate: 0.05}}, stop: {epochs: 5}}
retrain: {when: [quality], at_most: {runs: 20, per: 60d, burst: 4}, cooldown: 2d, window: 1d}
gate: {holdout: 1d, margin: -1, min_rows: 50}
serve: {canary: 10%, bake: 6h}
)";

class Whole : public ::testing::Test {
 protected:
  void SetUp() override {
    start_logging("backtest_test", LogLevel::kWarning, false);
    folder_ = fs::temp_directory_path() / ("rekindle-backtest-" + std::to_string(getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  // y steps up at x of 0.5; from `change_day` to `back_day` further up. Not turned round, which would be a
  // fault of the feed. `labelled`: rows have labels.
  v1::BacktestRequest request(int change_day, bool labelled = true, int back_day = kDays + 1) {
    auto store = artifacts::open_folder_store(folder_ / "rows");
    EXPECT_TRUE(store.ok());
    std::mt19937 dice(7);
    std::uniform_real_distribution<double> uniform(0, 1);
    std::vector<int64_t> times[2];
    std::vector<double> xs[2], ys[2];
    for (int64_t row = 0; row < int64_t{kDays} * 24 * kRowsAnHour; ++row) {
      const int64_t at = kStart + row * (kHour / kRowsAnHour);
      const int part = at < kStart + kFirstDays * kDay ? 0 : 1;
      const bool turned = at >= kStart + change_day * kDay && at < kStart + back_day * kDay;
      const double x = uniform(dice), step = turned ? 0.95 : 0.5;
      times[part].push_back(at);
      xs[part].push_back(x);
      ys[part].push_back(uniform(dice) < 0.1 + 0.8 * (x > step) ? 1 : 0);
      if (!labelled && part == 1) ys[part].back() = std::numeric_limits<double>::quiet_NaN();
    }
    v1::BacktestRequest request;
    const auto spec = jobs::parse_job(kSpec, "m.yaml");
    EXPECT_TRUE(spec.ok()) << spec.status().message();
    *request.mutable_spec() = *spec;
    for (int part : {0, 1}) {
      dataio::Table table;
      table.add(dataio::time_column("at", times[part]));
      table.add(dataio::number_column("x", xs[part]));
      table.add(dataio::bool_column("y", ys[part]));
      const auto snapshot =
          dataio::make_snapshot(**store, "d", part == 0 ? "a" : "b", table, "at", "made up");
      EXPECT_TRUE(snapshot.ok()) << snapshot.status().message();
      *request.add_snapshots() = *snapshot;
    }
    request.set_artifacts((folder_ / "rows").string());
    request.set_cache((folder_ / "cache").string());
    request.set_data("d");
    *request.mutable_slice() = to_proto(Micros(10 * kDay));
    *request.mutable_run_takes() = to_proto(Micros(kHour));
    return request;
  }

  static Result<Report> backtest(const v1::BacktestRequest& request) {
    return run(request, [](const std::string&) {});
  }

  fs::path folder_;
};

TEST_F(Whole, FindsAChangeAndSaysWhatItCost) {
  v1::BacktestRequest wanted = request(35);
  for (const char* name : {"rekindle", "never", "always", "hddm-a"}) wanted.add_policies(name);
  wanted.set_trees("auto");
  const auto report = backtest(wanted);
  ASSERT_TRUE(report.ok()) << report.status().message();
  SCOPED_TRACE(table_of(*report));
  const PolicyLine& own = *find_policy(*report, kOwn);
  const PolicyLine& never = *find_policy(*report, "never");
  ASSERT_FALSE(own.runs.empty());
  EXPECT_EQ("quality", own.runs[0].cause);
  EXPECT_GE(own.runs[0].as_of_us, kStart + 35 * kDay);
  EXPECT_LE(own.runs[0].as_of_us, kStart + 45 * kDay);
  EXPECT_LT(own.loss, never.loss - 0.05);
  EXPECT_NEAR(never.loss, report->never, 1e-12) << "the same answers, summed in two ways";
  EXPECT_TRUE(std::isnan(never.share)) << "one fit is the first for ever: nothing is to be gained";
  for (const PolicyLine& one : report->policies) {
    EXPECT_FALSE(one.share > 1.02) << one.name << ": the best possible is the best (but for a canary's day)";
    EXPECT_LE(one.best, one.loss + 0.001) << one.name;
    EXPECT_EQ(one.fits, one.runs.size() + 1) << one.name;
  }
  EXPECT_EQ(1u, never.fits);
  EXPECT_EQ(5u, find_policy(*report, "always")->fits);
  EXPECT_THAT(report->verdict, HasSubstr("best possible with"));
  ASSERT_TRUE(report->trees.line) << report->trees.missing;
  const PolicyLine& trees = *report->trees.line;
  EXPECT_EQ(find_policy(*report, "always")->fits, trees.fits);
  EXPECT_EQ(find_policy(*report, "always")->rows, trees.rows) << "the same rows";
  EXPECT_LT(trees.loss, find_policy(*report, "always")->loss) << "y is a step of x, which no line is";

  // Again: nothing is trained, everything is the same.
  const auto again = backtest(wanted);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(0u, again->fits_made);
  EXPECT_EQ(report->verdict, again->verdict);
  EXPECT_EQ(trees.loss, again->trees.line->loss);
  EXPECT_EQ(trees.seconds, again->trees.line->seconds) << "they are kept too";
  ASSERT_EQ(report->policies.size(), again->policies.size());
  for (size_t i = 0; i < report->policies.size(); ++i) {
    EXPECT_EQ(report->policies[i].loss, again->policies[i].loss);
    EXPECT_EQ(report->policies[i].seconds, again->policies[i].seconds)
        << "what the fits took when they were made";
  }

  // Trained anew in the same process, after other fits: not a bit differs.
  fs::remove_all(folder_ / "cache");
  const auto anew = backtest(wanted);
  ASSERT_TRUE(anew.ok());
  EXPECT_EQ(report->fits_made, anew->fits_made);
  for (size_t i = 0; i < report->policies.size(); ++i)
    EXPECT_EQ(report->policies[i].loss, anew->policies[i].loss) << report->policies[i].name;
}

TEST_F(Whole, SaysNotToBotherWhereNothingChanges) {
  v1::BacktestRequest wanted = request(kDays + 1);
  wanted.add_policies("rekindle");
  wanted.add_policies("always");
  const auto report = backtest(wanted);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(find_policy(*report, kOwn)->runs.empty());
  EXPECT_THAT(report->verdict, StartsWith("do not bother: nothing drifts"));
}

TEST_F(Whole, LabelsThatComeLaterMakeTheFitLater) {
  v1::BacktestRequest wanted = request(35);
  wanted.add_policies("rekindle");
  *wanted.mutable_label_delay() = to_proto(Micros(2 * kDay));
  const auto report = backtest(wanted);
  ASSERT_TRUE(report.ok()) << report.status().message();
  SCOPED_TRACE(table_of(*report));
  const PolicyLine& own = *find_policy(*report, kOwn);
  ASSERT_FALSE(own.runs.empty());
  EXPECT_GE(own.runs[0].as_of_us, kStart + 37 * kDay);
}

TEST_F(Whole, LabelsThatComeTooLateForTheFirstSlicesLeaveThemWithoutAFit) {
  v1::BacktestRequest wanted = request(35);
  wanted.add_policies("always");
  wanted.add_policies("regret");
  *wanted.mutable_spec()->mutable_train()->mutable_rows()->mutable_last() = to_proto(Micros(40 * kDay));
  // The first slice ends on the twentieth day and knows an hour of the first: less than the holdout.
  *wanted.mutable_label_delay() = to_proto(Micros(20 * kDay - kHour));
  std::vector<std::string> said;
  const auto report = run(wanted, [&said](const std::string& line) { said.push_back(line); });
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(4u, find_policy(*report, "always")->fits) << "of five, and version 1 among them";
  EXPECT_EQ(1, std::count_if(said.begin(), said.end(), [](const std::string& line) {
              return line.find("no fit as of 2013-01-21") != std::string::npos;
            }));
}

TEST_F(Whole, AShadowsRegretStartsARunOnTheRowsSinceTheChange) {
  v1::BacktestRequest wanted = request(35);
  wanted.add_policies("rekindle");
  wanted.add_policies("always");
  v1::JobSpec& spec = *wanted.mutable_spec();
  spec.mutable_retrain()->clear_when();
  spec.mutable_retrain()->add_when()->mutable_regret();
  v1::SinceDrift& rows = *spec.mutable_train()->mutable_rows()->mutable_since_drift();
  *rows.mutable_at_least() = to_proto(Micros(2 * kDay));
  *rows.mutable_at_most() = to_proto(Micros(30 * kDay));
  const auto report = backtest(wanted);
  ASSERT_TRUE(report.ok()) << report.status().message();
  SCOPED_TRACE(table_of(*report));
  const PolicyLine& own = *find_policy(*report, kOwn);
  const auto first = std::find_if(own.runs.begin(), own.runs.end(),
                                  [](const RunLine& run) { return run.as_of_us >= kStart + 35 * kDay; });
  ASSERT_NE(first, own.runs.end());
  ASSERT_EQ(2, std::distance(own.runs.begin(), first))
      << "a shadow of a better class is no reason to train again and again";
  for (size_t i : {0, 1})
    EXPECT_THAT(own.runs[i].detail, testing::HasSubstr("of a world that has not changed since"));
  EXPECT_EQ("regret", first->cause) << first->detail;
  EXPECT_LE(first->as_of_us, kStart + 38 * kDay)
      << "it waits for a day of rows to learn from, beside the one that judges";
  // From where the regret was last nothing; without a change known they would be all, four weeks of them.
  EXPECT_LT(first->rows, uint64_t{14} * 24 * kRowsAnHour) << first->detail;
  const PolicyLine& always = *find_policy(*report, "always");
  EXPECT_GT(always.runs[1].rows, uint64_t{19} * 24 * kRowsAnHour) << "by day 30 nobody knew of the change";
  EXPECT_LT(always.runs[2].rows, uint64_t{14} * 24 * kRowsAnHour) << "by day 40 it was known";
  uint64_t trained = report->policies[0].fits > 0 ? kFirstDays * 24 * kRowsAnHour : 0;
  for (const RunLine& run : own.runs) trained += run.rows;
  EXPECT_GT(own.rows, trained + uint64_t{45} * 24 * kRowsAnHour)
      << "what the shadow has learned from is charged";
}

TEST_F(Whole, TheRowsSinceAChangeAreChosenByEvidenceAndAllFitsAreCharged) {
  v1::BacktestRequest wanted = request(35);
  wanted.add_policies("rekindle");
  v1::Train& train = *wanted.mutable_spec()->mutable_train();
  *train.mutable_rows()->mutable_last() = to_proto(Micros(30 * kDay));
  const auto alone = backtest(wanted);
  ASSERT_TRUE(alone.ok()) << alone.status().message();
  v1::SinceDrift& since = *train.add_candidates()->mutable_rows()->mutable_since_drift();
  *since.mutable_at_least() = to_proto(Micros(2 * kDay));
  *since.mutable_at_most() = to_proto(Micros(30 * kDay));
  const auto several = backtest(wanted);
  ASSERT_TRUE(several.ok()) << several.status().message();
  SCOPED_TRACE(table_of(*several));
  const PolicyLine &one = *find_policy(*alone, kOwn), &best = *find_policy(*several, kOwn);
  EXPECT_LT(best.loss, one.loss - 0.005);
  ASSERT_GE(std::min(best.runs.size(), one.runs.size()), 3u);
  for (size_t i : {0, 1}) {
    EXPECT_EQ(best.runs[i].as_of_us, one.runs[i].as_of_us) << "what is tried decides nothing about when";
    EXPECT_EQ(best.runs[i].rows, one.runs[i].rows) << "before the change both candidates are the same fit";
  }
  EXPECT_GT(best.runs[2].rows, one.runs[2].rows) << "the fit that was not chosen is charged";
  EXPECT_EQ(best.fits, best.runs.size() + 1);
  const auto again = backtest(wanted);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(0u, again->fits_made);
  EXPECT_EQ(best.loss, find_policy(*again, kOwn)->loss);
}

TEST_F(Whole, AWorldThatComesBackFindsItsOldVersion) {
  v1::BacktestRequest wanted = request(25, true, 45);
  wanted.add_policies("rekindle");
  wanted.add_policies("never");
  v1::JobSpec& spec = *wanted.mutable_spec();
  spec.mutable_retrain()->set_reuse(true);
  spec.mutable_retrain()->clear_when();
  spec.mutable_retrain()->add_when()->mutable_schedule()->mutable_every()->set_seconds(10 * 86400);
  spec.mutable_gate()->set_margin(0.03);
  const auto report = backtest(wanted);
  ASSERT_TRUE(report.ok()) << report.status().message();
  SCOPED_TRACE(table_of(*report));
  const PolicyLine& own = *find_policy(*report, kOwn);
  const auto back = std::find_if(own.runs.begin(), own.runs.end(),
                                 [](const RunLine& run) { return run.as_of_us >= kStart + 45 * kDay; });
  ASSERT_NE(back, own.runs.end());
  EXPECT_EQ("completed", back->outcome);
  EXPECT_EQ(0u, back->rows);
  EXPECT_GT(back->serving_us, back->as_of_us);
  EXPECT_LT(own.fits, own.runs.size() + 1) << "what is not trained is no fit";
  EXPECT_LT(own.loss, find_policy(*report, "never")->loss - 0.04);
}

TEST_F(Whole, RefusesWhatNoBacktestCanDo) {
  v1::BacktestRequest wanted = request(35, false);
  EXPECT_THAT(backtest(wanted).status().message(), HasSubstr("has a label in 'y'"));
  *wanted.mutable_slice() = to_proto(Micros(28 * kDay));
  wanted = request(35);
  *wanted.mutable_slice() = to_proto(Micros(20 * kDay));
  EXPECT_THAT(backtest(wanted).status().message(), HasSubstr("use --slice 12d"));
  wanted.add_policies("sometimes");
  EXPECT_THAT(backtest(wanted).status().message(),
              HasSubstr("'sometimes' is no policy; there are rekindle, never"));
  wanted = request(35);
  wanted.set_data("d@a");
  EXPECT_THAT(backtest(wanted).status().message(), HasSubstr("no history after them"));
  wanted = request(35);
  wanted.mutable_spec()->mutable_train()->clear_model();
  wanted.mutable_spec()->mutable_train()->add_command("python");
  wanted.mutable_spec()->clear_data();
  EXPECT_THAT(backtest(wanted).status().message(), HasSubstr("is a plain task"));
}

}  // namespace
}  // namespace rekindle::backtest
