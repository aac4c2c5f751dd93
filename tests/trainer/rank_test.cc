// Whole attempts with the real binary: what is trained, resumed, refused and scored.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <numeric>

#include "artifacts/manifest.h"
#include "base/stats.h"
#include "dataio/parquet.h"
#include "dataio/snapshot.h"
#include "models/predictor.h"
#include "plans.h"
#include "rekindle/v1/drift.pb.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;

// The plan of another run of the same job.
v1::Plan of_run(const TestRun& run, v1::Plan plan, const std::string& id) {
  plan.set_run(id);
  plan.set_checkpoints(run.root / "runs" / id / "checkpoints");
  return plan;
}

TEST(Attempt, OneRankTrainsAndPublishesWhatCanBeServed) {
  TestRun run;
  auto plan = run.plan(1);
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  auto outcome = run.outcome(plan);
  EXPECT_EQ(outcome.kind(), v1::Outcome::FINISHED);
  EXPECT_GT(outcome.train_rows(), 4000u);
  EXPECT_GT(outcome.holdout_rows(), 1000u);
  EXPECT_GE(outcome.best_epoch(), 1u);
  EXPECT_GT(outcome.first_step_us(), 0);
  const auto& whole = outcome.evaluation().slices(0);
  EXPECT_EQ(whole.slice(), "");
  EXPECT_LT(whole.candidate_log_loss_sum(), 0.97 * whole.constant_log_loss_sum())
      << "the model has learned something";
  EXPECT_GT(whole.candidate_auroc(), 0.65);
  int64_t rows = 0;
  for (const auto& s : outcome.evaluation().slices())
    rows += s.slice().starts_with("weekday=") ? s.rows() : 0;
  EXPECT_EQ(rows, whole.rows()) << "slices cover the holdout";

  auto manifest = artifacts::load_manifest(*run.store, outcome.manifest()).value();
  for (const char* name :
       {"model.json", "model.safetensors", "profile.json", "evaluation.parquet", "lineage.json"}) {
    EXPECT_TRUE(artifacts::find_file(manifest, name).ok()) << name;
  }
  // The predictor of the published files gives the figures of the evaluation again.
  auto predictor = models::load_predictor(*run.store, outcome.manifest()).value();
  auto table =
      dataio::read_parquet(artifacts::read_file(*run.store, manifest, "evaluation.parquet").value(), "e")
          .value();
  auto holdout =
      dataio::read_rows(*run.store, std::vector{run.snapshot},
                        std::vector<std::string>{"minute", "wind", "temp", "weekday", "carrier", "late"},
                        plan.windows().holdout_from_us(), plan.windows().until_us())
          .value();
  std::vector<uint32_t> known;
  for (uint32_t r = 0; r < holdout.rows(); ++r)
    if (!holdout.find("late")->missing(r)) known.push_back(r);
  EXPECT_EQ(predictor->predict(dataio::take(holdout, known)).value().values,
            table.find("candidate")->numbers);
  EXPECT_NEAR(log_loss(table.find("label")->numbers, table.find("candidate")->numbers) * whole.rows(),
              whole.candidate_log_loss_sum(), 1e-6);

  bool started = false, valid = false, committed = false;
  for (const auto& report : run.reports(plan, 0)) {
    started |= report.started().start_nonce() == "n0nce";
    valid |= report.metric().name() == "valid_loss";
    committed |= report.checkpoint().step() > 0;
  }
  EXPECT_TRUE(started && valid && committed);
}

TEST(Attempt, OlderRowsThinOutAndTheOutcomeCountsWhatIsLeft) {
  TestRun run;
  auto plan = run.plan(1);
  ASSERT_EQ(run.run(plan).code, 0);
  const auto all = run.outcome(plan);
  auto thinned = of_run(run, plan, "late-2");
  thinned.mutable_spec()->mutable_train()->mutable_rows()->mutable_decay()->mutable_half_life()->set_seconds(
      86400);
  auto ended = run.run(thinned);
  ASSERT_EQ(ended.code, 0) << ended.log;
  const auto outcome = run.outcome(thinned);
  // Seven days from one to eight days old, a half-life of one: about a seventh of one day's rows times two.
  EXPECT_LT(outcome.train_rows(), all.train_rows() / 4);
  EXPECT_GT(outcome.train_rows(), all.train_rows() / 14);
  EXPECT_EQ(outcome.valid_rows(), all.valid_rows()) << "only what is fitted on is thinned out";
  EXPECT_EQ(outcome.holdout_rows(), all.holdout_rows());
}

