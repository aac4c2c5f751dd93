// The real trainer's losses of every step beside PyTorch's (golden.json, made by oracle.py): 1e-5 relative.
//
// With REKINDLE_ORACLE_GPU each rank gets the GPU 0 (tools/gpu_check.sh).
// With REKINDLE_ORACLE_OUT=DIR each case also leaves there what oracle.py needs to take the same steps.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <fstream>
#include <set>

#include <google/protobuf/util/json_util.h>

#include "built_plugin.h"
#include "cases.h"
#include "dataio/snapshot.h"
#include "plans.h"
#include "records.h"

namespace rekindle::trainer {

void PrintTo(const OracleCase& c, std::ostream* out) {
  *out << c.name;
}

namespace {

constexpr double kTolerance = 1e-5;

const boost::json::object& golden() {
  static const boost::json::value kGolden = boost::json::parse(read_file("tests/oracle/golden.json").value());
  return kGolden.as_object();
}

bool on_gpu() {
  return std::getenv("REKINDLE_ORACLE_GPU") != nullptr;
}

void read_json(const std::string& json, google::protobuf::Message* out) {
  auto parsed = google::protobuf::util::JsonStringToMessage(json, out);
  EXPECT_TRUE(parsed.ok()) << std::string(parsed.message()) << " in " << json;
}

v1::Plan plan_of(TestRun& run, const OracleCase& c) {
  if (c.rows != nullptr) {
    // 34 steps: seven of the ten days are trained on, twice.
    run.snapshot =
        dataio::make_snapshot(*run.store, "drawn", "all", c.rows(24 * c.batch), "when", "a test").value();
    run.first_us = run.snapshot.first_time_us();
  }
  auto plan = run.plan(c.world);
  plan.mutable_spec()->clear_train();
  read_json(R"({"batch": )" + std::to_string(c.batch) +
                R"(, "stop": {"epochs": 2, "patience": 0}, "seed": 3, "validation": 0.1,
                "checkpoints": {"every": "60s", "keep": 1}, )" +
                c.train + "}",
            plan.mutable_spec()->mutable_train());
  if (!c.data.empty()) {
    plan.mutable_spec()->clear_data();
    read_json(R"({"initial": "drawn", "time": "when", )" + c.data + "}", plan.mutable_spec()->mutable_data());
    plan.mutable_spec()->mutable_data()->mutable_label()->mutable_matures()->set_seconds(86400);
  }
  if (plan.spec().train().model().has_plugin()) {
    plan.mutable_spec()->mutable_train()->set_code("built");
    plan.mutable_spec()->mutable_code()->set_sha256(run.store->put(built_plugin(run.root / "built")).value());
  }
  plan.set_fault("record");
  if (on_gpu()) {
    plan.set_gpus_per_rank(1);
    for (uint32_t r = 0; r < c.world; ++r) plan.add_devices("0");
  }
  return plan;
}

void leave_for_python(const TestRun& run, const v1::Plan& plan, const OracleCase& c, const fs::path& out) {
  fs::create_directories(out / c.name);
  for (const auto& entry : fs::directory_iterator(run.folder(plan).root())) {
    const auto name = entry.path().filename();
    if (name == "beginning.safetensors" || name.string().starts_with("record-"))
      fs::copy_file(entry.path(), out / c.name / name);
  }
  std::string spec;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(plan.spec(), &spec, options).ok());
  std::ofstream(out / c.name / "case.json") << R"({"world": )" << c.world << R"(, "spec": )" << spec << "}\n";
}

class Oracle : public ::testing::TestWithParam<OracleCase> {};

TEST_P(Oracle, StepByStepAsPyTorch) {
  const auto& c = GetParam();
  if (on_gpu() && c.train.find("\"plugin\"") != std::string::npos)
    GTEST_SKIP() << "a plugin's library works in the host's memory";
  TestRun run;
  const auto plan = plan_of(run, c);
  auto ended = run.run(plan);
  ASSERT_EQ(ended.code, 0) << ended.log;
  const auto epochs = epochs_of(run, {plan});
  ASSERT_EQ(epochs.problem, "");
  if (const char* out = std::getenv("REKINDLE_ORACLE_OUT")) {
    leave_for_python(run, plan, c, out);
    return;
  }
  const auto* want = golden().if_contains(c.name);
  ASSERT_NE(want, nullptr) << "not in golden.json: tests/oracle/oracle.py write";
  const auto& losses = want->at("losses").as_array();
  ASSERT_EQ(epochs.loss_of_step.size(), losses.size());
  ASSERT_GE(losses.size(), 30u);
  double largest = 0;
  for (const auto& [step, loss] : epochs.loss_of_step) {
    const double theirs = losses[step].to_number<double>();
    const double off = std::abs(loss - theirs) / std::abs(theirs);
    ASSERT_LT(off, kTolerance) << "step " << step << ": " << loss << ", PyTorch " << theirs;
    largest = std::max(largest, off);
  }
  std::printf("%s: %zu steps, loss %.5f to %.5f, largest difference %.1e\n", c.name.c_str(), losses.size(),
              epochs.loss_of_step.at(0), epochs.loss_of_step.rbegin()->second, largest);
  double early = 0, late = 0;  // batches differ: means of eight
  for (uint64_t i = 0; i < 8; ++i) {
    early += epochs.loss_of_step.at(i);
    late += epochs.loss_of_step.at(losses.size() - 2 - i);
  }
  EXPECT_LT(late, early) << "nothing was learned";
}

TEST(Golden, HoldsTheCasesAndNoOthers) {
  std::set<std::string> cases, held;
  for (const OracleCase& c : oracle_cases()) cases.insert(c.name);
  for (const auto& entry : golden()) held.emplace(entry.key());
  EXPECT_EQ(held, cases);
}

INSTANTIATE_TEST_SUITE_P(Cases, Oracle, ::testing::ValuesIn(oracle_cases()), [](const auto& info) {
  std::string name = info.param.name;
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
});

}  // namespace
}  // namespace rekindle::trainer
