// Whole attempts of cnn, transformer and plugin with the real binary: they learn, ranks train one model, a
// killed run ends with the bits of one that was not, and what is published is what is scored.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cmath>

#include "artifacts/manifest.h"
#include "built_plugin.h"
#include "dataio/snapshot.h"
#include "drawn_rows.h"
#include "models/safetensors.h"
#include "plans.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;

struct Kind {
  const char* name;
  const char* train;  // of the spec, as JSON
  const char* data;
  dataio::Table (*rows)(size_t);
  double most;  // share of the constant's loss that the candidate may have left
};
std::ostream& operator<<(std::ostream& out, const Kind& kind) {
  return out << kind.name;
}

dataio::Table numbers(size_t count) {
  dataio::Table rows = made_up_rows(count);
  rows.find("late")->name = "label";
  return rows;
}

const Kind kKinds[] = {
    {"cnn",
     R"({"model": {"cnn": {"size": 12, "width": 8, "blocks": [1, 1], "gray": true, "crop": 1, "flip": true}},
         "batch": 64, "stop": {"epochs": 3, "patience": 0}, "optimizer": {"adamw": {"rate": 0.01, "decay": 0.01}}})",
     R"({"label": {"column": "label", "kind": "BINARY"}, "image": "image"})", pictures, 0.5},
    {"encoder",
     R"({"model": {"transformer": {"vocabulary": 10, "context": 12, "width": 16, "layers": 1, "heads": 2,
                                   "dropout": 0.05}},
         "batch": 64, "stop": {"epochs": 6, "patience": 0}, "optimizer": {"adamw": {"rate": 0.01, "decay": 0.01}}})",
     R"({"label": {"column": "label", "kind": "BINARY"}, "tokens": "words"})", orders, 0.6},
    {"decoder",
     R"({"model": {"transformer": {"vocabulary": 5, "context": 8, "width": 16, "layers": 2, "heads": 2, "causal": true,
                                   "dropout": 0.02}},
         "batch": 64, "stop": {"epochs": 8, "patience": 0}, "optimizer": {"adamw": {"rate": 0.01, "decay": 0.01}}})",
     R"({"label": {"column": "label", "kind": "BINARY"}, "tokens": "words"})", sums, 0.6},
    {"plugin",
     R"({"model": {"plugin": {"library": "libwide.so", "options": {"start": "-0.5"}}},
         "batch": 64, "stop": {"epochs": 2, "patience": 0}, "optimizer": {"adamw": {"rate": 0.02, "decay": 0.01}}})",
     R"({"label": {"column": "label", "kind": "BINARY"}, "numeric": ["minute", "wind", "temp"],
         "categorical": ["weekday", "carrier"]})",
     numbers, 0.97},
};

class KindRun {
 public:
  explicit KindRun(const Kind& kind, const std::string& plugin_source = {}) : kind_(kind) {
    run.snapshot =
        dataio::make_snapshot(*run.store, "drawn", "all", kind.rows(2400), "when", "a test").value();
    run.first_us = run.snapshot.first_time_us();
    if (std::string(kind.name) == "plugin")
      code_ = run.store->put(built_plugin(run.root / "built", plugin_source)).value();
  }

  v1::Plan plan(uint32_t world) const {
    v1::Plan out = run.plan(world);
    auto& spec = *out.mutable_spec();
    spec.clear_train();
    spec.clear_data();
    const auto read = [](const char* json, google::protobuf::Message* to) {
      const auto parsed = google::protobuf::util::JsonStringToMessage(json, to);
      EXPECT_TRUE(parsed.ok()) << std::string(parsed.message());
    };
    read(kind_.train, spec.mutable_train());
    read(kind_.data, spec.mutable_data());
    spec.mutable_data()->set_time("when");
    spec.mutable_data()->set_initial("drawn");
    spec.mutable_data()->mutable_label()->mutable_matures()->set_seconds(86400);
    spec.mutable_train()->set_seed(1);
    spec.mutable_train()->set_validation(0.1);
    spec.mutable_train()->mutable_checkpoints()->mutable_every()->set_seconds(60);
    spec.mutable_train()->mutable_checkpoints()->set_keep(2);
    if (!code_.empty()) {
      spec.mutable_train()->set_code("built");
      spec.mutable_code()->set_sha256(code_);
    }
    return out;
  }
  v1::Outcome finish(const v1::Plan& plan) {
    const auto ended = run.run(plan);
    EXPECT_EQ(ended.code, 0) << ended.log;
    return run.outcome(plan);
  }
  std::vector<float> parameters(const v1::Outcome& outcome) {
    const auto manifest = artifacts::load_manifest(*run.store, outcome.manifest()).value();
    const std::string bytes = artifacts::read_file(*run.store, manifest, "model.safetensors").value();
    std::vector<float> out;
    const auto file = models::parse_safetensors(bytes).value();
    for (const auto& [name, tensor] : file.tensors) {
      const auto* values = reinterpret_cast<const float*>(tensor.bytes.data());
      out.insert(out.end(), values, values + tensor.bytes.size() / sizeof(float));
    }
    return out;
  }

