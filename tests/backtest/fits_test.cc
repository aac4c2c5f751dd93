// What makes two fits the same.
#include <gmock/gmock.h>

#include "backtest/fits/store.h"
#include "jobs/spec.h"

namespace rekindle::backtest {
namespace {

v1::Plan plan(const std::string& spec) {
  const auto written = jobs::parse_job(spec, "m.yaml");
  EXPECT_TRUE(written.ok()) << written.status().message();
  v1::Plan plan;
  *plan.mutable_spec() = jobs::resolve(*written)->spec;
  plan.set_task(v1::Plan::TRAIN);
  plan.set_run("m-1");
  plan.set_attempt(1);
  plan.set_world(1);
  plan.set_artifacts("/here");
  v1::DatasetSnapshot& day = *plan.add_data();
  day.set_dataset("m");
  day.set_name("2013-02-01");
  day.set_created_us(1);
  day.add_parts()->set_sha256(std::string(64, 'a'));
  plan.mutable_windows()->set_until_us(100);
  return plan;
}

constexpr const char* kSpec = R"(rekindle: 1
name: m
data: {initial: d@a, time: at, label: {column: late, matures: 2h}, numeric: [temp]}
train: {model: linear, seed: 3}
retrain: {when: [drift], cooldown: 7d}
)";

constexpr const char* kScript = R"(rekindle: 1
name: m
data: {initial: d@a, time: at, label: {column: late, matures: 2h}, numeric: [temp]}
train: {command: [python, train.py], code: .}
predict: {command: [python, predict.py]}
)";

std::string with(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(FitKey, IsOfWhatIsTrainedOnAndNotOfWhenAndWhy) {
  const std::string key = fit_key(plan(kSpec));
  v1::Plan other = plan(kSpec);
  other.set_run("m-7");
  other.set_cause("drift");
  other.set_artifacts("/there");
  other.set_start_nonce("n");
  other.mutable_data(0)->set_created_us(2);
  other.mutable_data(0)->set_name("other");
  EXPECT_EQ(key, fit_key(other));
  EXPECT_EQ(key, fit_key(plan(with(kSpec, "cooldown: 7d", "cooldown: 9d")))) << "a policy trains nothing";
  EXPECT_EQ(key, fit_key(plan(with(kSpec, "matures: 2h", "matures: 3d")))) << "the rows tell";
  EXPECT_EQ(key, fit_key(plan(std::string(kSpec) + "serve: {canary: 50%}\n")));
}

TEST(FitKey, IsOfAScriptsCodeAndNotOfWhereItLay) {
  v1::Plan script = plan(kScript);
  script.mutable_spec()->mutable_code()->set_sha256(std::string(64, 'c'));
  const std::string key = fit_key(script);
  v1::Plan other = script;
  other.mutable_spec()->mutable_code()->set_commit("abc");
  other.mutable_spec()->mutable_code()->set_dirty(true);
  other.mutable_spec()->mutable_train()->set_code("../elsewhere");
  EXPECT_EQ(key, fit_key(other));
  other.mutable_spec()->mutable_code()->set_sha256(std::string(64, 'd'));
  EXPECT_NE(key, fit_key(other));
  other = script;
  other.mutable_spec()->mutable_train()->add_command("--more");
  EXPECT_NE(key, fit_key(other));
}

TEST(FitKey, ChangesWithAnythingThatChangesTheFit) {
  const std::string key = fit_key(plan(kSpec));
  EXPECT_NE(key, fit_key(plan(with(kSpec, "seed: 3", "seed: 4"))));
  EXPECT_NE(key, fit_key(plan(with(kSpec, "model: linear", "model: {tabular: {hidden: [4]}}"))));
  EXPECT_NE(key, fit_key(plan(with(kSpec, "[temp]", "[humid]"))));
  EXPECT_NE(key, fit_key(plan(with(kSpec, "name: m", "name: n")))) << "the version says whose it is";
  v1::Plan rows = plan(kSpec);
  rows.mutable_data(0)->mutable_parts(0)->set_sha256(std::string(64, 'b'));
  EXPECT_NE(key, fit_key(rows));
  v1::Plan windows = plan(kSpec);
  windows.mutable_windows()->set_until_us(101);
  EXPECT_NE(key, fit_key(windows));
  v1::Plan champion = plan(kSpec);
  champion.set_champion_manifest(std::string(64, 'c'));
  EXPECT_NE(key, fit_key(champion)) << "its evaluation is against the champion";
  v1::Plan world = plan(kSpec);
  world.set_world(2);
  EXPECT_NE(key, fit_key(world));
}

TEST(FitKey, OfCandidatesIsOfAllOfThemAndOfWhatChooses) {
  const std::string several = with(kSpec, "seed: 3", "seed: 3, candidates: [{start: champion}]");
  const std::string key = fit_key(plan(several));
  EXPECT_NE(key, fit_key(plan(kSpec)));
  EXPECT_NE(key, fit_key(plan(with(several, "start: champion", "rows: {last: 90d}"))));
  EXPECT_NE(key, fit_key(plan(several + "gate: {metric: auroc}\n"))) << "another may be chosen";
  EXPECT_EQ(fit_key(plan(kSpec)), fit_key(plan(std::string(kSpec) + "gate: {metric: auroc}\n")));
  v1::Plan windows = plan(several);
  windows.mutable_windows()->add_candidates_from_us(7);
  EXPECT_NE(key, fit_key(windows));
  v1::Plan start = plan(several);
  start.add_candidate_starts()->set_manifest(std::string(64, 'c'));
  EXPECT_NE(key, fit_key(start));
  v1::Plan other = start;
  other.mutable_candidate_starts(0)->set_version(7);
  EXPECT_EQ(fit_key(start), fit_key(other)) << "whatever number it has";
}

}  // namespace
}  // namespace rekindle::backtest
