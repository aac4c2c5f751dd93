#include "launch/confine/groups.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/ids.h"

namespace rekindle::launch {
namespace {

constexpr uint64_t kNoLimit = 1ull << 62;  // version 1 writes about 2^63 where there is none

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> out;
  const Result<std::string> read = read_file(file);
  const std::string_view text = read.ok() ? std::string_view(*read) : std::string_view();
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::vector<std::string> words_of(std::string_view line, std::string_view separators) {
  std::vector<std::string> out;
  while (!line.empty()) {
    const size_t end = std::min(line.find_first_of(separators), line.size());
    if (end > 0) out.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

uint64_t number_in(const fs::path& file) {
  const Result<std::string> text = read_file(file);
  uint64_t out = 0;
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), out);
  return out;
}

// The kernel's files are there already: one that is not is no file to be made.
Status write_to(const fs::path& file, std::string_view text) {
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_status("opening", file);
  return write_all(fd.get(), text, file);
}

struct Mount {
  std::string root, point, type;
  std::vector<std::string> options;
};

// "36 35 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
std::vector<Mount> group_mounts(const fs::path& self) {
  std::vector<Mount> out;
  for (const std::string& line : lines_of(self / "mountinfo")) {
    const std::vector<std::string> words = words_of(line, " ");
    const auto bar = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - bar < 4 || !(bar + 1)->starts_with("cgroup")) continue;
    out.push_back({words[3], words[4], *(bar + 1), words_of(*(bar + 3), ",")});
  }
  return out;
}

// Own group in the hierarchy of a controller ("" is version 2), as a path below its mount.
fs::path own_group(const fs::path& self, std::string_view controller, const Mount& mount) {
  for (const std::string& line : lines_of(self / "cgroup")) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::vector<std::string> controllers = words_of(line.substr(first + 1, second - first - 1), ",");
    if (controller.empty() ? !controllers.empty() : !has(controllers, controller)) continue;
    std::string path = line.substr(second + 1);
    // In a container the mount shows a part of the hierarchy.
    if (mount.root != "/" && path.starts_with(mount.root)) path.erase(0, mount.root.size());
    while (path.starts_with('/')) path.erase(0, 1);
    return path.empty() ? fs::path(mount.point) : fs::path(mount.point) / path;
  }
  return {};
}

// What a process that enters the group is told; 0: it is in. One that does and ends at once tries it.
int entering(const fs::path& group) {
  const std::string file = group / "cgroup.procs";
  const pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    ::_exit(fd >= 0 && ::write(fd, "0", 1) == 1 ? 0 : errno);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : ECANCELED;
}

// Whether a group made there has the controller's file and takes processes, which one below a threaded group
// does not; what was made is removed.
std::string probe(const fs::path& folder, std::string_view file) {
  const fs::path made = folder / ("rekindle-probe-" + random_hex(4));
  if (::mkdir(made.c_str(), 0755) != 0) return errno_status("making a group in", folder).message();
  const bool there = ::access((made / file).c_str(), W_OK) == 0;
  const int refused = there ? entering(made) : 0;
  ::rmdir(made.c_str());
  if (!there) return fmt::format("groups in {} have no {}", folder.string(), file);
  return refused == 0
             ? ""
             : fmt::format("groups in {} take no processes: {}", folder.string(), std::strerror(refused));
}

std::string limit_file(int version, std::string_view controller) {
  if (controller == "pids") return "pids.max";
  return version == 2 ? "memory.max" : "memory.limit_in_bytes";
}

// Version 2: a group whose processes lie in groups below it hands its controllers on when told so. The one
// that this process is in is full of it, unless it is the root; the one above, where it was delegated, is
// not.
std::optional<GroupParent> unified_parent(const Mount& mount, const fs::path& own,
                                          const std::string& controller, std::string& lack) {
  lack = fmt::format("{} is not delegated to this user", own.string());
  for (const fs::path& folder : {own, own.parent_path(), fs::path(mount.point)}) {
    const fs::path file = folder / "cgroup.subtree_control";
    const Result<std::string> on = read_file(file);
    if (!on.ok()) continue;
    if (!has(words_of(*on, " \n"), controller) && !write_to(file, "+" + controller).ok()) continue;
    lack = probe(folder, limit_file(2, controller));
    if (lack.empty()) return GroupParent{folder, 2};
  }
  return std::nullopt;
}

std::optional<GroupParent> find_parent(const fs::path& self, const std::string& controller,
                                       std::string& lack) {
  lack = "this host has no control groups for " + controller;
  for (const Mount& mount : group_mounts(self)) {
    const int version = mount.type == "cgroup2" ? 2 : 1;
    if (version == 1 && !has(mount.options, controller)) continue;
    const fs::path own = own_group(self, version == 2 ? "" : controller, mount);
    if (own.empty()) continue;
    if (version == 2) {
      const Result<std::string> there = read_file(fs::path(mount.point) / "cgroup.controllers");
      if (!there.ok() || !has(words_of(*there, " \n"), controller)) continue;
      if (auto found = unified_parent(mount, own, controller, lack)) return found;
      continue;
    }
    lack = probe(own, limit_file(1, controller));
    if (lack.empty()) return GroupParent{own, 1};
  }
  return std::nullopt;
}

