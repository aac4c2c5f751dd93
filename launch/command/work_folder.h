// What an attempt of a command job keeps while it runs: ATTEMPT/work/, which goes when the gang ends. Shared
// by the parts of the attempt: preparation, rows, the ranks' scripts, scoring.
#pragma once

#include <string>

#include "jobs/task.h"
#include "launch/attempt_folder.h"

namespace rekindle::launch {

class WorkFolder {
 public:
  explicit WorkFolder(const AttemptFolder& attempt) : root_(attempt.root() / "work") {}
  // Elsewhere: a bare task's, where only its processes see it.
  explicit WorkFolder(fs::path root) : root_(std::move(root)) {}

  const fs::path& root() const { return root_; }
  fs::path code() const { return root_ / "code"; }                // unpacked, read-only: the scripts' folder
  fs::path environment() const { return root_ / "environment"; }  // runtime::Environment, as keep() writes it
  fs::path spec() const { return root_ / "spec.json"; }
  fs::path train() const { return root_ / "train"; }  // Parquet
  fs::path valid() const { return root_ / "valid"; }
  fs::path out() const { return root_ / "out"; }          // $REKINDLE_OUT
  fs::path meeting() const { return root_ / "meeting"; }  // rank 0's address and port
  fs::path metrics(int rank) const { return root_ / ("metrics-" + std::to_string(rank) + ".jsonl"); }
  fs::path ready(int rank) const { return root_ / ("ready-" + std::to_string(rank)); }  // may take SIGUSR1
  fs::path ended(int rank) const {
    return root_ / ("ended-" + std::to_string(rank));
  }  // v1::RankExit of the script

 private:
  fs::path root_;
};

// Whether the plan runs a script of the user's (train.command).
inline bool is_command(const v1::Plan& plan) {
  return plan.task() == v1::Plan::TRAIN && plan.spec().train().command_size() > 0;
}

// A plain task that brings neither code nor an environment: what is prepared for it needs no program, and it
// has no use for artifacts.
inline bool is_bare(const v1::Plan& plan) {
  return is_command(plan) && jobs::is_task(plan.spec()) && !plan.spec().has_code() &&
         !plan.spec().train().has_env();
}

}  // namespace rekindle::launch
