// Processes by what the kernel says of them: identity that survives pid reuse, descendants, and spawning
// with a clean slate. Linux only. Nothing here knows of attempts.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace rekindle {

std::string boot_id();
std::string host_name();
// Field 22 of /proc/<pid>/stat; nothing when there is no such process.
std::optional<uint64_t> start_ticks(pid_t pid);

struct ProcessInfo {
  pid_t pid = 0;
  pid_t parent = 0;
  char state = '?';  // 'Z': dead, not yet waited for
};
std::vector<ProcessInfo> all_processes();
// Children, their children and so on; the dead ones too.
std::vector<ProcessInfo> descendants_of(pid_t pid);
// No child of this process is left, dead or alive. Of a subreaper: nor any descendant, and that at the price
// of one system call.
bool childless();
// Living processes of this user whose environment has exactly `entry` ("NAME=value").
std::vector<pid_t> processes_with_environment(const std::string& entry);
// The different values that the variable has in the environments of this user's living processes.
std::set<std::string> values_in_environments(std::string_view variable);

// Sends a signal to the process that has this pid now and had it when `start` was read; false when that
// one is gone. Never hits a process that took over the pid.
bool signal_process(pid_t pid, std::optional<uint64_t> start, int signal);

struct SpawnOptions {
  std::vector<std::string> argv;  // argv[0] is looked up in the environment's PATH when it has no '/'
  std::vector<std::string> environment;
  fs::path output;               // standard output and error, appended; empty: /dev/null
  int output_fd = -1;            // takes the place of `output`
  int input_fd = -1;             // takes the place of /dev/null
  fs::path folder = "/";         // to start in; an argv[0] with a '/' is found from here
  bool new_session = false;      // and orphaned: adopted by init or the nearest subreaper
  bool die_with_parent = false;  // SIGKILL when the spawning thread ends
  bool own_group = false;        // leads a process group
  // Code that is not ours: gains no privileges, writes no core dump, and is the first to go when the host
  // runs out of memory.
  bool confined = false;
  // The child runs in this process's memory until it executes, so that none is copied, and this thread waits.
  // Not with new_session; nor where `enter` makes a namespace of users, which who shares its memory may not.
  bool in_place = false;
  // Called in the child, after all of the above but before it goes to `folder`: nothing but async-signal-safe
  // calls. An errno makes the start fail; 0 lets it go on.
  std::function<int()> enter;
};
// Starts a program with /dev/null as input, no descriptor from 3 up, default signal handling and an empty
// signal mask. A program that cannot be executed is a failure here. The pid of the child, or 0 when it has
// been orphaned.
Result<pid_t> spawn(const SpawnOptions& options);

// A child that runs `body` in this very program, and ends with what it returns: the start of a process
// without that of a program. Of the options it heeds output, confined and enter; descriptors from 3 up are
// closed; it dies with this thread. Only for processes without other threads.
Result<pid_t> spawn_within(const std::function<int()>& body, const SpawnOptions& options);

// Turns this process into another program, with the same clean slate but for ignored signals, which stay
// ignored. Returns only when that failed.
Status become(const std::vector<std::string>& argv, const fs::path& output);

// All of this process.
std::vector<std::string> own_environment();
// Environment for children: PATH, HOME, LANG, USER and TZ of this process, nothing else.
std::vector<std::string> bare_environment();

}  // namespace rekindle