std::vector<pid_t> processes_in(const fs::path& group) {
  std::vector<pid_t> out;
  for (const std::string& line : lines_of(group / "cgroup.procs")) {
    pid_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    if (pid > 1) out.push_back(pid);
  }
  return out;
}

}  // namespace

GroupHost find_groups(const fs::path& self) {
  GroupHost out;
  out.memory = find_parent(self, "memory", out.memory_lack);
  out.pids = find_parent(self, "pids", out.pids_lack);
  return out;
}

Result<Group> Group::make(const GroupParent& parent, const std::string& name) {
  const fs::path folder = parent.folder / name;
  if (::mkdir(folder.c_str(), 0755) != 0) return errno_status("making the group", folder);
  // Who enters has one thread. Of version 1 the kernel lets it in by itself; as a process, and in version 2,
  // it would first wait until no process on the host can be about to fork: some milliseconds.
  const char* door = parent.version == 1 ? "tasks" : "cgroup.procs";
  Fd entrance(::open((folder / door).c_str(), O_WRONLY | O_CLOEXEC));
  if (!entrance.valid()) {
    const Status failed = errno_status("opening the group", folder);
    ::rmdir(folder.c_str());
    return failed;
  }
  return Group(folder, parent.version, std::move(entrance));
}

Status Group::limit_memory(uint64_t bytes) const {
  const std::string text = std::to_string(bytes);
  if (version_ == 2) {
    // Beyond its memory an attempt is to end, not to make the host swap for it.
    if (::access((folder_ / "memory.swap.max").c_str(), W_OK) == 0)
      TRY_STATUS(write_to(folder_ / "memory.swap.max", "0"));
    return write_to(folder_ / "memory.max", text);
  }
  // With swap or without: never less than without, so which one comes first depends on the way.
  const fs::path with_swap = folder_ / "memory.memsw.limit_in_bytes";
  const bool swap = ::access(with_swap.c_str(), W_OK) == 0;
  if (swap) TRY_STATUS(write_to(with_swap, "-1"));
  TRY_STATUS(write_to(folder_ / "memory.limit_in_bytes", text));
  return swap ? write_to(with_swap, text) : ok_status();
}

Status Group::limit_processes(uint64_t count) const {
  return write_to(folder_ / "pids.max", std::to_string(count));
}

uint64_t counted(const fs::path& file, std::string_view name) {
  for (const std::string& line : lines_of(file)) {
    const std::vector<std::string> words = words_of(line, " ");
    uint64_t out = 0;
    if (words.size() != 2 || words[0] != name) continue;
    std::from_chars(words[1].data(), words[1].data() + words[1].size(), out);
    return out;
  }
  return 0;
}

uint64_t memory_kills(const fs::path& group) {
  return counted(group / "memory.events", "oom_kill") + counted(group / "memory.oom_control", "oom_kill");
}

uint64_t memory_peak(const fs::path& group) {
  return std::max(number_in(group / "memory.peak"), number_in(group / "memory.max_usage_in_bytes"));
}

uint64_t forks_refused(const fs::path& group) {
  return counted(group / "pids.events", "max");
}

uint64_t memory_limit_above(const GroupParent& parent) {
  uint64_t out = 0;
  for (fs::path folder = parent.folder; folder.has_relative_path(); folder = folder.parent_path()) {
    const fs::path file = folder / limit_file(parent.version, "memory");
    if (::access(file.c_str(), R_OK) != 0) break;  // above the groups
    const uint64_t limit = number_in(file);
    if (limit > 0 && limit < kNoLimit) out = out == 0 ? limit : std::min(out, limit);
  }
  return out;
}

namespace {

// Until `done`, at most ten seconds; kills what is there.
template <typename Done>
bool kill_until(const fs::path& group, Done done) {
  // Without new ones the killing comes to an end whatever they do.
  const Status ignored = write_to(group / "pids.max", "0");
  (void)ignored;
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    const std::vector<pid_t> left = processes_in(group);
    for (const pid_t pid : left) ::kill(pid, SIGKILL);
    if (left.empty() && done()) return true;
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

bool kill_in_group(const fs::path& group) {
  return kill_until(group, [] { return true; });
}

bool end_group(const fs::path& group) {
  return kill_until(group, [&group] { return ::rmdir(group.c_str()) == 0 || errno == ENOENT; });
}

}  // namespace rekindle::launch
