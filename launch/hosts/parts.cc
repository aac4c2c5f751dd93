#include "launch/hosts/parts.h"

#include <fmt/format.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <set>
#include <thread>

#include "base/files/passing_files.h"
#include "base/files/plain_file.h"
#include "base/process.h"
#include "launch/gang/gang.h"
#include "launch/gang_lock.h"

namespace rekindle::launch {
namespace {

constexpr std::string_view kScratchPrefix = "rekindle-";  // as the gang names it

int refuse(const std::string& why) {
  std::puts(why.c_str());
  return kHostRefuses;
}

bool is_own_folder(const fs::path& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid();
}

// In a scratch folder: whose it is.
constexpr const char* kScratchOf = "attempt";

// One that is there already must be ours: its name is known to others.
Status make_scratch_on_host(const HostPart& part) {
  if (part.scratch.empty()) return ok_status();
  const bool made = ::mkdir(part.scratch.c_str(), 0700) == 0;
  if (!made && (errno != EEXIST || !is_own_folder(part.scratch))) return errno_status("making", part.scratch);
  return write_file_atomically(part.scratch / kScratchOf, part.folder.string(), 0600);
}

int prove(const HostPart& part) {
  const AttemptFolder folder(part.folder);
  const Result<v1::Plan> plan = folder.read_plan();
  if (!plan.ok())
    return refuse(
        fmt::format("the attempt's folder is not seen there ({}): start rekindled with --shared FOLDER on "
                    "storage that all hosts mount under the same path",
                    plan.status().message()));
  if (plan->start_nonce() != part.nonce)
    return refuse(fmt::format("{} is another folder there: its nonce differs", part.folder.string()));
  const Result<bool> held = gang_lock_held(folder);
  if (!held.ok() || !*held)
    return refuse(
        fmt::format("the gang's lock on {} is not seen there: the shared storage must carry file locks from "
                    "host to host (NFS 4, Lustre with flock)",
                    folder.lock().string()));
  if (::access(part.trainer.c_str(), X_OK) != 0)
    return refuse(
        fmt::format("{} is not a program there: say `programs` in pools.yaml", part.trainer.string()));
  if (const Status made = make_scratch_on_host(part); !made.ok()) return refuse(made.message());
  if (const Status written = write_file_durably(folder.seen(part.host), part.nonce, 0640); !written.ok())
    return refuse(written.message());
  return 0;
}

int sweep(const HostPart& part) {
  const std::string mark = fmt::format("{}={}", kAttemptVariable, part.folder.string());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (;;) {
    const std::vector<pid_t> left = processes_with_environment(mark);
    if (left.empty()) break;
    if (std::chrono::steady_clock::now() > limit) return kHostRemains;
    for (const pid_t pid : left) signal_process(pid, start_ticks(pid), SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  if (part.scratch.filename().string().starts_with(kScratchPrefix)) {
    std::error_code ignored;
    fs::remove_all(part.scratch, ignored);
  }
  return 0;
}

bool is_over(const AttemptFolder& folder) {
  if (!fs::exists(folder.exit())) return false;
  const Result<bool> held = gang_lock_held(folder);
  return held.ok() && !*held;
}

// The scratch folders that this user has here, by attempt.
std::map<std::string, fs::path> scratch_of_attempts() {
  std::map<std::string, fs::path> out;
  for (const char* around : {"/dev/shm", "/tmp"}) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(around, error)) {
      const fs::path& path = entry.path();
      if (!path.filename().string().starts_with(kScratchPrefix) || !is_own_folder(path)) continue;
      const Result<std::string> attempt = read_plain_file(path / kScratchOf, PATH_MAX);
      if (attempt.ok()) out.emplace(*attempt, path);
    }
  }
  return out;
}

// A host that could not be reached when its attempt ended was not swept. Open MPI's daemon may hold on there
// for a quarter of an hour: with a word of its own on its way, TCP asks the other side nothing else.
void sweep_what_is_over() {
  const std::map<std::string, fs::path> scratch = scratch_of_attempts();
  std::set<std::string> attempts = values_in_environments(kAttemptVariable);
  for (const auto& [attempt, folder] : scratch) attempts.insert(attempt);
  for (const std::string& attempt : attempts) {
    const AttemptFolder folder{fs::path(attempt)};
    if (!folder.root().is_absolute() || !is_over(folder)) continue;
    const auto found = scratch.find(attempt);
    sweep({.part = "sweep",
           .folder = folder.root(),
           .scratch = found != scratch.end() ? found->second : fs::path(),
           .trainer = {},
           .host = {},
           .nonce = {}});
  }
}

int answer() {
  sweep_what_is_over();
  std::puts(host_name().c_str());
  return 0;
}

}  // namespace

int run_on_host(const HostPart& part) {
  if (part.part == "answer") return answer();
  if (part.part == "prove") return prove(part);
  if (part.part == "sweep") return sweep(part);
  return kGangBadUsage;
}

std::vector<std::string> host_command(const std::string& gang, const HostPart& part) {
  std::vector<std::string> out = {gang, part.part};
  for (const auto& [option, value] : {std::pair("--folder", part.folder.string()),
                                      {"--scratch", part.scratch.string()},
                                      {"--trainer", part.trainer.string()},
                                      {"--host", part.host},
                                      {"--nonce", part.nonce}}) {
    if (value.empty()) continue;
    out.emplace_back(option);
    out.push_back(value);
  }
  return out;
}

}  // namespace rekindle::launch
