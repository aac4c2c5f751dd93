#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>

#include "base/process.h"
#include "launch/confine/host_reach.h"
#include "launch/warm/warm_gangs.h"
#include "proto/json.h"
#include "rekindle/v1/attempt.pb.h"
#include "rekindle/v1/confined.pb.h"

namespace rekindle::launch {
namespace {

constexpr size_t kRequestBytes = 256 * 1024;

// What the kernel shows of a process is the memory in which its first words stood.
class Title {
 public:
  Title(int argc, char** argv) : begin_(argv[0]), bytes_(0) {
    if (argc > 0) bytes_ = static_cast<size_t>(argv[argc - 1] + std::strlen(argv[argc - 1]) - begin_);
  }
  void set(const std::vector<std::string>& argv) {
    std::string text;
    for (const std::string& word : argv) text += word + '\0';
    const size_t fits = std::min(bytes_, text.size());
    std::memcpy(begin_, text.data(), fits);
    std::memset(begin_ + fits, 0, bytes_ - fits);
  }

 private:
  char* begin_;
  size_t bytes_;
};

std::vector<std::string> words_of(std::string_view request) {
  std::vector<std::string> out;
  while (!request.empty()) {
    const size_t end = std::min(request.find('\0'), request.size());
    out.emplace_back(request.substr(0, end));
    request.remove_prefix(std::min(end + 1, request.size()));
  }
  return out;
}

// As spawn() leaves a program: nothing as input, the file as output, nothing else open but what is kept (-1:
// nothing).
bool lay_out(const std::string& output, int kept) {
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int log = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  const bool done =
      null >= 0 && log >= 0 && ::dup2(null, 0) >= 0 && ::dup2(log, 1) >= 0 && ::dup2(log, 2) >= 0;
  if (kept > 3) ::syscall(SYS_close_range, 3, kept - 1, 0);
  ::syscall(SYS_close_range, std::max(3, kept + 1), ~0U, 0);
  return done;
}

// What each gang would otherwise do first, at its own cost: the descriptions of messages are built when one
// is first looked at, and again when the first is printed as JSON.
void warm_up() {
  for (const google::protobuf::Message* message : std::initializer_list<const google::protobuf::Message*>{
           &v1::Plan::default_instance(), &v1::ExitRecord::default_instance(),
           &v1::GangRecord::default_instance(), &v1::Report::default_instance(),
           &v1::Confinement::default_instance()})
    (void)message->GetDescriptor()->DebugString();
  v1::JobSpec spec;
  spec.mutable_train()->mutable_limits()->mutable_attempt()->set_seconds(1);
  spec.mutable_train()->mutable_ranks()->set_count(1);
  spec.mutable_train()->mutable_checkpoints()->set_keep(1);
  (void)to_json(spec, JsonForm::kFile);
  (void)boot_id();
  // What is free is put together here, once, and not by each fork in pages of its own.
  ::malloc_trim(0);
}

// After a fork each page that is touched costs a fault, a microsecond or more: two hundred of them, which a
// gang would pay for while somebody waits for it. A kernel before 5.14 refuses, and they are paid then.
void touch_pages() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0;
    char allowed[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, allowed) != 3) continue;
    const bool written = allowed[1] == 'w' && allowed[3] == 'p';
    if (!written && allowed[2] != 'x') continue;
    ::madvise(reinterpret_cast<void*>(begin), end - begin,
              written ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
  }
}

// What everybody may read changes now and then.
constexpr int kLookAgainMs = 30'000;
// In which a gang is on its way.
constexpr int kBeginMs = 10;
// Where a fork failed.
constexpr int kForkAgainMs = 1'000;

using Gang = std::function<int(const std::vector<std::string>&)>;

// Forks the next gang ahead: it waits to be asked for, and nobody waits for its fork.
class Warm {
 public:
  Warm(int argc, char** argv, const Gang& gang) : title_(argc, argv), gang_(gang) {
    title_.set({argv[0], "warm"});
    // Nobody waits for gangs; their ends are in their folders.
    ::signal(SIGCHLD, SIG_IGN);
    warm_up();
  }

  int run() {
    for (;;) {
      host_.begin_fence();  // anew, where something has changed
      Fd spare = fork_spare();
      host_.fence_given();
      pollfd all[] = {{STDIN_FILENO, 0, 0}, {spare.get(), POLLIN, 0}};
      const int told = ::poll(all, 2, spare.valid() ? kLookAgainMs : kForkAgainMs);
      if (all[0].revents != 0) return 0;
      spare.reset();  // before anything is looked at: see HostReach::asked_for
      if (told == 0) host_.look();
      // The gang that begins now is not to wait for a core because of the next, unless that is asked for.
      pollfd asked{STDIN_FILENO, POLLIN, 0};
      if (told > 0) ::poll(&asked, 1, kBeginMs);
    }
  }

 private:
  // Ends when it is asked for. Closed here, a spare that was not asked for leaves. Not valid: no fork.
  Fd fork_spare() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return {};
    Fd ours(ends[0]), theirs(ends[1]);
    const pid_t child = ::fork();
    if (child == 0) {
      ours.reset();
      ::_exit(wait_and_be_gang(std::move(theirs)));
    }
    return child < 0 ? Fd() : std::move(ours);
  }

  int wait_and_be_gang(Fd parent) {
    ::signal(SIGCHLD, SIG_DFL);
    host_.forked();
    touch_pages();
    const std::vector<std::string> words = asked(parent);
    if (words.size() < 2) return 0;
    host_.asked_for([&parent] { return left(parent); });
    parent.reset();
    const std::vector<std::string> command(words.begin() + 1, words.end());
    title_.set(command);
    return lay_out(words[0], host_.fence_fd()) ? gang_(command) : 1;
  }

  // Nothing: nobody asks, or another is asked instead.
  static std::vector<std::string> asked(const Fd& parent) {
    // Not filled: a page that is touched is a page that the rank's fork copies.
    const auto buffer = std::make_unique_for_overwrite<char[]>(kRequestBytes);
    for (;;) {
      pollfd all[] = {{STDIN_FILENO, POLLIN, 0}, {parent.get(), POLLIN, 0}};
      ::poll(all, 2, -1);
      // Also when told to leave: what was asked for is given.
      const ssize_t got = ::recv(STDIN_FILENO, buffer.get(), kRequestBytes, MSG_DONTWAIT);
      if (got == 0) return {};
      if (got < 0 && left(parent)) return {};
      if (got < 0) continue;
      std::vector<std::string> words = words_of({buffer.get(), static_cast<size_t>(got)});
      const int failed = words.size() < 2 ? EINVAL : 0;
      (void)::send(STDIN_FILENO, &failed, sizeof failed, MSG_NOSIGNAL);
      return words;
    }
  }

  static bool left(const Fd& parent) {
    pollfd end{parent.get(), POLLIN, 0};
    return ::poll(&end, 1, 0) != 0;
  }

  Title title_;
  const Gang& gang_;
  HostReach& host_ = HostReach::here();
};

}  // namespace

int keep_warm(int argc, char** argv, const Gang& gang) {
  return Warm(argc, argv, gang).run();
}

}  // namespace rekindle::launch
