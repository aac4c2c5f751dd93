// Much of everything, and a consumer that is killed: what the store says is what one quiet pass says. The
// short form runs by default, REKINDLE_FULL=1 the whole (events_volume_full).
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/events/store_fixture.h"

namespace rekindle::events {
namespace {

bool whole() {
  return std::getenv("REKINDLE_FULL") != nullptr;
}

// Resident now, in MiB.
double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  uint64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

class Volume : public StoreTest {
 protected:
  // What the store can be asked, in one text.
  std::string all_of(const std::vector<v1::JudgedWindow>& windows) {
    std::string out;
    const auto counts = store_->counts("demand", 1, 0, kStart + 1000 * kDay);
    EXPECT_TRUE(counts.ok());
    for (const auto& slot : *counts) out += slot.SerializeAsString();
    for (const auto& window : windows) out += window.SerializeAsString();
    const Totals totals = store_->totals("demand");
    for (const uint64_t one :
         {totals.batches, totals.requests, totals.rows, totals.counted_rows, totals.labels,
          totals.labelled_rows, totals.waiting_labels, totals.refused_records})
      out += " " + std::to_string(one);
    return out;
  }
};

// One child after the other takes batches from a shuffled list, three in ten of them twice, and is killed at
// a moment of nobody's choosing. What it said it had taken is not sent again; what it was taking is.
TEST_F(Volume, AKilledConsumerCountsAsOneThatWasNot) {
  const int days = whole() ? 100 : 10, kills = whole() ? 100 : 10;
  const std::vector<v1::EventBatch> stream = batches(days, 42, 1, [&](int64_t t) {
    return Habit{.shift = t >= kStart + days * kDay / 2 ? 9.0 : 0,
                 .wrong = t >= kStart + days * kDay * 3 / 4};
  });
  for (const auto& batch : stream) append(batch);
  const int64_t end = kStart + (days + 2) * kDay;
  const std::string quiet = all_of(judge(end));
  const uint64_t events = store_->totals("demand").requests;
  EXPECT_GE(events, whole() ? 100'000u : 10'000u);

  std::mt19937 dice(11);
  std::vector<const v1::EventBatch*> sent;
  for (const auto& batch : stream) sent.push_back(&batch);
  for (size_t i = 0, n = sent.size(); i < n; ++i)
    if (dice() % 10 < 3) sent.push_back(sent[i]);
  std::shuffle(sent.begin(), sent.end(), dice);
  store_.reset();

  auto* const taken = static_cast<std::atomic<size_t>*>(
      mmap(nullptr, sizeof(std::atomic<size_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(taken, MAP_FAILED);
  new (taken) std::atomic<size_t>(0);
  const auto consume = [&] {
    const auto store = EventStore::open(folder_ / "killed.db", artifacts_);
    if (!store.ok()) _exit(3);
    for (size_t at; (at = taken->load()) < sent.size(); taken->store(at + 1))
      if (!(*store)->append(*sent[at]).ok()) _exit(4);
    _exit(0);
  };
  int killed = 0;
  for (int life = 0; taken->load() < sent.size(); ++life) {
    ASSERT_LT(life, 10 * kills);
    const size_t before = taken->load();
    const pid_t child = fork();
    if (child == 0) consume();
    // At a share of what is left, so that all lives come to something.
    const size_t until =
        before + 1 + (sent.size() - before) * 2 / static_cast<size_t>(std::max(2, kills - life));
    while (taken->load() < std::min(until, sent.size()) && waitpid(child, nullptr, WNOHANG) == 0)
      usleep(static_cast<useconds_t>(dice() % 500));
    if (killed < kills) kill(child, SIGKILL);
    int status = 0;
    if (waitpid(child, &status, 0) == child) {
      if (WIFSIGNALED(status)) ++killed;
      if (WIFEXITED(status)) ASSERT_EQ(0, WEXITSTATUS(status));
    }
  }
  munmap(taken, sizeof(std::atomic<size_t>));
  EXPECT_GE(killed, kills / 2);
  open("killed.db");
  after_ = 0;
  EXPECT_TRUE(all_of(judge(end)) == quiet) << "counts, judgements or totals differ";
  std::printf("%lu events, %zu batches with repeats, %d kills\n", events, sent.size(), killed);
}

// Labels that come before what they are of wait on the disk, not in memory.
TEST_F(Volume, LabelsThatWaitTakeNoMemory) {
  const int records = whole() ? 10'000'000 : 100'000, at_once = 10'000;
  Node node("node-a");
  double after_first = 0;
  for (int from = 0; from < records; from += at_once) {
    std::vector<v1::LabelRecord> labels(at_once);
    for (int i = 0; i < at_once; ++i) {
      labels[i].set_request_id("r" + std::to_string(from + i));
      labels[i].set_event_time_us(kStart + int64_t{from} * 1000);
      labels[i].set_known_at_us(kStart + kDay + int64_t{from} * 1000);
      labels[i].add_labels(1);
    }
    append(node.batch({}, labels));
    if (from == 4 * at_once) after_first = resident_mib();
  }
  EXPECT_EQ(static_cast<uint64_t>(records), store_->totals("demand").waiting_labels);
  const double grown = resident_mib() - after_first;
  EXPECT_LT(grown, 64) << "MiB more for " << records << " labels than for " << 5 * at_once;
  std::printf("%d labels wait; %.0f MiB resident, %.1f more than with %d\n", records, resident_mib(), grown,
              5 * at_once);
}

// Many models with many features, each judged over a window of slots.
TEST_F(Volume, AThousandModelsAreJudgedInBoundedMemory) {
  const int models = whole() ? 1000 : 50, features = 50, slots = 24, rows = 100;
  std::mt19937_64 dice(3);
  std::normal_distribution<double> normal;
  v1::JobSpec spec = demand_spec();
  spec.mutable_data()->clear_numeric();
  spec.mutable_data()->clear_categorical();
  v1::Profile profile;
  std::vector<double> values(2000);
  for (int f = 0; f < features; ++f) {
    spec.mutable_data()->add_numeric("x" + std::to_string(f));
    for (double& value : values) value = normal(dice);
    *profile.add_features() = drift::numeric_profile("x" + std::to_string(f), values);
  }
  for (double& value : values) value = 1 / (1 + std::exp(-normal(dice)));
  *profile.mutable_prediction() = drift::numeric_profile(drift::kPrediction, values);
  profile.set_rows(static_cast<int64_t>(values.size()));
  const auto bins = *drift::ProfileBins::make(profile);
  for (int m = 0; m < models; ++m) {
    v1::EventBatch batch;
    batch.set_node("node-a");
    batch.set_boot("boot-1");
    batch.set_seq(static_cast<uint64_t>(m) + 1);
    batch.set_model("m" + std::to_string(m));
    drift::CountsBuilder counts(bins, 1, Micros(kHour));
    for (int s = 0; s < slots; ++s) {
      drift::SlotCounter& slot = counts.at(time_from_micros(kStart + s * kHour));
      slot.add_rows(rows);
      for (int f = 0; f < features; ++f) {
        std::vector<double> seen(rows);
        for (double& value : seen) value = normal(dice) + (f == 0 && m % 10 == 0 ? 1 : 0);
        slot.add_numbers(static_cast<size_t>(f), seen);
      }
      slot.add_predictions(std::vector<double>(rows, 0.5));
    }
    for (auto& slot : counts.take()) *batch.add_counts() = std::move(slot);
    append(batch);
  }
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  int judged = 0, fired = 0;
  for (int m = 0; m < models; ++m) {
    spec.set_name("m" + std::to_string(m));
    JudgeInput in;
    in.spec = &spec;
    in.champion = 1;
    in.profiles[1] = &profile;
    in.watermark_us = kStart + slots * kHour;
    for (;;) {
      const auto window = store_->judge_next(in);
      ASSERT_TRUE(window.ok()) << window.status().message();
      if (!*window) break;
      in.after_slot_us = (*window)->slot_us();
      ++judged;
      const auto& drift = (*window)->drift();
      if (in.after_slot_us == kStart + (slots - 1) * kHour)
        fired += std::any_of(drift.begin(), drift.end(),
                             [](const v1::Score& one) { return one.feature() == "x0" && one.fired(); });
    }
  }
  getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(models * slots, judged);
  EXPECT_EQ(models / 10, fired) << "those that moved, and no other";
  EXPECT_LT(resident_mib(), 2048);
  const auto seconds = [](const rusage& use) {
    return static_cast<double>(use.ru_utime.tv_sec) + static_cast<double>(use.ru_utime.tv_usec) / 1e6;
  };
  std::printf("%d slots of %d models with %d features: %.1f s of a core, %.0f MiB resident\n", judged, models,
              features, seconds(after) - seconds(before), resident_mib());
}

}  // namespace
}  // namespace rekindle::events
