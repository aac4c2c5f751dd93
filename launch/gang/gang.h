// The gang supervisor: what rekindle-gang does, one per attempt. Single-threaded, no LibTorch, no MPI.
//
// It takes attempt.lock, writes gang.pb, starts the ranks (directly, or through mpirun or srun), waits,
// removes every process and file that they left, writes exit.pb, and only then lets go of the lock. As
// subreaper it inherits whatever its ranks orphan, so nothing of the attempt outlives it; and each rank is
// killed by the kernel when the process above it dies, should the supervisor itself be killed.
//
// Signals: SIGUSR1 asks the ranks to yield, SIGTERM (SIGINT) ends them with a grace, SIGQUIT at once.
// A yield is handed on when every rank has opened its report log: a rank must be ready for SIGUSR1 by then.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "launch/attempt_folder.h"
#include "rekindle/v1/confined.pb.h"

namespace rekindle::launch {

// Exit codes of rekindle-gang. The ranks' own end is in exit.pb.
inline constexpr int kGangEnded = 0;  // exit.pb is written
inline constexpr int kGangBadUsage = 64;
inline constexpr int kGangNoPlan = 66;  // the folder has no readable plan.pb
inline constexpr int kGangSystem = 71;  // lock, records or system calls failed
inline constexpr int kGangLocked = 73;  // another gang of this attempt lives
inline constexpr int kGangUsed = 74;    // the attempt has been tried already: a folder serves once

// Environment entry that marks every process of an attempt.
inline constexpr const char* kAttemptVariable = "REKINDLE_ATTEMPT";

struct GangOptions {
  fs::path folder;   // absolute
  fs::path trainer;  // absolute
  fs::path self;     // this program, to stand between mpirun and each rank
  std::chrono::milliseconds stop_grace{30'000};
  // Ranks are on other hosts, where mpirun starts them through an agent; nothing: here.
  std::optional<v1::HostsLaunch> hosts;
  // Inside a job of Slurm's: ranks are started by srun, which speaks this to them (--mpi). Empty: on this
  // host, one directly, more by mpirun.
  std::string srun;
  // What is to stand around the attempt's processes; absent: nothing but what its queue does.
  std::optional<v1::ConfinePolicy> confine;
};

int run_gang(const GangOptions& options);

// One rank, as mpirun or srun starts it: bound to die with that, its output to its own log, then it becomes
// the trainer, and returns only when that fails. Of a command job: it stays and runs the script
// (launch/command).
int run_rank(const GangOptions& options);

// What the supervisor executes; only paths and numbers, never text of a user's.
std::vector<std::string> rank_command(const GangOptions& options);
std::vector<std::string> mpirun_command(const GangOptions& options, uint32_t world, const fs::path& scratch);
std::vector<std::string> srun_command(const GangOptions& options, const v1::Plan& plan);
// How all ranks are started, and who writes the output of what starts them: `alone` is the one rank itself.
struct StartOfRanks {
  std::vector<std::string> argv;
  bool alone = false;
};
StartOfRanks start_of_ranks(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                            std::vector<std::string> alone);
std::vector<std::string> rank_environment(const GangOptions& options, const v1::Plan& plan,
                                          const fs::path& scratch);

// What waitpid said, as a record.
v1::ExitRecord exit_record(int status);

}  // namespace rekindle::launch
