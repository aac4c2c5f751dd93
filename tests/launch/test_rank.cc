// Stands in for the trainer. The plan's fault says what to do once the report log is open:
//   "exit N"     leave with N            "wait"      until the file `finish` holds a code, or a yield (75)
//   "stubborn"   wait, deaf to SIGTERM, with a detached grandchild
//   "orphan"     leave with 0 and a detached grandchild behind
//   "watch"      wait, and end when the gang is gone
//   "describe"   write environment and open descriptors to the log, leave with 0
// As `rows` and `score` of a command job: "bad rows" refuses them; a score's message holds the files of
// $REKINDLE_OUT, "name=content;" each.
#include <dirent.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "base/process.h"
#include "launch/command/identity.h"
#include "launch/command/work_folder.h"
#include "launch/report_log.h"
#include "launch/watch_gang.h"

namespace {

using namespace rekindle;          // NOLINT: a test program
using namespace rekindle::launch;  // NOLINT

volatile sig_atomic_t yield_asked = 0;

int wait_for_end(const AttemptFolder& folder) {
  for (;;) {
    if (yield_asked) return kExitYielded;
    const Result<std::string> text = read_file(folder.root() / "finish");
    if (text.ok() && !text->empty()) return std::atoi(text->c_str());
    ::usleep(5'000);
  }
}

void leave_a_grandchild() {
  if (::fork() == 0) {
    ::setsid();
    if (::fork() == 0) {
      for (;;) ::pause();
    }
    ::_exit(0);
  }
}

int leave(const AttemptFolder& folder, v1::Outcome::Kind kind, const std::string& message, int code) {
  v1::Outcome outcome;
  outcome.set_kind(kind);
  outcome.set_message(message);
  return folder.write_outcome(outcome).ok() ? code : 1;
}

int part_of_command(const AttemptFolder& folder, const std::string& part, const std::string& fault) {
  const WorkFolder work(folder);
  if (part == "rows") {
    if (fault == "bad rows") return leave(folder, v1::Outcome::DATA_REFUSED, "bad rows", kExitDataRefused);
    return fs::create_directory(work.train()) && fs::create_directory(work.valid()) ? 0 : 1;
  }
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(work.out()))
    if (entry.is_regular_file())
      files[entry.path().lexically_relative(work.out()).string()] = read_file(entry.path()).value();
  std::string message;
  for (const auto& [name, content] : files) message += name + "=" + content + ";";
  return leave(folder, v1::Outcome::FINISHED, message, 0);
}

void describe() {
  for (char** entry = environ; *entry != nullptr; ++entry) std::printf("env %s\n", *entry);
  DIR* folder = ::opendir("/proc/self/fd");
  while (const dirent* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    char target[256] = {};
    if (fd != ::dirfd(folder) && ::readlinkat(::dirfd(folder), entry->d_name, target, sizeof target - 1) > 0)
      std::printf("fd %d %s\n", fd, target);
  }
  ::closedir(folder);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string part = argc == 4 ? argv[1] : "";
  if (argc < 3 || argc > 4 || std::string(argv[argc - 2]) != "--folder") return 64;
  const AttemptFolder folder{fs::path(argv[argc - 1])};
  const Result<v1::Plan> plan = folder.read_plan();
  if (!plan.ok()) return kExitSpecRefused;
  const Result<RankIdentity> place =
      identity_of([](const char* name) -> const char* { return std::getenv(name); }, plan->world());
  const int rank = place.ok() ? place->rank : 0;  // one that is started by hand
  const std::string what = plan->fault();
  if (!part.empty()) return part_of_command(folder, part, what);
  if (what == "describe") describe();

  // Ready for a yield before the report log says so.
  struct sigaction action {};
  action.sa_handler = [](int) { yield_asked = 1; };
  ::sigaction(SIGUSR1, &action, nullptr);
  if (what == "stubborn") {
    ::signal(SIGTERM, SIG_IGN);
    leave_a_grandchild();
  }
  if (what == "watch" && !watch_gang(folder).ok()) return 1;
  Result<ReportWriter> reports = ReportWriter::open(folder, rank);
  if (!reports.ok()) return 1;
  v1::Report report;
  report.mutable_started()->set_pid(::getpid());
  report.mutable_started()->set_host(host_name());
  if (!reports->append(report).ok()) return 1;
  std::printf("rank %d\n", rank);
  std::fflush(stdout);

  if (what == "orphan") {
    leave_a_grandchild();
    return 0;
  }
  if (what.starts_with("exit ")) return std::atoi(what.c_str() + 5);
  if (what == "describe") return 0;
  return wait_for_end(folder);
}
