// Named places where this process can be told to die, so that tests can kill it between any two of its
// durable acts and see that nothing is lost.
//
// REKINDLE_CRASH_AT=NAME[:NTH] in the environment of a program of ours makes it end itself by SIGKILL when it
// comes to that place for the NTH time (the first, when that is left out). Without it a point costs one
// branch. The variable is read once and taken out of the environment: no child and no user's program inherits
// it, and no spec can set it.
//
// Each name stands in the list below, at one place in the sources and in one scenario of
// tests/kills/points.py:
// ./dev check compares the three.
#pragma once

#include <string_view>

namespace rekindle {

inline constexpr std::string_view kCrashPoints[] = {
    // coordinator: start and end
    "daemon-locked",
    "daemon-loaded",
    "daemon-listening",
    "daemon-ready",
    "daemon-stopping",
    // coordinator: from a decision to the disk
    "core-decided",
    "journal-committing",
    "journal-inserted",
    "journal-committed",
    "journal-snapshot-saving",
    "journal-snapshot-saved",
    "core-durable",
    "core-effects",
    "submission-durable",
    "audit-asked",
    "audit-answered",
    "placement-decided",
    "publication-decided",
    "rollout-decided",
    "node-reported",
    // coordinator: attempts and artifacts
    "attempt-starting",
    "attempt-planned",
    "attempt-launched",
    "attempt-adopted",
    "attempt-ended",
    "attempt-signalled",
    "artifacts-verified",
    // coordinator: events
    "events-appending",
    "events-appended",
    "day-stored",
    "day-settled",
    "window-judged",
    // coordinator: backups
    "backup-begun",
    "backup-copied",
    "backup-listed",
    "restore-begun",
    "restore-copied",
    "restore-recorded",
    "restore-ended",
    // launchers
    "local-starting",
    "slurm-recorded",
    "slurm-answered",
    "slurm-numbered",
    // gang
    "gang-locked",
    "gang-recorded",
    "gang-scratch-made",
    "gang-ranks-started",
    "gang-ranks-ended",
    "gang-ranks-swept",
    "gang-exit-written",
    "rank-starting",
    // trainer
    "checkpoint-written",
    "checkpoint-renamed",
    "checkpoint-synced",
    "version-stored",
    "outcome-written",
    // files and artifacts
    "file-synced",
    "file-renamed",
    "blob-written",
    "blob-synced",
    "blob-renamed",
    "manifest-storing",
    // serving node
    "node-locked",
    "node-restored",
    "node-listening",
    "version-fetching",
    "version-fetched",
    "version-copied",
    "version-warming",
    "plan-swapping",
    "plan-swapped",
    "plan-keeping",
    "plan-kept",
    "spool-appended",
    "spool-synced",
    "batch-sent",
};

// A name that the list has: another one does not compile.
class CrashPoint {
 public:
  consteval CrashPoint(const char* name) : name_(name) {  // NOLINT: made of a literal at each place
    for (const std::string_view known : kCrashPoints)
      if (known == name_) return;
    throw "not in kCrashPoints";
  }
  std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

namespace detail {
bool arm_crash_point();  // whether the environment names one
void come_to_crash_point(std::string_view name);
inline const bool crash_point_armed = arm_crash_point();
}  // namespace detail

inline void crash_point(CrashPoint at) {
  if (detail::crash_point_armed) [[unlikely]]
    detail::come_to_crash_point(at.name());
}

}  // namespace rekindle
