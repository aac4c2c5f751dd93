// trainer_gpu_bench mlp|resnet STEPS [TRAIN ...]: one attempt of the real rekindle-trainer on GPU 0.
//
//   mlp      32 numbers, hidden 128 and 64, 256 rows a batch
//   resnet   ResNet-18 (with GroupNorm), 3 x 32 x 32 images, 128 a batch
// TRAIN: proto3 JSON of more for `train`: '"precision": "BF16"'. Prints one JSON object: the seconds from the
// start of the program to the first step and to the last, and the steps per second over the second half.
#include <google/protobuf/util/json_util.h>

#include <charconv>
#include <cstdio>

#include "base/clock.h"
#include "dataio/snapshot.h"
#include "drawn_rows.h"
#include "plans.h"

namespace rekindle::trainer {
namespace {

constexpr size_t kNumbers = 32;

struct Shape {
  std::string data, model;
  size_t rows, batch;
  dataio::Table table;
};

Shape mlp() {
  std::string names;
  for (size_t i = 0; i < kNumbers; ++i) names += (i ? ", \"f" : "\"f") + std::to_string(i) + "\"";
  return {"\"numeric\": [" + names + "]", R"({"tabular": {"hidden": [128, 64], "dropout": 0}})", 60'000, 256,
          numbers(60'000, kNumbers)};
}

Shape resnet() {
  return {R"("image": "image")", R"({"cnn": {"size": 32, "width": 64, "blocks": [2, 2, 2, 2]}})", 4096, 128,
          noise(4096, 32)};
}

int64_t now_us() {
  return to_micros(SystemClock().wall());
}

int run(const std::string& name, uint64_t steps, const std::string& more) {
  Shape shape = name == "mlp" ? mlp() : resnet();
  TestRun run;
  run.snapshot = dataio::make_snapshot(*run.store, "drawn", "all", shape.table, "when", "a bench").value();
  auto plan = run.plan(1);
  plan.mutable_spec()->clear_train();
  plan.mutable_spec()->clear_data();
  const std::string spec =
      R"({"rekindle": 1, "name": "bench", "data": {"initial": "drawn", "time": "when", )"
      R"("label": {"column": "label", "kind": "BINARY", "matures": "86400s"}, )" +
      shape.data + R"(}, "train": {"model": )" + shape.model + R"(, "batch": )" +
      std::to_string(shape.batch) + R"(, "stop": {"epochs": 100000, "steps": )" + std::to_string(steps) +
      R"(, "patience": 0}, "optimizer": {"adamw": {"rate": 0.001}, "schedule": {"constant": {}}}, )"
      R"("seed": 1, "checkpoints": {"every": "3600s", "keep": 1})" +
      more + "}}";
  const auto parsed = google::protobuf::util::JsonStringToMessage(spec, plan.mutable_spec());
  if (!parsed.ok()) {
    std::fprintf(stderr, "%s in %s\n", std::string(parsed.message()).c_str(), spec.c_str());
    return 2;
  }
  plan.clear_data();
  *plan.add_data() = run.snapshot;
  // One row in a hundred for validation, and for the holdout.
  const int64_t first = run.snapshot.first_time_us();
  auto* windows = plan.mutable_windows();
  windows->set_train_from_us(first);
  windows->set_valid_from_us(first + 98 * kDayUs / 10);
  windows->set_holdout_from_us(first + 99 * kDayUs / 10);
  windows->set_until_us(first + 10 * kDayUs);
  plan.set_gpus_per_rank(1);
  plan.add_devices("0");

  const int64_t begun = now_us();
  const auto ended = run.run(plan);
  if (ended.code != 0) {
    std::fprintf(stderr, "%s\n", ended.log.c_str());
    return 1;
  }
  std::vector<std::pair<uint64_t, int64_t>> progress;  // step, when
  for (const auto& report : run.reports(plan, 0))
    if (report.has_progress()) progress.emplace_back(report.progress().step(), report.time_us());
  const auto outcome = run.outcome(plan);
  const auto last = progress.back();
  auto half = progress.front();
  for (const auto& p : progress)
    if (p.first <= steps / 2) half = p;
  const auto seconds = [](int64_t us) { return static_cast<double>(us) * 1e-6; };
  std::printf(
      "{\"first_step\": %.4f, \"all_steps\": %.4f, \"steps\": %lu, \"steps_per_second\": %.2f, \"loss\": "
      "%.5f, "
      "\"how\": \"%s\"}\n",
      seconds(outcome.first_step_us() - begun), seconds(last.second - begun), last.first,
      static_cast<double>(last.first - half.first) / seconds(last.second - half.second), outcome.valid_loss(),
      outcome.reduction().c_str());
  return 0;
}

}  // namespace
}  // namespace rekindle::trainer

int main(int argc, char** argv) {
  const std::string name = argc > 2 ? argv[1] : "", steps = argc > 2 ? argv[2] : "";
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(steps.data(), steps.data() + steps.size(), count);
  if ((name != "mlp" && name != "resnet") || error != std::errc() || end != steps.data() + steps.size() ||
      count < 100) {
    std::fprintf(stderr, "usage: trainer_gpu_bench mlp|resnet STEPS [TRAIN ...], at least 100 steps\n");
    return 2;
  }
  std::string more;
  for (int i = 3; i < argc; ++i) more += std::string(", ") + argv[i];
  return rekindle::trainer::run(name, count, more);
}