TEST(Attempt, ABalancedFitKeepsTheProfileOfTheRowsAsTheyCame) {
  TestRun run;
  auto plan = run.plan(1);
  plan.mutable_spec()->mutable_train()->mutable_rows()->mutable_balanced();
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  const auto outcome = run.outcome(plan);
  const auto manifest = artifacts::load_manifest(*run.store, outcome.manifest()).value();
  v1::Profile profile;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  artifacts::read_file(*run.store, manifest, "profile.json").value(), &profile)
                  .ok());
  const auto rarest = std::min(profile.label_rate(), 1 - profile.label_rate());
  EXPECT_LT(rarest, 0.45) << "the rows as they came are not balanced";
  EXPECT_EQ(outcome.train_rows(),
            static_cast<uint64_t>(std::llround(2 * rarest * static_cast<double>(profile.rows()))));
  // And it says what the version lost on its holdout, bin by bin of its answers.
  EXPECT_EQ(profile.loss_sums_size(), profile.prediction().counts_size());
  const double lost = std::accumulate(profile.loss_sums().begin(), profile.loss_sums().end(), 0.0);
  EXPECT_NEAR(lost, outcome.evaluation().slices(0).candidate_log_loss_sum(), 1e-6 * lost);
}

TEST(Attempt, AnOlderVersionThatFitsServesAgainAndNothingIsTrained) {
  TestRun run;
  auto old = run.plan(1);
  ASSERT_EQ(run.run(old).code, 0);
  const std::string fits = run.outcome(old).manifest();
  // The world turned round, and came back.
  dataio::Table turned = made_up_rows(6000);
  for (double& late : turned.find("late")->numbers) late = 1 - late;
  auto champion = of_run(run, run.plan(1), "late-2");
  *champion.mutable_data(0) =
      dataio::make_snapshot(*run.store, "turned", "2013-01", turned, "when", "a test").value();
  ASSERT_EQ(run.run(champion).code, 0);

  for (const uint32_t world : {1u, 2u}) {
    auto plan = of_run(run, run.plan(world), "late-" + std::to_string(2 + world));
    plan.set_champion_version(2);
    plan.set_champion_manifest(run.outcome(champion).manifest());
    plan.mutable_spec()->mutable_gate()->set_metric(v1::Gate::LOG_LOSS);
    plan.mutable_spec()->mutable_gate()->set_beat(v1::Gate::CHAMPION);
    plan.mutable_spec()->mutable_gate()->set_min_rows(100);
    auto* older = plan.add_score();
    older->set_version(1);
    older->set_manifest(fits);
    // One that is gone is passed over.
    plan.add_score()->set_manifest(std::string(64, 'a'));
    auto ended = run.run(plan);
    ASSERT_EQ(ended.code, 0) << ended.log;
    const auto outcome = run.outcome(plan);
    EXPECT_EQ(outcome.manifest(), fits);
    EXPECT_EQ(outcome.steps(), 0u);
    EXPECT_EQ(outcome.train_rows(), 0u);
    EXPECT_THAT(outcome.message(), HasSubstr("version 1 fits the present"));
    EXPECT_LT(outcome.evaluation().slices(0).candidate_log_loss_sum(),
              outcome.evaluation().slices(0).champion_log_loss_sum());
  }
  // In the world that the champion knows the older one is no better: it is trained.
  auto plan = of_run(run, champion, "late-5");
  plan.set_champion_manifest(run.outcome(champion).manifest());
  plan.add_score()->set_manifest(fits);
  ASSERT_EQ(run.run(plan).code, 0);
  EXPECT_GT(run.outcome(plan).steps(), 0u);
}

TEST(Attempt, WithoutHoldoutRowsTheGateIsToldSo) {
  TestRun run;
  auto plan = run.plan(2);
  plan.mutable_windows()->set_holdout_from_us(plan.windows().until_us());
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_EQ(run.outcome(plan).evaluation().slices(0).rows(), 0);
  EXPECT_FALSE(run.outcome(plan).manifest().empty());
}

