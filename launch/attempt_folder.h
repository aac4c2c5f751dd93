// The files of an attempt's folder runs/<run>/<attempt>/ (listed in proto/rekindle/v1/attempt.proto): their
// paths, and durable reading and writing of the records in them. Only the attempt writes after create();
// that is the fence. Knows nothing of processes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "rekindle/v1/attempt.pb.h"
#include "rekindle/v1/hosts.pb.h"

namespace rekindle::launch {

// Exit codes of a rank; hints beside outcome.pb.
inline constexpr int kExitFinished = 0;
inline constexpr int kExitDataRefused = 65;
inline constexpr int kExitDiverged = 70;
inline constexpr int kExitYielded = 75;
inline constexpr int kExitSpecRefused = 78;

// Whether a file must be found again after a power failure of this host. What only this host's own processes
// go by need not: they are gone with it.
enum class Sync { kYes, kNo };

class AttemptFolder {
 public:
  explicit AttemptFolder(fs::path root) : root_(std::move(root)) {}

  const fs::path& root() const { return root_; }
  fs::path plan() const { return root_ / "plan.pb"; }
  fs::path lock() const { return root_ / "attempt.lock"; }
  fs::path gang() const { return root_ / "gang.pb"; }
  fs::path gang_log() const { return root_ / "log-gang.txt"; }
  fs::path outcome() const { return root_ / "outcome.pb"; }
  fs::path launch() const { return root_ / "launch.pb"; }
  fs::path exit() const { return root_ / "exit.pb"; }
  fs::path hosts() const { return root_ / "hosts.pb"; }
  fs::path seen(const std::string& host) const { return root_ / ("seen-" + host); }
  fs::path report(int rank) const { return root_ / ("report-" + std::to_string(rank) + ".log"); }
  fs::path log(int rank) const { return root_ / ("log-" + std::to_string(rank) + ".txt"); }

  // Makes the folder (0750) with plan.pb (0640). A plan of the same attempt (run, number, start_nonce)
  // changes nothing: what it was launched by stands, whatever pools.yaml says by now. Another's is refused
  // with already_exists: a folder serves one attempt. One that a power failure tore is written anew.
  Status create(const v1::Plan& plan, Sync sync = Sync::kYes) const;

  Result<v1::Plan> read_plan() const;
  // Nothing when the file is not there yet; data_loss when it cannot be parsed.
  Result<std::optional<v1::GangRecord>> read_gang() const;
  Result<std::optional<v1::ExitRecord>> read_exit() const;
  Result<std::optional<v1::LaunchRecord>> read_launch() const;
  Result<std::optional<v1::HostsLaunch>> read_hosts() const;
  Result<std::optional<v1::Outcome>> read_outcome() const;

  Status write_launch(const v1::LaunchRecord& record) const;
  Status write_hosts(const v1::HostsLaunch& record) const;
  Status write_gang(const v1::GangRecord& record, Sync sync = Sync::kYes) const;
  Status write_exit(const v1::ExitRecord& record, Sync sync = Sync::kYes) const;
  Status write_outcome(const v1::Outcome& outcome) const;

 private:
  fs::path root_;
};

}  // namespace rekindle::launch
