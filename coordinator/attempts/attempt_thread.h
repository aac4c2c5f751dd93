// The thread that deals with gangs: starts, signals and probes them, and tails what they report. Everything
// that it learns it hands to `on_observation`, on its own thread; the daemon posts it to the core.
//
// An attempt is watched from its placement until its end was observed, after a restart too: the files in its
// folder say everything, so nothing here needs to be remembered.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/worker.h"
#include "coordinator/attempts/folder_watch.h"
#include "coordinator/attempts/hang.h"
#include "launch/ending.h"
#include "launch/launcher.h"
#include "launch/report_log.h"

namespace rekindle::coordinator {

struct AttemptId {
  std::string run;
  uint32_t attempt = 0;
  auto operator<=>(const AttemptId&) const = default;
};

struct Observation {
  enum Kind { kStarted, kEnded, kHang, kNote, kQueue, kProgress, kMetric, kSaved };
  Kind kind = kStarted;
  AttemptId id;
  v1::GangRecord gang;              // kStarted
  launch::Ending ending;            // kEnded
  std::string message;              // kHang, kNote; kQueue: what it waits for outside, empty: no more
  v1::EndClass end = v1::END_HANG;  // kHang: the class that fits
  std::optional<int> rank;          // kHang: that keeps the others waiting
  v1::Progress progress;            // kProgress: the newest
  v1::Metric metric;                // kMetric
  int64_t saved_us = 0;             // kSaved: when a checkpoint was committed, the rank's wall clock
};

struct AttemptThreadOptions {
  // Reports are read, and gangs probed, this often. That a gang has ended is mostly told at once, too.
  std::chrono::milliseconds poll{50};
  // A start that was handed over but whose gang never took its lock.
  std::chrono::milliseconds start_deadline{30'000};
  Hands* hands = nullptr;
};

class AttemptThread {
 public:
  AttemptThread(launch::Launcher& launcher, const Clock& clock, AttemptThreadOptions options,
                std::function<void(Observation)> on_observation);
  ~AttemptThread();

  // All return at once; what fails is observed as an end. Watching what is watched changes nothing.
  // `has_started`: its gang was seen before; if its folder says otherwise now, it is lost.
  // `task`: a plain task, which ends without an outcome of its own.
  void watch(AttemptId id, launch::AttemptFolder folder, uint32_t world, v1::Limits limits, bool has_started,
             bool task = false);
  // Writes plan.pb and starts the gang; also when it was started before. Must be watched. `sync`: whether
  // what reads the plan may outlive this host.
  void start(AttemptId id, v1::Plan plan, launch::Sync sync);
  void signal(AttemptId id, launch::Signal signal);

  void stop();

 private:
  struct Watched {
    launch::AttemptFolder folder;
    std::vector<launch::ReportReader> readers;
    HangWatch hang;
    bool has_started = false;  // known before it was watched
    bool task = false;
    bool started = false;    // seen and reported
    bool hang_said = false;  // and is being ended
    int slow_said = -1;      // the rank that watchers were told of
    std::string queue_said;  // what they were told that it waits for
    std::optional<std::chrono::steady_clock::time_point> handed_over;
  };

  void post(std::function<void()> task);
  std::optional<Micros> turn();
  void poll(const AttemptId& id);
  void poll(const AttemptId& id, Watched& attempt);
  void read_reports(const AttemptId& id, Watched& attempt);
  void examine(const AttemptId& id, Watched& attempt);
  void tell_queue(const AttemptId& id, Watched& attempt, std::string waits_for);
  void finish(const AttemptId& id, launch::Ending ending);
  void do_start(const AttemptId& id, const v1::Plan& plan, launch::Sync sync);
  void give_up(const AttemptId& id, Watched& attempt, launch::Ending why);

  launch::Launcher& launcher_;
  const Clock& clock_;
  AttemptThreadOptions options_;
  std::function<void(Observation)> on_observation_;
  std::map<AttemptId, Watched> watched_;  // of the thread
  std::set<AttemptId> finished_;          // of the thread: never watched twice
  FolderWatch folders_{"exit.pb"};        // of the thread
  std::map<fs::path, AttemptId> by_folder_;
  std::chrono::steady_clock::time_point round_;  // the next one: of all that are watched
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  Worker worker_;
};

}  // namespace rekindle::coordinator
