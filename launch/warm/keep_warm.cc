#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "launch/confine/host_reach.h"
#include "launch/warm/warm_gangs.h"
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
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(spec, &json);
  HostReach::here().begin_fence();
}

// What everybody may read changes now and then.
constexpr int kLookAgainMs = 30'000;

bool asked_for() {
  pollfd socket{STDIN_FILENO, POLLIN, 0};
  return ::poll(&socket, 1, kLookAgainMs) != 0;
}

}  // namespace

int keep_warm(int argc, char** argv, const std::function<int(const std::vector<std::string>&)>& gang) {
  Title title(argc, argv);
  title.set({argv[0], "warm"});
  // Nobody waits for gangs; their ends are in their folders.
  ::signal(SIGCHLD, SIG_IGN);
  warm_up();
  HostReach& host = HostReach::here();
  std::string buffer(kRequestBytes, '\0');
  for (;;) {
    if (!asked_for()) {
      host.look();
      host.begin_fence();
      continue;
    }
    const ssize_t got = ::recv(STDIN_FILENO, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return 0;
    const std::vector<std::string> words = words_of({buffer.data(), static_cast<size_t>(got)});
    host.begin_fence();  // anew, where something has changed
    const pid_t child = words.size() > 1 ? ::fork() : -1;
    if (child == 0) {
      ::signal(SIGCHLD, SIG_DFL);
      const std::vector<std::string> command(words.begin() + 1, words.end());
      title.set(command);
      const bool laid_out = lay_out(words[0], host.fence_fd());
      host.forked();
      ::_exit(laid_out ? gang(command) : 1);
    }
    const int failed = child < 0 ? EAGAIN : 0;
    if (::send(STDIN_FILENO, &failed, sizeof failed, MSG_NOSIGNAL) < 0) return 0;
    host.fence_given();
    host.begin_fence();
  }
}

}  // namespace rekindle::launch
