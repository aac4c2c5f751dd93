// A coordinator's journal of many events: what snapshots cost while it grows, and how long a restart reads
// it. Beside that the time to read the same bytes. Prints one JSON object. Arguments: EVENTS FOLDER.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "coordinator/journal/sqlite_journal.h"
#include "core/apply.h"
#include "core/decide.h"
#include "tests/core/builders.h"

namespace rekindle::coordinator {
namespace {

using Wall = std::chrono::steady_clock;

double since(Wall::time_point began) {
  return std::chrono::duration<double>(Wall::now() - began).count();
}

// Of this thread: what it takes on a host that does nothing else.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// As CoreLoopOptions::snapshot_every.
constexpr uint64_t kSnapshotEvery = 2'000;
constexpr size_t kBatch = 100;  // events of one commit
constexpr int kJobs = 20;
constexpr uint64_t kTickEvery = 50;  // runs

// Jobs whose runs come, train and end, one after the other, and whose windows are judged meanwhile.
class Story {
 public:
  explicit Story(core::State& state) : state_(state) {}

  std::vector<v1::Event> next(size_t count) {
    std::vector<v1::Event> out;
    while (out.size() < count) {
      const uint64_t turn = told_++;
      if (turn < kJobs)
        apply_job(out, fmt::format("job-{}", turn));
      else
        run(out, turn);
      if (turn % kTickEvery == 0) tick(out);
    }
    return out;
  }

 private:
  v1::Event& add(std::vector<v1::Event>& out) {
    v1::Event& event = out.emplace_back();
    event.set_seq(state_.seq + 1);
    event.set_time_us(state_.time_us + 1'000'000);
    event.set_actor("rekindled");
    return event;
  }
  void record(std::vector<v1::Event>& out) { core::apply(state_, out.back()); }

  void apply_job(std::vector<v1::Event>& out, const std::string& name) {
    v1::Job& job = *add(out).mutable_job_applied();
    job.set_name(name);
    job.set_revision(1);
    *job.mutable_spec() = core::testing::spec_of(name);
    job.set_spec_sha256(sha256_hex(name));
    job.set_next_run(1);
    record(out);
  }

