#include "base/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>

namespace rekindle {
namespace {

// The fields of /proc/<pid>/stat after the command, which may itself hold blanks and brackets.
std::optional<std::vector<std::string>> stat_fields(pid_t pid) {
  const Result<std::string> text = read_file(fmt::format("/proc/{}/stat", pid));
  if (!text.ok()) return std::nullopt;
  const size_t bracket = text->rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  std::vector<std::string> fields;
  size_t at = bracket + 2;
  while (at < text->size()) {
    const size_t end = std::min(text->find(' ', at), text->size());
    fields.push_back(text->substr(at, end - at));
    at = end + 1;
  }
  if (fields.size() < 20) return std::nullopt;
  return fields;
}

int pidfd_open(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}
int pidfd_send_signal(int fd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0));
}

std::vector<pid_t> all_pids() {
  std::vector<pid_t> pids;
  DIR* proc = ::opendir("/proc");
  if (proc == nullptr) return pids;
  while (const dirent* entry = ::readdir(proc)) {
    pid_t pid = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, pid).ptr == end && pid > 0) pids.push_back(pid);
  }
  ::closedir(proc);
  return pids;
}

// Everything that the child needs, made before fork: after it only async-signal-safe calls are allowed,
// since the caller may have other threads.
struct ChildPlan {
  const char* program;
  char* const* argv;
  char* const* environment;
  int input;
  int output;
  const char* folder;
  int failure_pipe;  // close-on-exec: its end without bytes says that exec worked
  bool new_session;
  bool die_with_parent;
  bool own_group;
  bool confined;
  const std::function<int()>* enter;
  pid_t parent;
};

[[noreturn]] void child_fails(const ChildPlan& plan) {
  const int error = errno;
  ssize_t ignored = ::write(plan.failure_pipe, &error, sizeof error);
  (void)ignored;
  ::_exit(127);
}

bool lay_down_privileges() {
  const rlimit none{0, 0};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::setrlimit(RLIMIT_CORE, &none) != 0) return false;
  const int score = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (score < 0) return true;  // no such kernel, no such help
  ssize_t ignored = ::write(score, "1000", 4);
  (void)ignored;
  ::close(score);
  return true;
}

[[noreturn]] void run_child(const ChildPlan& plan) {
  if (plan.die_with_parent) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) child_fails(plan);
    // The parent may have died before the line above.
    if (::getppid() != plan.parent) ::_exit(127);
  }
  if (plan.new_session) {
    ::setsid();
    const pid_t second = ::fork();
    if (second < 0) child_fails(plan);
    if (second > 0) ::_exit(0);
  }
  if (plan.own_group && ::setpgid(0, 0) != 0) child_fails(plan);
  if (plan.confined && !lay_down_privileges()) child_fails(plan);
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &by_default, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(plan.input, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.output, 2) < 0)
    child_fails(plan);
  ::syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (*plan.enter) {
    errno = (*plan.enter)();
    if (errno != 0) child_fails(plan);
  }
  if (::chdir(plan.folder) != 0) child_fails(plan);
  ::execve(plan.program, plan.argv, plan.environment);
  child_fails(plan);
}

int run_child_in_place(void* plan) {
  run_child(*static_cast<const ChildPlan*>(plan));
}

pid_t fork_in_place(ChildPlan& plan) {
  constexpr size_t kStackBytes = 256 * 1024;
  void* stack =
      ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return -1;
  // No handler of ours is to run in the child: it has none any more when it empties the mask.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = ::clone(run_child_in_place, static_cast<char*>(stack) + kStackBytes,
                              CLONE_VM | CLONE_VFORK | SIGCHLD, &plan);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::munmap(stack, kStackBytes);
  errno = error;
  return child;
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& text : strings) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

std::string_view path_in(const std::vector<std::string>& environment) {
  for (const std::string& entry : environment) {
    if (entry.starts_with("PATH=")) return std::string_view(entry).substr(5);
  }
  const char* path = std::getenv("PATH");
  return path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
}

Result<std::string> find_program(const std::string& name, std::string_view path) {
  if (name.find('/') != std::string::npos) return name;
  std::string_view rest = path;
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), name);
    if (colon > 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return not_found(fmt::format("no program {} in PATH; install it", name));
}

// What the child told through the failure pipe: nothing when exec worked.
std::optional<int> read_failure(int fd) {
  int error = 0;
  ssize_t n;
  do {
    n = ::read(fd, &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof error) return error;
  return std::nullopt;
}

}  // namespace

std::string boot_id() {
  static const std::string id = [] {
    Result<std::string> text = read_file("/proc/sys/kernel/random/boot_id");
    if (!text.ok()) return std::string();
    while (!text->empty() && text->back() == '\n') text->pop_back();
    return *text;
  }();
  return id;
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return {};
  return name;
}

std::optional<uint64_t> start_ticks(pid_t pid) {
  const std::optional<std::vector<std::string>> fields = stat_fields(pid);
  if (!fields.has_value() || (*fields)[0] == "Z") return std::nullopt;
  const std::string& text = (*fields)[19];  // the 22nd of the line
  uint64_t ticks = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), ticks).ec != std::errc()) return std::nullopt;
  return ticks;
}

std::vector<ProcessInfo> all_processes() {
  std::vector<ProcessInfo> out;
  for (const pid_t pid : all_pids()) {
    const std::optional<std::vector<std::string>> fields = stat_fields(pid);
    if (!fields.has_value()) continue;
    ProcessInfo info{.pid = pid, .state = (*fields)[0][0]};
    const std::string& parent = (*fields)[1];
    std::from_chars(parent.data(), parent.data() + parent.size(), info.parent);
    out.push_back(info);
  }
  return out;
}