struct OddModel {
  const char* name;
  std::function<void(v1::JobSpec&)> change;
};
std::ostream& operator<<(std::ostream& out, const OddModel& m) {
  return out << m.name;
}
class OddModels : public ::testing::TestWithParam<OddModel> {};
TEST_P(OddModels, AreTrained) {
  TestRun run;
  auto plan = run.plan(2);
  GetParam().change(*plan.mutable_spec());
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  const auto evaluation = run.outcome(plan).evaluation();
  EXPECT_LT(evaluation.slices(0).candidate_log_loss_sum(), evaluation.slices(0).constant_log_loss_sum());
}
INSTANTIATE_TEST_SUITE_P(
    Table, OddModels,
    ::testing::Values(OddModel{"linear over categories alone",
                               [](v1::JobSpec& s) {
                                 s.mutable_data()->clear_numeric();
                                 s.mutable_train()->mutable_model()->mutable_linear();
                               }},
                      OddModel{"tabular over numbers alone",
                               [](v1::JobSpec& s) { s.mutable_data()->clear_categorical(); }},
                      OddModel{"one layer, no dropout", [](v1::JobSpec& s) {
                                 auto* t = s.mutable_train()->mutable_model()->mutable_tabular();
                                 t->clear_hidden();
                                 t->add_hidden(7);
                                 t->set_dropout(0);
                               }}));

TEST(Attempt, TheSamePlanGivesTheSameVersion) {
  TestRun a, b;
  ASSERT_EQ(a.run(a.plan(1)).code, 0);
  ASSERT_EQ(b.run(b.plan(1)).code, 0);
  EXPECT_EQ(a.outcome(a.plan(1)).manifest(), b.outcome(b.plan(1)).manifest());
}

class Worlds : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Table, Worlds, ::testing::Values(2, 3));

TEST_P(Worlds, MoreRanksEndWithTheParametersOfOne) {
  TestRun one, more;
  ASSERT_EQ(one.run(one.plan(1)).code, 0);
  auto plan = more.plan(GetParam());
  auto ended = more.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  auto lone = one.outcome(one.plan(1)), together = more.outcome(plan);
  EXPECT_EQ(lone.best_epoch(), together.best_epoch());
  EXPECT_NEAR(lone.valid_loss(), together.valid_loss(), 1e-4);
  auto a = one.parameters(lone.manifest()), b = more.parameters(together.manifest());
  double largest = 0;
  for (const auto& [name, values] : a) {
    for (size_t i = 0; i < values.size(); ++i)
      largest = std::max(largest, std::abs(double(values[i]) - b[name][i]));
  }
  EXPECT_LT(largest, 2e-3) << "dropout masks, order and loss do not depend on the world size";
}

std::string uninterrupted(uint32_t world) {
  TestRun run;
  EXPECT_EQ(run.run(run.plan(world)).code, 0);
  return run.outcome(run.plan(world)).parameters_sha256();
}

TEST(Attempt, AKilledRankEndsTheGangAndTheNextAttemptEndsBitIdentical) {
  TestRun run;
  auto plan = run.plan(2);
  plan.set_fault("kill rank=1 step=40; slow ms=10");
  auto ended = run.run(plan);
  EXPECT_NE(ended.code, 0);
  EXPECT_FALSE(run.folder(plan).read_outcome().value().has_value());
  plan.set_attempt(2);
  ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  auto outcome = run.outcome(plan);
  EXPECT_GT(outcome.resumed_from_step(), 0u);
  EXPECT_LE(outcome.resumed_from_step(), 40u);
  EXPECT_EQ(outcome.parameters_sha256(), uninterrupted(2));
}

