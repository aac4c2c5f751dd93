// Attempts in temporary folders, the test rank, and waiting with a limit.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <thread>

#include "base/ids.h"
#include "base/process.h"
#include "launch/local.h"
#include "launch/report_log.h"

namespace rekindle::launch {

inline fs::path bin_folder() {
  const char* bin = std::getenv("REKINDLE_BIN");
  if (bin != nullptr) return bin;
  return fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin";
}
inline fs::path test_rank() {
  return fs::read_symlink("/proc/self/exe").parent_path() / "launch_test_rank";
}

inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class AttemptTest : public testing::Test {
 public:
  static LauncherOptions programs(std::chrono::milliseconds grace = std::chrono::milliseconds(300)) {
    return {
        .gang_program = bin_folder() / "rekindle-gang", .trainer_program = test_rank(), .stop_grace = grace};
  }
  static std::unique_ptr<Launcher> local(std::chrono::milliseconds grace = std::chrono::milliseconds(300)) {
    return make_local_launcher(programs(grace));
  }

 protected:
  AttemptTest() {
    std::string name = (fs::temp_directory_path() / "rekindle-launch-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    base_ = name;
  }
  ~AttemptTest() override {
    // What a failed test left running goes with it.
    for (const fs::path& root : made_) {
      for (const pid_t pid : processes_of(AttemptFolder(root))) ::kill(pid, SIGKILL);
    }
    std::error_code ignored;
    fs::remove_all(base_, ignored);
  }

  // Where launchers place ranks: the second host first, so that their order is seen to be kept.
  AttemptFolder attempt(const std::string& fault, uint32_t world = 1, uint32_t gpus_per_rank = 0) {
    const AttemptFolder folder(base_ / "runs" / "flight-delay-1" / std::to_string(made_.size() + 1));
    v1::Plan plan;
    plan.set_run("flight-delay-1");
    plan.set_attempt(static_cast<uint32_t>(made_.size() + 1));
    plan.set_world(world);
    plan.set_gpus_per_rank(gpus_per_rank);
    plan.set_threads_per_rank(1);
    plan.set_fault(fault);
    plan.set_start_nonce(random_hex(16));
    plan.mutable_spec()->set_pool("cluster");
    for (uint32_t left = world; left > 0;) {
      v1::NodeShare& share = *plan.add_shares();
      share.set_node(plan.shares_size() == 1 ? "n2" : "n1");
      share.set_ranks(plan.shares_size() == 1 ? 1 : left);
      left -= share.ranks();
    }
    const Status created = folder.create(plan);
    EXPECT_TRUE(created.ok()) << created.to_string();
    made_.push_back(folder.root());
    return folder;
  }

  // Ranks, mpirun and what they made; the supervisor itself is not marked.
  static std::vector<pid_t> processes_of(const AttemptFolder& folder) {
    return processes_with_environment("REKINDLE_ATTEMPT=" + folder.root().string());
  }

  static bool ranks_ready(const AttemptFolder& folder, int world) {
    return eventually([&] {
      for (int rank = 0; rank < world; ++rank) {
        if (rank_pid(folder, rank) == 0) return false;
      }
      return true;
    });
  }
  static pid_t rank_pid(const AttemptFolder& folder, int rank) {
    ReportReader reader(folder, rank);
    const Result<std::vector<v1::Report>> reports = reader.read_new();
    return reports.ok() && !reports->empty() ? (*reports)[0].started().pid() : 0;
  }
  static GangState wait_for(Launcher& launcher, const AttemptFolder& folder, GangState::Kind kind) {
    GangState state;
    EXPECT_TRUE(eventually([&] {
      Result<GangState> now = launcher.probe(folder);
      EXPECT_TRUE(now.ok()) << now.status().to_string();
      state = *now;
      return state.kind == kind;
    })) << "still "
        << state.kind;
    return state;
  }
  static void finish(const AttemptFolder& folder, int code) {
    EXPECT_TRUE(write_file_durably(folder.root() / "finish", std::to_string(code)).ok());
  }

  fs::path base_;
  std::vector<fs::path> made_;
};

}  // namespace rekindle::launch
