#include "plans.h"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>

#include "artifacts/manifest.h"
#include "base/clock.h"
#include "dataio/snapshot.h"
#include "launch/local.h"
#include "launch/report_log.h"

namespace rekindle::trainer {

dataio::Table made_up_rows(size_t count, uint64_t salt) {
  std::vector<int64_t> times;
  std::vector<double> minute, wind, temp, late;
  std::vector<std::string> weekday, carrier;
  const int64_t begin = to_micros(parse_time("2013-01-01").value());
  uint64_t x = 88172645463325252ull + salt;
  auto draw = [&] {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return static_cast<double>(x >> 11) * 0x1.0p-53;
  };
  for (size_t i = 0; i < count; ++i) {
    times.push_back(
        begin + static_cast<int64_t>(10.0 * kDayUs * static_cast<double>(i) / static_cast<double>(count)));
    minute.push_back(std::floor(draw() * 1440));
    wind.push_back(draw() < 0.05 ? NAN : draw() * 30);
    temp.push_back(20 + 30 * draw());
    weekday.push_back(
        std::vector<std::string>{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}[(i * 7 / count) % 7]);
    carrier.push_back("c" + std::to_string(static_cast<int>(draw() * draw() * 12)));
    const double logit = -1.5 + minute.back() / 700 + (std::isnan(wind.back()) ? 0.5 : wind.back() / 20) +
                         (carrier.back() == "c0" ? 1 : 0) - (carrier.back() == "c3" ? 1 : 0);
    late.push_back(draw() < 0.02 ? NAN : static_cast<double>(draw() < 1 / (1 + std::exp(-logit))));
  }
  dataio::Table out;
  out.add(dataio::time_column("when", std::move(times)));
  out.add(dataio::number_column("minute", std::move(minute)));
  out.add(dataio::number_column("wind", std::move(wind)));
  out.add(dataio::number_column("temp", std::move(temp)));
  out.add(dataio::text_column("weekday", weekday));
  out.add(dataio::text_column("carrier", carrier));
  out.add(dataio::bool_column("late", std::move(late)));
  return out;
}

TestRun::TestRun(const dataio::Table& rows) {
  char name[] = "/tmp/rekindle-trainer-XXXXXX";
  root = mkdtemp(name);
  store = artifacts::open_folder_store(root / "artifacts").value();
  snapshot = dataio::make_snapshot(*store, "made-up", "2013-01", rows, "when", "a test").value();
  first_us = snapshot.first_time_us();
}

TestRun::~TestRun() {
  fs::remove_all(root);
}

v1::Plan TestRun::plan(uint32_t world) const {
  v1::Plan out;
  auto parsed = google::protobuf::util::JsonStringToMessage(R"({
    "task": "TRAIN", "run": "late-1", "attempt": 1, "spec_sha256": "abc", "cause": "manual", "threads_per_rank": 1,
    "start_nonce": "n0nce",
    "spec": {
      "rekindle": 1, "name": "late",
      "data": {"initial": "made-up", "time": "when", "label": {"column": "late", "kind": "BINARY", "matures": "86400s"},
               "numeric": ["minute", "wind", "temp"], "categorical": ["weekday", "carrier"]},
      "train": {"model": {"tabular": {"hidden": [32, 16], "dropout": 0.1, "embedding": 4}}, "batch": 256,
                "stop": {"epochs": 4, "patience": 2}, "optimizer": {"adamw": {"rate": 0.01, "decay": 0.01}},
                "seed": 1, "validation": 0.1, "checkpoints": {"every": "60s", "keep": 2}}}
  })",
                                                            &out);
  EXPECT_TRUE(parsed.ok()) << std::string(parsed.message());
  out.set_world(world);
  out.set_artifacts(root / "artifacts");
  out.set_checkpoints(root / "runs" / "late-1" / "checkpoints");
  *out.add_data() = snapshot;
  auto* w = out.mutable_windows();
  w->set_train_from_us(first_us);
  w->set_valid_from_us(first_us + 7 * kDayUs);
  w->set_holdout_from_us(first_us + 8 * kDayUs);
  w->set_until_us(first_us + 10 * kDayUs);
  return out;
}

launch::AttemptFolder TestRun::folder(const v1::Plan& plan) const {
  return launch::AttemptFolder(root / "runs" / plan.run() / std::to_string(plan.attempt()));
}

Ended TestRun::run(const v1::Plan& plan, const std::function<void(int)>& ready) {
  const auto folder = this->folder(plan);
  auto made = folder.create(plan);
  EXPECT_TRUE(made.ok()) << made.message();
  auto command = plan.world() > 1 ? mpirun(static_cast<int>(plan.world())) : std::vector<std::string>{};
  const char* programs = std::getenv("REKINDLE_BIN");
  for (const std::string& word :
       {std::string(programs == nullptr ? "." : programs) + "/rekindle-trainer",
        std::string("--unsupervised"), std::string("--folder"), folder.root().string()}) {
    command.push_back(word);
  }
  return run_command(command, ready);
}

Ended TestRun::run_gang(const v1::Plan& plan) {
  const auto folder = this->folder(plan);
  auto made = folder.create(plan);
  EXPECT_TRUE(made.ok()) << made.message();
  const char* programs = std::getenv("REKINDLE_BIN");
  const std::string bin = programs == nullptr ? "." : programs;
  return run_command(
      {bin + "/rekindle-gang", "--folder", folder.root().string(), "--trainer", bin + "/rekindle-trainer"});
}

void TestRun::await_no_process(const v1::Plan& plan) const {
  const std::string path = folder(plan).root().string();
  for (int i = 0; i < 6000; ++i) {
    bool any = false;
    std::error_code error;
    for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
      auto line = read_file(it->path() / "cmdline");
      any |= line.ok() && line->find(path) != std::string::npos;
    }
    if (!any) {
      // A supervisor that was killed leaves its ranks' shared memory: whoever finds it lost removes it.
      const auto found = launch::make_local_launcher({})->probe(folder(plan));
      ASSERT_TRUE(found.ok() && found->kind != launch::GangState::kAlive) << "the gang's lock is still held";
      const bool left = found->gang && !found->gang->scratch().empty() && fs::exists(found->gang->scratch());
      EXPECT_FALSE(left) << found->gang->scratch() << " is left";
      return;
    }
    usleep(10'000);
  }
  ADD_FAILURE() << "processes of " << path << " are left after a minute";
}

std::string TestRun::logs(const v1::Plan& plan) const {
  std::string out;
  for (const auto& entry : fs::directory_iterator(folder(plan).root())) {
    if (entry.path().extension() != ".txt") continue;
    out += "--- " + entry.path().filename().string() + "\n" + read_file(entry.path()).value();
  }
  return out;
}

v1::Outcome TestRun::outcome(const v1::Plan& plan) const {
  auto read = folder(plan).read_outcome();
  EXPECT_TRUE(read.ok() && read->has_value()) << "no outcome";
  return read.ok() && read->has_value() ? **read : v1::Outcome();
}

std::vector<v1::Report> TestRun::reports(const v1::Plan& plan, int rank) const {
  return launch::ReportReader(folder(plan), rank).read_new().value();
}

models::Parameters TestRun::parameters(const std::string& sha256) const {
  auto manifest = artifacts::load_manifest(*store, sha256).value();
  v1::ModelCard card;
  auto json = artifacts::read_file(*store, manifest, "model.json").value();
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &card).ok());
  auto network = models::network_of(card).value();
  return models::read_parameters(network, artifacts::read_file(*store, manifest, "model.safetensors").value())
      .value();
}

}  // namespace rekindle::trainer