std::vector<ProcessInfo> descendants_of(pid_t pid) {
  std::multimap<pid_t, ProcessInfo> by_parent;
  for (const ProcessInfo& info : all_processes()) by_parent.emplace(info.parent, info);
  std::vector<ProcessInfo> out;
  std::vector<pid_t> todo = {pid};
  while (!todo.empty()) {
    const pid_t parent = todo.back();
    todo.pop_back();
    const auto [begin, end] = by_parent.equal_range(parent);
    for (auto it = begin; it != end; ++it) {
      out.push_back(it->second);
      todo.push_back(it->first == it->second.pid ? 0 : it->second.pid);
    }
    by_parent.erase(begin, end);
  }
  return out;
}

bool childless() {
  siginfo_t ignored;
  return ::waitid(P_ALL, 0, &ignored, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

namespace {

// Every entry of every environment that may be read: not those of other users. Dead processes have none.
void each_entry(const std::function<void(pid_t, std::string_view)>& visit) {
  for (const pid_t pid : all_pids()) {
    const Result<std::string> text = read_file(fmt::format("/proc/{}/environ", pid));
    if (!text.ok()) continue;
    for (std::string_view rest = *text; !rest.empty();) {
      const size_t end = std::min(rest.find('\0'), rest.size());
      visit(pid, rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
}

}  // namespace

std::vector<pid_t> processes_with_environment(const std::string& entry) {
  std::vector<pid_t> out;
  each_entry([&](pid_t pid, std::string_view one) {
    if (one == entry && (out.empty() || out.back() != pid)) out.push_back(pid);
  });
  return out;
}

std::set<std::string> values_in_environments(std::string_view variable) {
  std::set<std::string> out;
  each_entry([&](pid_t, std::string_view one) {
    if (one.starts_with(variable) && one.substr(variable.size()).starts_with('='))
      out.emplace(one.substr(variable.size() + 1));
  });
  return out;
}

bool signal_process(pid_t pid, std::optional<uint64_t> start, int signal) {
  if (pid <= 1 || !start.has_value()) return false;
  const Fd fd(pidfd_open(pid));
  if (!fd.valid()) return false;
  // The descriptor is bound to one process; now see that it is the one meant.
  if (start_ticks(pid) != start) return false;
  return pidfd_send_signal(fd.get(), signal) == 0;
}

Result<pid_t> spawn(const SpawnOptions& options) {
  CHECK(!options.argv.empty());
  const std::string program = TRY(find_program(options.argv[0], path_in(options.environment)));
  const Fd input(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const fs::path output_path = options.output.empty() ? "/dev/null" : options.output;
  Fd output;
  if (options.output_fd < 0)
    output = Fd(::open(output_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!input.valid() || (options.output_fd < 0 && !output.valid()))
    return errno_status("opening", output_path);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_status("making a pipe for", program);
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const std::vector<char*> argv = pointers(options.argv);
  const std::vector<char*> environment = pointers(options.environment);
  ChildPlan plan{.program = program.c_str(),
                 .argv = argv.data(),
                 .environment = environment.data(),
                 .input = options.input_fd < 0 ? input.get() : options.input_fd,
                 .output = options.output_fd < 0 ? output.get() : options.output_fd,
                 .folder = options.folder.c_str(),
                 .failure_pipe = write_end.get(),
                 .new_session = options.new_session,
                 .die_with_parent = options.die_with_parent,
                 .own_group = options.own_group,
                 .confined = options.confined,
                 .enter = &options.enter,
                 .parent = ::getpid()};
  const pid_t child = options.in_place ? fork_in_place(plan) : ::fork();
  if (child < 0) return errno_status("starting", program);
  if (child == 0) run_child(plan);
  write_end.reset();
  const std::optional<int> failure = read_failure(read_end.get());
  if (options.new_session || failure.has_value()) {
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (failure.has_value()) {
    errno = *failure;
    return errno_status("starting", program);
  }
  return options.new_session ? 0 : child;
}

Result<pid_t> spawn_within(const std::function<int()>& body, const SpawnOptions& options) {
  const Fd out(::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!out.valid()) return errno_status("opening", options.output);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return errno_status("starting a process for", options.output);
  if (child > 0) return child;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(127);
  if (options.confined && !lay_down_privileges()) ::_exit(127);
  if (::dup2(out.get(), 1) < 0 || ::dup2(out.get(), 2) < 0) ::_exit(127);
  if (options.enter && options.enter() != 0) ::_exit(127);  // it may need descriptors that are open here
  ::syscall(SYS_close_range, 3, ~0U, 0);
  ::_exit(body());
}

Status become(const std::vector<std::string>& argv, const fs::path& output) {
  const std::string program = TRY(find_program(argv.at(0), path_in({})));
  const Fd input_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd output_fd(::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!input_fd.valid() || !output_fd.valid()) return errno_status("opening", output);
  const std::vector<char*> pointers_of_argv = pointers(argv);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const auto& [from, to] :
       {std::pair(input_fd.get(), 0), std::pair(output_fd.get(), 1), std::pair(output_fd.get(), 2)}) {
    if (::dup2(from, to) < 0) return errno_status("redirecting to", output);
  }
  ::syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
  ::execv(program.c_str(), pointers_of_argv.data());
  return errno_status("starting", program);
}

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

std::vector<std::string> bare_environment() {
  std::vector<std::string> out;
  for (const char* name : {"PATH", "HOME", "LANG", "USER", "TZ"}) {
    if (const char* value = std::getenv(name)) out.push_back(fmt::format("{}={}", name, value));
  }
  return out;
}

}  // namespace rekindle