  void run(std::vector<v1::Event>& out, uint64_t turn) {
    const std::string job = fmt::format("job-{}", turn % kJobs);
    const std::string id = fmt::format("{}-{}", job, turn);
    v1::Run& queued = *add(out).mutable_run_queued();
    queued.set_id(id);
    queued.set_job(job);
    queued.set_job_revision(1);
    queued.set_task(v1::Plan::TRAIN);
    queued.set_state(v1::QUEUED);
    queued.set_cause(v1::CAUSE_MANUAL);
    queued.set_cause_detail("asked by operator");
    queued.set_queued_us(out.back().time_us());
    queued.set_spec_sha256(sha256_hex(job));
    queued.set_idempotency_key(sha256_hex(id).substr(0, 36));
    queued.set_request_sha256(sha256_hex(id));
    record(out);
    auto& placed = *add(out).mutable_attempt_placed();
    placed.set_run(id);
    placed.set_attempt(1);
    placed.set_slots(2);
    placed.set_world(2);
    v1::DatasetSnapshot& data = *placed.add_data();
    data.set_dataset("flights");
    data.set_name("2013-01");
    auto& share = *placed.add_shares();
    share.set_node("this-host");
    share.set_ranks(2);
    record(out);
    auto& started = *add(out).mutable_attempt_started();
    started.set_run(id);
    started.set_attempt(1);
    started.mutable_gang()->set_pid(4711);
    started.mutable_gang()->set_host("host-a");
    record(out);
    if (turn % 2 == 0) judge(out, job, turn);
    auto& ended = *add(out).mutable_attempt_ended();
    ended.set_run(id);
    ended.set_attempt(1);
    ended.set_end(v1::END_FINISHED);
    ended.mutable_outcome()->set_steps(1'000);
    ended.mutable_outcome()->set_manifest(sha256_hex(id));
    record(out);
    auto& over = *add(out).mutable_run_ended();
    over.set_run(id);
    over.set_state(v1::COMPLETED);
    over.set_reason("did what was asked");
    record(out);
  }

  // Old runs leave, as the core says.
  void tick(std::vector<v1::Event>& out) {
    core::World world;
    world.now = time_from_micros(state_.time_us);
    const core::Decision ticked = core::advance(state_, world, core::Tick()).value();
    out.insert(out.end(), ticked.events.begin(), ticked.events.end());
  }

  void judge(std::vector<v1::Event>& out, const std::string& model, uint64_t turn) {
    auto& window = *add(out).mutable_window_judged()->mutable_window();
    window.set_model(model);
    window.set_version(1);
    window.set_slot_us(static_cast<int64_t>(turn) * 3'600'000'000);
    window.set_rows(10'000);
    for (int i = 0; i < 11; ++i) {
      v1::Score& score = *window.add_drift();
      score.set_detector("psi");
      score.set_feature(fmt::format("feature-{}", i));
      score.set_value(0.01 * i);
      score.set_threshold(0.2);
      score.set_null_quantile(0.05);
      score.set_rows(10'000);
    }
    record(out);
  }

  core::State& state_;
  uint64_t told_ = 0;
};

struct Grown {
  double seconds = 0;
  double snapshot_ms_most = 0;  // on the core's thread
  double snapshot_cpu_ms_most = 0;
  double snapshot_us_each = 0;  // of an event, spread over all
  double save_ms_most = 0;      // on the journal's thread
  double commit_ms_most = 0;    // with the upkeep that goes along
};

Grown grow(const fs::path& file, uint64_t events) {
  auto journal = open_sqlite_journal(file).value();
  core::State state;
  Story story(state);
  Grown out;
  uint64_t snapshot_seq = 0;
  double snapshots = 0;
  const auto began = Wall::now();
  while (state.seq < events) {
    const std::vector<v1::Event> batch = story.next(kBatch);
    const auto committing = Wall::now();
    CHECK(journal->append(batch).ok());
    CHECK(journal->upkeep().ok());
    out.commit_ms_most = std::max(out.commit_ms_most, 1e3 * since(committing));
    if (state.seq - snapshot_seq >= std::max<uint64_t>(kSnapshotEvery, state.runs.size())) {
      snapshot_seq = state.seq;
      auto at = Wall::now();
      const double cpu = cpu_seconds();
      const v1::Snapshot snapshot = core::to_snapshot(state);
      out.snapshot_cpu_ms_most = std::max(out.snapshot_cpu_ms_most, 1e3 * (cpu_seconds() - cpu));
      snapshots += since(at);
      out.snapshot_ms_most = std::max(out.snapshot_ms_most, 1e3 * since(at));
      at = Wall::now();
      CHECK(journal->save_snapshot(snapshot).ok());
      out.save_ms_most = std::max(out.save_ms_most, 1e3 * since(at));
    }
  }
  out.seconds = since(began);
  out.snapshot_us_each = 1e6 * snapshots / static_cast<double>(state.seq);
  return out;
}

void forget(const fs::path& file) {
  Fd fd(::open(file.c_str(), O_RDONLY));
  (void)fsync_path(file);
  (void)posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
}

double read_seconds(const fs::path& file) {
  forget(file);
  const auto began = Wall::now();
  Fd fd(::open(file.c_str(), O_RDONLY));
  std::string buffer(1 << 20, '\0');
  while (::read(fd.get(), buffer.data(), buffer.size()) > 0) {
  }
  return since(began);
}

struct Restarted {
  double seconds = 0;
  double cpu = 0;
  uint64_t events = 0;  // that were replayed
  uint64_t runs = 0;
};

Restarted restart(const fs::path& file) {
  forget(file);
  const auto began = Wall::now();
  const double cpu = cpu_seconds();
  auto journal = open_sqlite_journal(file).value();
  Loaded loaded = journal->load().value();
  core::State state = loaded.snapshot ? core::from_snapshot(*loaded.snapshot) : core::State();
  for (const v1::Event& event : loaded.events) core::apply(state, event);
  return {since(began), cpu_seconds() - cpu, loaded.events.size(), state.runs.size()};
}

double resident_mb() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_maxrss) / 1024;
}

int run(uint64_t events, const fs::path& folder) {
  const fs::path file = folder / "journal.db";
  fs::create_directories(folder);
  const bool there = fs::exists(file);
  const Grown grown = there ? Grown() : grow(file, events);
  std::vector<double> read, restarts;
  Restarted last;
  for (int i = 0; i < 5; ++i) {
    read.push_back(read_seconds(file));
    last = restart(file);
    restarts.push_back(last.seconds);
  }
  std::sort(read.begin(), read.end());
  std::sort(restarts.begin(), restarts.end());
  uint64_t archived = 0;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder / "archive", none)) archived += entry.file_size();
  fmt::print(
      "{{\"events\": {}, \"grow_s\": {:.1f}, \"snapshot_ms_most\": {:.2f}, \"snapshot_cpu_ms_most\": {:.2f}, "
      "\"snapshot_us_per_event\": {:.3f}, \"restart_cpu_s\": {:.4f}, "
      "\"save_ms_most\": {:.1f}, \"commit_ms_most\": {:.1f}, \"journal_bytes\": {}, \"archive_bytes\": {}, "
      "\"restart_s\": {:.4f}, \"read_s\": {:.4f}, \"replayed\": {}, \"runs\": {}, \"resident_mb\": "
      "{:.0f}}}\n",
      events, grown.seconds, grown.snapshot_ms_most, grown.snapshot_cpu_ms_most, grown.snapshot_us_each,
      last.cpu, grown.save_ms_most, grown.commit_ms_most, fs::file_size(file), archived, restarts[2], read[2],
      last.events, last.runs, resident_mb());
  return 0;
}

}  // namespace
}  // namespace rekindle::coordinator

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: journal_bench EVENTS FOLDER\n");
    return 64;
  }
  rekindle::start_logging("journal_bench", rekindle::LogLevel::kError, false);
  return rekindle::coordinator::run(std::strtoull(argv[1], nullptr, 10), argv[2]);
}
