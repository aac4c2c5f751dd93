#include "cli/daemon_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/files.h"
#include "net/client.h"

namespace rekindle::cli {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(50);

std::string end_of(const fs::path& log, size_t from) {
  const Result<std::string> text = read_file(log);
  if (!text.ok() || text->size() <= from) return "(its log is empty)";
  std::string_view rest = std::string_view(*text).substr(from);
  if (rest.size() > 4000) rest.remove_prefix(rest.size() - 4000);
  return std::string(rest);
}

// In the child between fork and exec: only calls that are safe there.
[[noreturn]] void become(char* const* argv, int log) {
  setsid();
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  close_range(3, ~0u, 0);
  execv(argv[0], argv);
  _exit(127);
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

}  // namespace

Result<fs::path> sibling_program(std::string_view name) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path program = self.parent_path() / name;
  if (!error && fs::exists(program, error)) return program;
  return not_found(fmt::format("no {} beside {}", name, self.string()));
}

bool answers(const std::string& url, const std::string& authority) {
  net::HttpClient client(
      {.url = url, .token = {}, .authority = authority, .connect_deadline = net::Deadline(1000)});
  const Result<net::Reply> reply = client.request("GET", "/health", {}, {}, net::Deadline(2000));
  return reply.ok() && reply->status == 200;
}

Result<std::string> start_daemon(const fs::path& program, const fs::path& state,
                                 const std::vector<std::string>& arguments, std::chrono::seconds patience) {
  TRY_STATUS(make_folders_durably(state));
  const fs::path log_path = state / "rekindled.log";
  const Fd log(open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.valid()) return errno_status("opening", log_path);
  const auto log_start = static_cast<size_t>(std::max<off_t>(0, lseek(log.get(), 0, SEEK_END)));
  // Another daemon's address must not be taken for the new one's; the new one is told apart by its lock.
  const fs::path address_file = state / "address";
  std::error_code ignored;
  fs::remove(address_file, ignored);

  std::vector<std::string> words = {program.string(), "--state", state.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) return errno_status("starting", program);
  if (child == 0) become(argv.data(), log.get());

  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline) {
    int how = 0;
    if (waitpid(child, &how, WNOHANG) == child)
      return failed_precondition(fmt::format("rekindled ended with {}:\n{}",
                                             WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how),
                                             end_of(log_path, log_start)));
    if (const Result<std::string> url = read_file(address_file, 4096);
        url.ok() && answers(trimmed(*url), state / "tls" / "ca.pem"))
      return trimmed(*url);
    std::this_thread::sleep_for(kPoll);
  }
  kill(child, SIGTERM);
  return deadline_exceeded(fmt::format("rekindled did not answer within {} s; it was asked to end:\n{}",
                                       patience.count(), end_of(log_path, log_start)));
}

bool wait_until_released(const fs::path& state, std::chrono::seconds patience) {
  const Fd lock(open((state / "lock").c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock.valid()) return true;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (flock(lock.get(), LOCK_SH | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

}  // namespace rekindle::cli