  TestRun run;

 private:
  const Kind& kind_;
  std::string code_;
};

class KindAttempts : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(All, KindAttempts, ::testing::ValuesIn(kKinds),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(KindAttempts, LearnPublishAndScore) {
  KindRun one(GetParam());
  auto plan = one.plan(1);
  const auto outcome = one.finish(plan);
  ASSERT_EQ(outcome.kind(), v1::Outcome::FINISHED) << outcome.message();
  const auto& whole = outcome.evaluation().slices(0);
  EXPECT_GT(whole.rows(), 400);
  EXPECT_LT(whole.candidate_log_loss_sum(), GetParam().most * whole.constant_log_loss_sum());

  // The published files, read again by a scoring run on two ranks, give the evaluation's figures.
  auto score = one.plan(2);
  score.set_task(v1::Plan::SCORE);
  score.set_run("late-2");
  auto* item = score.add_score();
  item->set_manifest(outcome.manifest());
  item->set_version(1);
  item->set_from_us(plan.windows().holdout_from_us());
  item->set_until_us(plan.windows().until_us());
  const auto scored = one.finish(score);
  ASSERT_EQ(scored.scores_size(), 1) << scored.message();
  EXPECT_EQ(scored.scores(0).rows(), static_cast<uint64_t>(whole.rows()));
  EXPECT_NEAR(scored.scores(0).log_loss() * whole.rows(), whole.candidate_log_loss_sum(), 1e-6);

  // Beside itself as champion it gains nothing.
  auto again = one.plan(1);
  again.set_run("late-3");
  again.set_checkpoints(one.run.root / "runs" / "late-3" / "checkpoints");
  again.set_champion_manifest(outcome.manifest());
  again.set_champion_version(1);
  const auto judged = one.finish(again);
  ASSERT_GT(judged.evaluation().slices_size(), 0) << judged.message();
  EXPECT_EQ(judged.evaluation().slices(0).gain_sum(), 0);
  EXPECT_EQ(judged.parameters_sha256(), outcome.parameters_sha256());
}

TEST_P(KindAttempts, TwoRanksTrainTheModelOfOne) {
  KindRun run(GetParam());
  auto lone = run.plan(1), pair = run.plan(2);
  for (auto* plan : {&lone, &pair}) plan->mutable_spec()->mutable_train()->mutable_stop()->set_epochs(1);
  pair.set_run("late-2");
  pair.set_checkpoints(run.run.root / "runs" / "late-2" / "checkpoints");
  const auto a = run.finish(lone), b = run.finish(pair);
  EXPECT_NEAR(a.valid_loss(), b.valid_loss(), 2e-3 * (1 + a.valid_loss()));
  const auto left = run.parameters(a), right = run.parameters(b);
  ASSERT_EQ(left.size(), right.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    difference += std::pow(left[i] - right[i], 2);
    size += std::pow(left[i], 2);
  }
  EXPECT_LT(std::sqrt(difference / size), 1e-2) << "rounding alone tells them apart";
}

TEST_P(KindAttempts, AKilledRunEndsWithTheBitsOfOneThatWasNot) {
  KindRun whole(GetParam()), killed(GetParam());
  auto plan = whole.plan(1);
  plan.mutable_spec()->mutable_train()->mutable_stop()->set_epochs(2);
  const auto expected = whole.finish(plan);
  plan.set_artifacts(killed.plan(1).artifacts());
  plan.set_checkpoints(killed.plan(1).checkpoints());
  plan.set_fault("kill step=35; slow ms=60");
  EXPECT_NE(killed.run.run(plan).code, 0);
  plan.set_attempt(2);
  const auto resumed = killed.finish(plan);
  EXPECT_GT(resumed.resumed_from_step(), 0u);
  EXPECT_EQ(resumed.parameters_sha256(), expected.parameters_sha256());
}

// ---------------------------------------------------------------- refusals

TEST(KindRefusals, AnImageThatIsNone) {
  KindRun run(kKinds[0]);
  dataio::Table rows = pictures(2400);
  rows.find("image")->blobs[17] = std::make_shared<const std::string>("GIF89a");
  auto plan = run.plan(2);
  *plan.mutable_data(0) =
      dataio::make_snapshot(*run.run.store, "drawn", "bad", rows, "when", "a test").value();
  const auto ended = run.run.run(plan);
  EXPECT_EQ(ended.code, 65) << ended.log;
  EXPECT_THAT(run.run.outcome(plan).message(), HasSubstr("column 'image', row 17: neither a JPEG nor a PNG"));
}

TEST(KindRefusals, ATokenOutsideTheVocabulary) {
  KindRun run(kKinds[1]);
  auto plan = run.plan(1);
  plan.mutable_spec()->mutable_train()->mutable_model()->mutable_transformer()->set_vocabulary(9);
  const auto ended = run.run.run(plan);
  EXPECT_EQ(ended.code, 65) << ended.log;
  EXPECT_THAT(run.run.outcome(plan).message(),
              HasSubstr("is not below train.model.transformer.vocabulary, 9"));
}

struct BadPlugin {
  const char* name;
  const char* from;
  const char* to;
  int code;
  const char* says;
};
std::ostream& operator<<(std::ostream& out, const BadPlugin& bad) {
  return out << bad.name;
}
class BadPlugins : public ::testing::TestWithParam<BadPlugin> {};

std::string edited(const std::string& from, const std::string& to) {
  std::string source = read_file("examples/plugin/wide.c").value();
  const size_t at = source.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return source.replace(at, from.size(), to);
}

TEST_P(BadPlugins, AreNamed) {
  KindRun run(kKinds[3], edited(GetParam().from, GetParam().to));
  auto plan = run.plan(1);
  const auto ended = run.run.run(plan);
  EXPECT_EQ(ended.code, GetParam().code) << ended.log;
  const std::string said = GetParam().code == 78 ? run.run.outcome(plan).message() : ended.log;
  EXPECT_THAT(said, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadPlugins,
    ::testing::Values(
        BadPlugin{
            "version", "      REKINDLE_PLUGIN_VERSION, sizeof", "      7, sizeof", 78,
            "plugin libwide.so: it is built for version 7 of the interface; this rekindle has version 1"},
        BadPlugin{"size", "sizeof(rekindle_plugin_table), wide_open", "8, wide_open", 78,
                  "its table has 8 bytes"},
        BadPlugin{"function", "wide_open, wide_close", "wide_open, 0", 78,
                  "its table lacks the function 'close'"},
        BadPlugin{"symbol", "const rekindle_plugin_table* rekindle_plugin(void) {",
                  "const rekindle_plugin_table* other(void) {", 78, "it exports no function rekindle_plugin"},
        BadPlugin{"unlinked", "static double logit",
                  "void nobody(void); static void use(void) { nobody(); } void* "
                  "const used = (void*)use; static double logit",
                  78, "it cannot be loaded"},
        BadPlugin{"refuses", "problem->label != REKINDLE_BINARY", "1", 78,
                  "open: this example answers binary labels alone"},
        BadPlugin{"shape", "{m->numeric + 1}", "{-5}", 78,
                  "parameter 'numbers' has the impossible shape [-5]"},
        BadPlugin{"huge", "{m->numeric + 1}", "{1ll << 62}", 78, "impossible shape"},
        BadPlugin{"dimensions", "{\"bias\", 1, {1}}", "{\"bias\", 99, {1}}", 78, "'bias' has 99 dimensions"},
        BadPlugin{"names", "{\"numbers\", 1,", "{\"bias\", 1,", 78, "two parameters are named 'bias'"},
        BadPlugin{"no_name", "{\"numbers\", 1,", "{0, 1,", 78, "parameter 1 has no printable name"},
        BadPlugin{"count", "*count = 3;", "*count = 0;", 78, "0 parameters"},
        BadPlugin{"nan", "*loss = 0;", "*loss = NAN; return NULL;", 78, "not finite at step"},
        BadPlugin{"nan_gradient", "gradients[0][0] += (float)slope;", "gradients[0][0] = NAN;", 78,
                  "not finite at step"},
        BadPlugin{"says_no", "*loss = 0;", "return \"the moon is wrong\";", 1, "loss: the moon is wrong"},
        BadPlugin{"writes_past", "*loss = 0;", "*loss = 0; gradients[0][1] = 7;", 1,
                  "loss wrote past the end of the gradient of 'bias'"},
        BadPlugin{"no_answers", "out[row] = (float)", "if (row != 3) out[row] = (float)", 1,
                  "outputs gave an answer that is not finite, or none for some row"},
        BadPlugin{"crash", "*loss = 0;", "*loss = *(volatile double*)8;", 128 + 11, ""}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(KindRefusals, APluginThatIsNotInItsCode) {
  KindRun run(kKinds[3]);
  auto plan = run.plan(1);
  plan.mutable_spec()->mutable_train()->mutable_model()->mutable_plugin()->set_library("other.so");
  EXPECT_EQ(run.run.run(plan).code, 78);
  EXPECT_THAT(run.run.outcome(plan).message(), HasSubstr("plugin other.so: it cannot be loaded"));
}

}  // namespace
}  // namespace rekindle::trainer
