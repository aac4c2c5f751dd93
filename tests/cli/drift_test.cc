#include <gmock/gmock.h>

#include "cli/drift/words.h"
#include "proto/time.h"

namespace rekindle::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kDay = 86'400'000'000;

v1::Score score(const std::string& feature, double value, bool fired) {
  v1::Score score;
  score.set_detector("psi");
  score.set_feature(feature);
  score.set_value(value);
  score.set_user_threshold(0.25);
  score.set_null_quantile(0.03);
  score.set_threshold(0.25);
  score.set_rows(6'000);
  score.set_fired(fired);
  score.set_reason("because of " + feature);
  return score;
}

v1::DriftStatusResponse status() {
  v1::DriftStatusResponse status;
  status.set_champion(3);
  status.set_champion_as_of_us(10 * kDay);
  status.set_model_clock_us(40 * kDay);
  status.set_watermark_us(40 * kDay - 1);
  status.set_cooldown_until_us(39 * kDay);
  v1::Retrain& retrain = *status.mutable_retrain();
  *retrain.mutable_window() = to_proto(std::chrono::hours(7 * 24));
  retrain.set_min_rows(1'000);
  retrain.mutable_persistence()->set_hits(2);
  retrain.mutable_persistence()->set_of(3);
  retrain.mutable_at_most()->set_runs(8);
  retrain.mutable_at_most()->set_burst(2);
  *retrain.mutable_at_most()->mutable_per() = to_proto(std::chrono::hours(365 * 24));
  v1::DecisionState& decision = *status.mutable_decision();
  decision.set_last_reason("psi of temp is 0.412, but only once");
  decision.add_drift_hits(false);
  decision.add_drift_hits(true);
  decision.set_tokens(1.5);
  v1::JudgedWindow& window = *decision.mutable_last_window();
  window.set_slot_us(40 * kDay - 3'600'000'000);
  window.set_version(3);
  window.set_rows(6'000);
  window.set_from_us(33 * kDay);
  window.set_until_us(40 * kDay);
  *window.add_drift() = score("humid", 0.1, false);
  *window.add_drift() = score("temp", 0.412, true);
  return status;
}

TEST(Drift, WindowsDecisionBrakesAndScores) {
  const std::string text = drift_text("m", status());
  EXPECT_THAT(text, HasSubstr("what version 3 was trained on, known up to 1970-01-11T00:00:00Z\n"));
  EXPECT_THAT(text, HasSubstr("1970-02-03T00:00:00Z to 1970-02-10T00:00:00Z, 6000 rows of version 3; 7d and "
                              "at least 1000 rows are needed\n"));
  EXPECT_THAT(text, HasSubstr("decision    psi of temp is 0.412, but only once\n"));
  EXPECT_THAT(text, HasSubstr("drift in 1 of the last 2 windows; 2 of 3 are needed\n"));
  EXPECT_THAT(text, HasSubstr("cooldown    over since 1970-02-09T00:00:00Z\n"));
  EXPECT_THAT(text, HasSubstr("budget      1.50 of at most 2 runs saved up; 8 per 365d\n"));
  EXPECT_THAT(text,
              ::testing::ContainsRegex("psi +temp +0.412 +0.25 +0.25 +0.03 +6000 +moved +because of temp"));
  EXPECT_LT(text.find("because of temp"), text.find("because of humid")) << "the strongest first";
  EXPECT_THAT(text, Not(HasSubstr("BROKEN")));
  EXPECT_THAT(text, Not(HasSubstr("frozen")));
}

TEST(Drift, EachTriggerAndWhatIsDue) {
  v1::DriftStatusResponse with = status();
  v1::DecisionState& decision = *with.mutable_decision();
  v1::TriggerWord& word = *decision.add_words();
  word.set_trigger("labels");
  word.set_fired(true);
  word.set_value(51'000);
  word.set_threshold(50'000);
  word.set_reason("enough of them");
  decision.set_due(v1::CAUSE_LABELS);
  decision.set_due_us(40 * kDay);
  decision.set_due_reason("enough of them");
  with.mutable_retrain()->mutable_at_most()->mutable_rank_time()->set_seconds(100 * 3600);
  decision.set_rank_seconds(12 * 3600);
  decision.set_last_rank_seconds(1800);
  const std::string text = drift_text("m", with);
  EXPECT_THAT(text, ::testing::ContainsRegex("labels +run +5.1e.04 +5e.04 +enough of them"));
  EXPECT_THAT(text, HasSubstr("rank time   12.00h left; 100h per 365d, 0.50h by the newest run\n"));
  EXPECT_THAT(
      text,
      HasSubstr("due         since 1970-02-10T00:00:00Z, until it is no longer quiet: enough of them\n"));
}

TEST(Drift, TheThresholdOfADetectorOfItsOwnIsNotTheLargerOfTwo) {
  v1::DriftStatusResponse with = status();
  v1::Score& adwin = *with.mutable_decision()->mutable_last_window()->add_quality();
  adwin.set_detector("adwin");
  adwin.set_version(2);
  adwin.set_value(0.05);
  adwin.set_threshold(0.2);
  adwin.set_user_threshold(0.002);
  adwin.set_rows(90);
  EXPECT_THAT(drift_text("m", with),
              ::testing::ContainsRegex("adwin +errors of version 2 +0.05 +0.2 +- +- +90 +-"));
}

TEST(Drift, ABrokenFeedAndWhatElseStandsInTheWay) {
  v1::DriftStatusResponse with = status();
  with.set_frozen(true);
  with.set_frozen_reason("end of the year");
  with.mutable_decision()->set_active_run("m-4");
  with.set_cooldown_until_us(41 * kDay);
  with.mutable_decision()->set_rejections(2);
  v1::Breach& breach = *with.mutable_decision()->mutable_last_window()->add_breaches();
  breach.set_check("frozen_column");
  breach.set_feature("wind");
  breach.set_source("node-2");
  const std::string text = drift_text("m", with);
  EXPECT_THAT(text, HasSubstr("run         m-4 is under way\n"));
  EXPECT_THAT(text, HasSubstr("frozen      end of the year\n"));
  EXPECT_THAT(text, HasSubstr("until 1970-02-11T00:00:00Z, lengthened by 2 rejected in a row\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("frozen_column +wind +node-2"));
}

TEST(Drift, BeforeTheFirstSlot) {
  v1::DriftStatusResponse none;
  EXPECT_THAT(drift_text("m", none), HasSubstr("decision    none: no version is in service\n"));
  none.set_champion(1);
  EXPECT_THAT(drift_text("m", none), HasSubstr("no time slot of the version in service is sealed"));
}

TEST(Drift, ALineForEachJudgement) {
  v1::DriftStatusResponse with = status();
  v1::Judgement& quiet = *with.add_judgements();
  quiet.mutable_window()->set_slot_us(kDay);
  quiet.set_reason("no version is in service");
  v1::Judgement& moved = *with.add_judgements();
  *moved.mutable_window() = with.decision().last_window();
  moved.set_reason("for it");
  const std::string text = judgements_table(with);
  EXPECT_THAT(text,
              ::testing::ContainsRegex("1970-01-02T00:00:00Z +0 +0 +0 +0 +- +no version is in service"));
  EXPECT_THAT(text, ::testing::ContainsRegex("3 +6000 +1 +0 +psi of temp, 0.412 of 0.25 +for it"));
}

}  // namespace
}  // namespace rekindle::cli
