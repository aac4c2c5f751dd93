// The ports of a gang on one host: on loopback alone, and a stranger who talks to them changes nothing.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/launch/fixture.h"

namespace rekindle::launch {
namespace {

constexpr const char* kLoopback = "0100007F";
constexpr const char* kLoopback6 = "00000000000000000000000001000000";

struct Listener {
  std::string address;  // as in /proc/net/tcp, in hex
  uint16_t port = 0;
};

std::set<std::string> sockets_of(const std::vector<pid_t>& pids) {
  std::set<std::string> out;
  for (const pid_t pid : pids) {
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator(fs::path("/proc") / std::to_string(pid) / "fd", gone)) {
      const std::string target = fs::read_symlink(entry.path(), gone).string();
      if (target.starts_with("socket:[")) out.insert(target.substr(8, target.size() - 9));
    }
  }
  return out;
}

std::vector<Listener> listeners_of(const std::vector<pid_t>& pids) {
  const std::set<std::string> sockets = sockets_of(pids);
  std::vector<Listener> out;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream in(table);
    std::string line;
    while (std::getline(in, line)) {
      std::istringstream words(line);
      std::string number, local, remote, state, skip, inode;
      words >> number >> local >> remote >> state >> skip >> skip >> skip >> skip >> skip >> inode;
      if (state != "0A" || !sockets.contains(inode)) continue;
      const size_t colon = local.find(':');
      out.push_back(
          {local.substr(0, colon), static_cast<uint16_t>(std::stoul(local.substr(colon + 1), nullptr, 16))});
    }
  }
  return out;
}

void talk_rubbish(uint16_t port) {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;  // of IPv6
  const std::string rubbish(100'000, '\xa5');
  const ssize_t ignored = ::send(fd.get(), rubbish.data(), rubbish.size(), MSG_NOSIGNAL);
  (void)ignored;
}

class Listeners : public AttemptTest {
 protected:
  std::unique_ptr<Launcher> launcher_ = local();
};

TEST_F(Listeners, AreOnLoopbackAloneAndStrangersChangeNothing) {
  const AttemptFolder folder = attempt("wait", 2);
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(ranks_ready(folder, 2)) << read_file(folder.gang_log()).value();
  const std::vector<Listener> found = listeners_of(processes_of(folder));
  EXPECT_FALSE(found.empty()) << "mpirun does listen";
  for (const Listener& one : found) {
    EXPECT_TRUE(one.address == kLoopback || one.address == kLoopback6) << one.address << ":" << one.port;
    for (int i = 0; i < 3; ++i) talk_rubbish(one.port);
  }
  finish(folder, 0);
  const GangState state = wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(state.exit->code(), 0) << state.exit->ShortDebugString();
}

// What makes mpirun listen on loopback is not handed on: a script listens where it says.
TEST_F(Listeners, RanksDoNotInheritTheirLaunchersLibrary) {
  const AttemptFolder folder = attempt("describe", 2);
  ASSERT_TRUE(launcher_->start(folder).ok());
  wait_for(*launcher_, folder, GangState::kEnded);
  for (int rank = 0; rank < 2; ++rank) {
    const std::string said = read_file(folder.log(rank)).value();
    EXPECT_THAT(said, testing::HasSubstr("REKINDLE_ATTEMPT="));
    EXPECT_THAT(said, testing::Not(testing::HasSubstr("LD_PRELOAD")));
  }
}

}  // namespace
}  // namespace rekindle::launch
