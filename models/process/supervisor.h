// Keeps one predictor process alive: starts it, waits until it says that it is ready, watches its memory and
// its end, starts it again with back-off, and gives it up when it will not live.
//
// Owns a thread, which owns the child; the child, its socket and everything that it started are gone when
// the supervisor is. States:
//
//   STARTING ── ready ──► READY ── death, hang, too much memory ──► WAITING ── time is over ──► STARTING
//       └── death, or not ready in time ──► WAITING, or FAILED for good when that came too often
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/files.h"
#include "models/predictor.h"
#include "models/process/child.h"
#include "models/process/restarts.h"

namespace rekindle::models {

struct SupervisorOptions {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // REKINDLE_SOCKET is added
  fs::path folder;                       // working folder of the program
  fs::path scratch;                      // exists; "s" becomes the socket, "log" what the program prints
  uint64_t memory_bytes = 4ull << 30;
  std::chrono::milliseconds start_within{60'000};
};

class Supervisor {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Supervisor(SupervisorOptions options);
  ~Supervisor();

  // Waits for the first ready answer; the failure says how it ended and what it printed last.
  Status start();

  // The number of the process that is ready, once it is greater than `after`. unavailable when there is none
  // before `until`, and at once when none is to be expected: it is given up, or starts as slowly as last
  // time.
  Result<uint64_t> ready(uint64_t after, Time until) const;
  // Whether that process ended, or ends before `until`.
  bool ended(uint64_t number, Time until) const;
  // It answered something; it gave no answer to a request begun at `asked`: unless it answered others since,
  // it is replaced.
  void answered();
  void hangs(uint64_t number, Time asked);
  void cancel();  // ends the waits above with `canceled`

  ProcessFigures figures() const;
  const std::string& url() const { return url_; }  // "unix:/..."

 private:
  using State = ProcessFigures::State;
  void run();
  // Each ends with how the child ended, or why it was ended; nothing: the supervisor is to stop.
  std::optional<std::string> run_child();
  std::optional<std::string> until_ready(Child& child);
  std::optional<std::string> until_end(Child& child);
  void watch(Child& child, int timeout_ms);
  std::optional<std::string> overgrown(const Child& child);
  void set(State state, pid_t pid);
  bool pause(std::chrono::milliseconds wait);
  bool stopping() const;

  const SupervisorOptions options_;
  const fs::path socket_;
  const std::string url_;
  BoundedLog log_;
  Fd wake_;  // eventfd: a hang was seen, or it is time to stop
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  ProcessFigures figures_;
  uint64_t number_ = 0;          // of the process that runs or ran last
  uint64_t hung_ = 0;            // number of the process that gave no answer
  Time next_start_{};            // kStarting: when it began; kWaiting: when it will
  Time::duration start_took_{};  // the last time that it became ready
  bool stopping_ = false;
  bool canceled_ = false;
  std::atomic<Time::rep> last_answer_{0};
  Time looked_{};  // at the memory of all descendants
  Restarts restarts_;
  std::thread thread_;
};

}  // namespace rekindle::models
