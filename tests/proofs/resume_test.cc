// However often and wherever a run is killed, it ends with the bits of one that was not: parameters,
// optimizer, position and seed; and each epoch has taken each row once, also when the gang's size changed.
//
// A schedule is a few attempts that die at random steps (one rank, all ranks, mpirun, the supervisor) and one
// that ends. The default run does a few of each; REKINDLE_FULL=1, as the nightly suite sets it, does all.
#include <gtest/gtest.h>

#include <google/protobuf/util/json_util.h>

#include <random>

#include "base/hash.h"
#include "drawn_rows.h"
#include "plans.h"
#include "records.h"
#include "rekindle/v1/checkpoint.pb.h"

namespace rekindle::trainer {
namespace {

bool full() {
  const char* asked = std::getenv("REKINDLE_FULL");
  return asked != nullptr && std::string(asked) == "1";
}

// Between them: the passes written by hand and autograd, whole messages and buckets, two optimizers, an
// average, drawn dropout and drawn augmentation.
struct ModelCase {
  const char* name;
  const char* train;  // of the spec, as JSON, beside what all cases share
  dataio::Table (*rows)() = [] { return made_up_rows(6000); };
  const char* data = nullptr;  // columns of the spec, as JSON; none: those of the made-up rows
  uint32_t batch = 192;
};
const std::vector<ModelCase>& models() {
  static const std::vector<ModelCase> kModels = {
      {"linear", R"({"model": {"linear": {}}, "optimizer": {"adamw": {"rate": 0.01, "decay": 0.01}}})"},
      {"tabular",
       R"({"model": {"tabular": {"hidden": [48, 24, 12], "dropout": 0.3, "embedding": 4}},
           "optimizer": {"adamw": {"rate": 0.01, "decay": 0.01}}, "seed": 7})"},
      {"cnn",
       R"({"model": {"cnn": {"size": 12, "width": 8, "blocks": [1, 1], "gray": true, "crop": 1, "flip": true}},
           "optimizer": {"sgd": {"rate": 0.05, "momentum": 0.9}, "average": 0.9},
           "reduction": {"kind": "BUCKETS"}})",
       [] { return pictures(1200); }, R"({"image": "image"})", 48},
      {"transformer",
       R"({"model": {"transformer": {"vocabulary": 10, "context": 12, "width": 16, "layers": 1, "heads": 2,
                                     "dropout": 0.1}},
           "optimizer": {"adamw": {"rate": 0.01, "decay": 0.01}, "clip": 0.5}})",
       [] { return orders(1600); }, R"({"tokens": "words"})", 64},
  };
  return kModels;
}

void read_json(const char* json, google::protobuf::Message* out) {
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, out);
  EXPECT_TRUE(parsed.ok()) << std::string(parsed.message()) << " in " << json;
}

// Small enough that an attempt takes a second, with a checkpoint every few steps.
v1::Plan small_plan(const TestRun& run, const ModelCase& model, uint32_t world) {
  auto plan = run.plan(world);
  auto& spec = *plan.mutable_spec();
  spec.clear_train();
  read_json(R"({"seed": 1, "validation": 0.1, "stop": {"epochs": 3, "patience": 0},
                "checkpoints": {"every": "0.02s", "keep": 2}})",
            spec.mutable_train());
  v1::Train own;
  read_json(model.train, &own);
  spec.mutable_train()->MergeFrom(own);
  spec.mutable_train()->set_batch(model.batch);
  if (model.data == nullptr) return plan;
  spec.clear_data();
  read_json(model.data, spec.mutable_data());
  read_json(R"({"column": "label", "kind": "BINARY", "matures": "86400s"})",
            spec.mutable_data()->mutable_label());
  spec.mutable_data()->set_initial("made-up");
  spec.mutable_data()->set_time("when");
  return plan;
}

// What a finished fit leaves: hashes of all tensors and of the state without its clocks.
struct Ending {
  std::string parameters, tensors, state;
  uint64_t steps = 0;
  bool operator==(const Ending&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Ending& e) {
  return out << e.steps << " steps, parameters " << e.parameters.substr(0, 8) << ", tensors "
             << e.tensors.substr(0, 8) << ", state " << e.state.substr(0, 8);
}

Ending ending(const TestRun& run, const v1::Plan& plan) {
  const auto outcome = run.outcome(plan);
  Ending out;
  out.parameters = outcome.parameters_sha256();
  out.steps = outcome.steps();
  const fs::path folder = fs::path(plan.checkpoints()) / ("step-" + std::to_string(outcome.steps()));
  const auto tensors = read_file(folder / "tensors.safetensors").value();
  out.tensors = sha256_hex(tensors);
  v1::CheckpointState state;
  EXPECT_TRUE(state.ParseFromString(read_file(folder / "state.pb").value()));
  state.clear_train_seconds();
  state.clear_first_step_us();
  state.clear_stall_seconds();
  state.clear_world();
  state.clear_identity();  // of the snapshot's making, among others
  out.state = sha256_hex(state.SerializeAsString());
  return out;
}

struct Reference {
  Ending ending;
  Epochs epochs;
};

Reference uninterrupted(const ModelCase& model, uint32_t world) {
  TestRun run(model.rows());
  auto plan = small_plan(run, model, world);
  plan.set_fault("record");
  auto ended = run.run_gang(plan);
  EXPECT_EQ(ended.code, 0) << ended.log;
  return {ending(run, plan), epochs_of(run, {plan})};
}

// One to three deaths at random steps, then an attempt that ends. `worlds`: sizes to choose from.
class Schedule {
 public:
  Schedule(const ModelCase& model, std::vector<uint32_t> worlds, uint64_t seed)
      : model_(model), worlds_(std::move(worlds)), random_(seed), run_(model.rows()) {}

