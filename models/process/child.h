// One run of a predictor's program: started with a clean slate in a process group of its own, watched, and
// ended with everything that it started.
//
// Must be started, and kept, by a thread that lives as long as the child is wanted: the kernel kills the
// child when that thread ends, and so when this program dies in whatever way.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/process.h"
#include "models/process/bounded_log.h"

namespace rekindle::models {

struct ChildOptions {
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // all of it, with one entry that no other program has:
  std::string mark;                      // "REKINDLE_SOCKET=/..."; what carries it belongs to this child
  fs::path folder;
};

class Child {
 public:
  static Result<Child> start(const ChildOptions& options, BoundedLog& log);
  Child(Child&&) = default;
  ~Child();  // kill()

  pid_t pid() const { return pid_; }
  // Waits until the child prints or ends, `other` becomes readable, or the time is over; takes what was
  // printed to the log.
  void wait(int other, int timeout_ms);
  // How it ended ("exit code 3", "killed by signal 9"), once it has.
  std::optional<std::string> ended() const;

  // Resident bytes of the process, with its descendants when asked for: that reads all of /proc.
  uint64_t memory(bool descendants) const;

  // SIGKILL to its group, to its descendants and to whatever else carries the mark; then nothing is left.
  void kill();

 private:
  Child(pid_t pid, std::string mark, BoundedLog& log) : pid_(pid), mark_(std::move(mark)), log_(&log) {}
  void drain();

  pid_t pid_ = 0;
  std::string mark_;
  BoundedLog* log_;
  Fd pid_fd_;
  Fd output_;
  bool reaped_ = false;
};

}  // namespace rekindle::models