TEST(Attempt, AYieldSavesInTheMiddleOfAnEpochAndResumesBitIdentical) {
  TestRun run;
  auto plan = run.plan(2);
  plan.set_fault("slow ms=20");
  // Asked as soon as steps are seen: mpirun forwards the signal to its ranks.
  auto ended = run.run(plan, [&](int pid) {
    for (int i = 0; i < 2000; ++i) {
      if (fs::exists(run.folder(plan).report(0))) {
        for (const auto& r : run.reports(plan, 0)) {
          if (r.progress().step() > 0 || r.beat().step() > 0) {
            kill(pid, SIGUSR1);
            return;
          }
        }
      }
      usleep(10'000);
    }
  });
  EXPECT_EQ(ended.code, 75) << ended.log;
  auto outcome = run.outcome(plan);
  ASSERT_EQ(outcome.kind(), v1::Outcome::YIELDED);
  EXPECT_TRUE(outcome.manifest().empty());
  const uint64_t left_at = outcome.steps();
  plan.set_attempt(2);
  ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_EQ(run.outcome(plan).resumed_from_step(), left_at);
  EXPECT_EQ(run.outcome(plan).parameters_sha256(), uninterrupted(2));
}

TEST(Attempt, ATornCheckpointIsPassedOver) {
  TestRun run;
  auto plan = run.plan(1);
  plan.set_fault("kill step=60; slow ms=10");
  EXPECT_NE(run.run(plan).code, 0);
  fs::path newest;
  uint64_t newest_step = 0;
  for (const auto& entry : fs::directory_iterator(plan.checkpoints())) {
    const uint64_t step = std::stoull(entry.path().filename().string().substr(5));
    if (step > newest_step) newest_step = step, newest = entry.path();
  }
  ASSERT_GT(newest_step, 0u);
  fs::resize_file(newest / "tensors.safetensors", 1000);
  plan.set_attempt(2);
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_LT(run.outcome(plan).resumed_from_step(), newest_step);
  EXPECT_EQ(run.outcome(plan).parameters_sha256(), uninterrupted(1));
}

struct Refusal {
  const char* name;
  std::function<void(TestRun&, v1::Plan&)> spoil;
  int code;
  v1::Outcome::Kind kind;
  const char* says;
};
std::ostream& operator<<(std::ostream& out, const Refusal& r) {
  return out << r.name;
}

class Refusals : public ::testing::TestWithParam<Refusal> {};

TEST_P(Refusals, SayWhatIsWrongAndPublishNothing) {
  TestRun run;
  auto plan = run.plan(GetParam().code == 65 ? 2 : 1);
  GetParam().spoil(run, plan);
  auto ended = run.run(plan);
  EXPECT_EQ(ended.code, GetParam().code) << ended.log;
  auto outcome = run.outcome(plan);
  EXPECT_EQ(outcome.kind(), GetParam().kind);
  EXPECT_THAT(outcome.message(), HasSubstr(GetParam().says));
  EXPECT_TRUE(outcome.manifest().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Table, Refusals,
    ::testing::Values(
        Refusal{"no rows",
                [](TestRun& run, v1::Plan& p) {
                  auto* w = p.mutable_windows();
                  for (auto set : {&v1::Windows::set_train_from_us, &v1::Windows::set_valid_from_us,
                                   &v1::Windows::set_holdout_from_us, &v1::Windows::set_until_us}) {
                    (w->*set)(run.first_us - 5 * kDayUs);
                  }
                },
                65, v1::Outcome::DATA_REFUSED, "no labelled rows to train on"},
        Refusal{"a missing column",
                [](TestRun&, v1::Plan& p) { p.mutable_spec()->mutable_data()->add_numeric("visib"); }, 65,
                v1::Outcome::DATA_REFUSED, "visib"},
        Refusal{"one class only",
                [](TestRun& run, v1::Plan& p) {
                  auto rows = made_up_rows(3000);
                  for (double& v : rows.find("late")->numbers) v = 0;
                  *p.mutable_data(0) =
                      dataio::make_snapshot(*run.store, "made-up", "flat", rows, "when", "a test").value();
                },
                65, v1::Outcome::DATA_REFUSED, "label 0"},
        Refusal{"a label that is not binary",
                [](TestRun&, v1::Plan& p) {
                  p.mutable_spec()->mutable_data()->mutable_label()->set_column("temp");
                },
                65, v1::Outcome::DATA_REFUSED, "0 or 1"},
        Refusal{"a damaged blob",
                [](TestRun& run, v1::Plan&) {
                  const auto path = run.store->path(run.snapshot.parts(0).sha256()).value();
                  fs::permissions(path, fs::perms::owner_all);
                  fs::resize_file(path, fs::file_size(path) - 100);
                },
                65, v1::Outcome::DATA_REFUSED, ""},
        Refusal{"an unknown champion",
                [](TestRun&, v1::Plan& p) {
                  p.set_champion_manifest(std::string(64, 'a'));
                  p.set_champion_version(7);
                },
                65, v1::Outcome::DATA_REFUSED, "version 7"},
        Refusal{"no model", [](TestRun&, v1::Plan& p) { p.mutable_spec()->mutable_train()->clear_model(); },
                78, v1::Outcome::SPEC_REFUSED, "names no kind that this build knows"},
        Refusal{"no task", [](TestRun&, v1::Plan& p) { p.clear_task(); }, 78, v1::Outcome::SPEC_REFUSED,
                "no task"},
        Refusal{"a loss that is not a number", [](TestRun&, v1::Plan& p) { p.set_fault("nan step=30"); }, 78,
                v1::Outcome::SPEC_REFUSED, "not finite at step 30"}));

TEST(Attempt, ComparesWithTheChampionAndScoresAnyVersion) {
  TestRun run;
  auto first = run.plan(1);
  first.mutable_spec()->mutable_train()->mutable_model()->mutable_linear();
  ASSERT_EQ(run.run(first).code, 0);
  const auto champion = run.outcome(first).manifest();

  auto second = run.plan(2);
  second.set_run("late-2");
  second.set_checkpoints(run.root / "runs" / "late-2" / "checkpoints");
  second.set_champion_manifest(champion);
  second.set_champion_version(1);
  second.mutable_spec()->mutable_gate()->mutable_serving();
  auto ended = run.run(second);
  ASSERT_EQ(ended.code, 0) << ended.log;
  const auto evaluation = run.outcome(second).evaluation();
  EXPECT_FALSE(run.outcome(first).evaluation().has_serving()) << "nobody asked";
  const v1::ServingProbe& probe = evaluation.serving();
  EXPECT_TRUE(probe.loaded()) << probe.failure();
  EXPECT_EQ(probe.answers(), 200u);
  EXPECT_GT(probe.latency_p99_ms(), 0);
  EXPECT_GE(probe.latency_p99_ms(), probe.latency_p50_ms());
  EXPECT_GT(probe.bytes(), 10'000u);
  EXPECT_EQ(evaluation.slices(0).blocks_size(), 64);
  const auto& whole = evaluation.slices(0);
  EXPECT_GT(whole.champion_auroc(), 0.6);
  EXPECT_NEAR(whole.gain_sum(), whole.champion_log_loss_sum() - whole.candidate_log_loss_sum(), 1e-6);
  EXPECT_GT(whole.gain_square_sum(), 0);
  EXPECT_NEAR(whole.champion_log_loss_sum(),
              run.outcome(first).evaluation().slices(0).candidate_log_loss_sum(), 1e-6);

  auto score = run.plan(2);
  score.set_task(v1::Plan::SCORE);
  score.set_run("late-3");
  for (int i = 0; i < 2; ++i) {
    auto* item = score.add_score();
    item->set_manifest(champion);
    item->set_version(1);
    if (i == 1)
      item->set_from_us(second.windows().holdout_from_us()), item->set_until_us(second.windows().until_us());
  }
  ended = run.run(score);
  ASSERT_EQ(ended.code, 0) << ended.log;
  auto outcome = run.outcome(score);
  ASSERT_EQ(outcome.scores_size(), 2);
  EXPECT_GT(outcome.scores(0).rows(), outcome.scores(1).rows());
  EXPECT_EQ(outcome.scores(1).rows(), static_cast<uint64_t>(whole.rows()));
  EXPECT_NEAR(outcome.scores(1).log_loss() * whole.rows(), whole.champion_log_loss_sum(), 1e-6);
  auto table = dataio::read_parquet(run.store->get(outcome.scores(0).predictions()).value(), "p").value();
  EXPECT_EQ(table.rows(), 6000u) << "unlabelled rows are predicted too";
  for (const char* name : {"time", "id", "label", "probability"})
    EXPECT_NE(table.find(name), nullptr) << name;
}

}  // namespace
}  // namespace rekindle::trainer