  void run(const Reference& want, bool same_world) {
    const uint64_t deaths = 1 + random_() % 3;
    for (uint32_t attempt = 1; attempt <= deaths + 1; ++attempt) {
      auto plan = small_plan(run_, model_, worlds_[random_() % worlds_.size()]);
      plan.set_attempt(attempt);
      plan.set_fault("record attempt=0" + (attempt <= deaths ? death(plan, want.ending.steps) : ""));
      auto ended = run_.run_gang(plan);
      run_.await_no_process(plan);
      plans_.push_back(plan);
      told_ += std::to_string(plan.world()) + " ranks: " + plan.fault() + "\n";
      if (attempt <= deaths && run_.folder(plan).read_outcome().value().has_value())
        break;  // it died too late
      if (attempt > deaths) {
        ASSERT_EQ(ended.code, 0) << told_ << ended.log << run_.logs(plan);
      }
    }
    const auto got = ending(run_, plans_.back());
    EXPECT_EQ(got.steps, want.ending.steps) << told_;
    if (same_world) {
      EXPECT_EQ(got, want.ending) << told_;
    }
    const auto epochs = epochs_of(run_, plans_);
    EXPECT_EQ(epochs.problem, "") << told_;
    EXPECT_EQ(epochs.rows_of_step, want.epochs.rows_of_step) << "other batches than without a death\n"
                                                             << told_;
  }

 private:
  std::string death(const v1::Plan& plan, uint64_t steps) {
    const std::string step = " step=" + std::to_string(random_() % steps) + " attempt=0";
    const uint64_t rank = random_() % plan.world();
    switch (random_() % (plan.world() > 1 ? 4 : 3)) {
      case 0:
        return "; kill" + step;  // every rank
      case 1:
        return "; kill-gang rank=0" + step + "; slow ms=2 attempt=0";
      case 2:
        return "; kill rank=" + std::to_string(rank) + step;
      default:
        return "; kill-mpirun rank=" + std::to_string(rank) + step;
    }
  }

  const ModelCase& model_;
  std::vector<uint32_t> worlds_;
  std::mt19937_64 random_;
  TestRun run_;
  std::vector<v1::Plan> plans_;
  std::string told_;
};

class ResumeMatrix : public ::testing::TestWithParam<std::tuple<int, uint32_t>> {};

TEST_P(ResumeMatrix, EndsWithTheSameBitsAndEachRowOncePerEpoch) {
  const auto& [index, world] = GetParam();
  const auto& model = models()[static_cast<size_t>(index)];
  // The short run: two worlds for each model.
  if (!full() && (world + static_cast<uint32_t>(index)) % 2 == 0) GTEST_SKIP() << "only with REKINDLE_FULL=1";
  const auto want = uninterrupted(model, world);
  ASSERT_EQ(want.epochs.problem, "");
  ASSERT_EQ(want.epochs.epochs, 3u);
  const uint64_t schedules = full() ? 20 : 1;
  for (uint64_t seed = 1; seed <= schedules; ++seed) {
    SCOPED_TRACE("schedule " + std::to_string(seed));
    Schedule(model, {world}, seed * 1000 + world * 10 + static_cast<uint64_t>(index)).run(want, true);
    if (HasFailure()) return;
  }
  std::printf("%s, %u ranks: %llu schedules\n", model.name, world,
              static_cast<unsigned long long>(schedules));
}
INSTANTIATE_TEST_SUITE_P(ModelsAndWorlds, ResumeMatrix,
                         ::testing::Combine(::testing::Values(0, 1, 2, 3), ::testing::Values(1, 2, 3, 4)));

TEST(ResumeMatrix, TheGangMayChangeItsSize) {
  for (size_t index = 0; index < models().size(); ++index) {
    const auto& model = models()[index];
    const auto want = uninterrupted(model, 1);
    const uint64_t schedules = full() ? 20 : 1;
    for (uint64_t seed = 1; seed <= schedules; ++seed) {
      SCOPED_TRACE(std::string(model.name) + ", schedule " + std::to_string(seed));
      Schedule(model, {1, 2, 3, 4}, seed * 1000 + index + 500).run(want, false);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace rekindle::trainer
