// The launchers' contract, and what is the hosts' own, by real mpirun on hosts in network namespaces
// (tests/hosts/network.py).
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/wait.h>

#include <sstream>

#include "launch/hosts/launcher.h"
#include "proto/time.h"
#include "rekindle/v1/run.pb.h"
#include "runtime/capture.h"
#include "tests/launch/contract.h"

namespace rekindle::launch {
namespace {

using testing::HasSubstr;

// Made at the first test that asks for them, ended with the program.
class RealHosts {
 public:
  static RealHosts& get() {
    static RealHosts hosts;
    return hosts;
  }
  const std::string& absent() const { return absent_; }

  v1::Pool pool() const {
    v1::Pool pool;
    pool.set_name("cluster");
    v1::HostsPool& hosts = *pool.mutable_hosts();
    for (const char* name : {"n1", "n2", "n3"}) {
      v1::Host& host = *hosts.add_inventory();
      host.set_name(name);
      host.set_slots(2);
    }
    for (const std::string& word : agent_) hosts.add_agent(word);
    *hosts.mutable_probe() = to_proto(Seconds(1));
    *hosts.mutable_answer_within() = to_proto(Seconds(10));
    hosts.set_misses(2);
    return pool;
  }
  static LauncherOptions programs() {
    return {.gang_program = bin_folder() / "rekindle-gang",
            .trainer_program = test_rank(),
            .stop_grace = std::chrono::milliseconds(300)};
  }

  static void tell(const std::vector<std::string>& command) {
    const Result<runtime::Captured> ran = runtime::capture(command, bare_environment(), "/");
    CHECK(ran.ok() && ran->code == 0, ran.ok() ? ran->tail : ran.status().message());
  }
  static void link(const std::string& host, const std::string& state) {
    tell({"ip", "link", "set", "to-" + host, state});
  }
  void on(const std::string& host, const std::string& command) const {
    std::vector<std::string> words = agent_;
    words.push_back(host);
    words.push_back(command);
    tell(words);
  }

 private:
  RealHosts() {
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) {
      absent_ = "network namespaces take root";
      return;
    }
    std::string name = (fs::temp_directory_path() / "rekindle-hosts-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    const fs::path said = folder_ / "said";
    SpawnOptions spawning;
    spawning.argv = {
        "python3", (fs::current_path() / "tests/hosts/network.py").string(), folder_.string(), "n1", "n2",
        "n3"};
    spawning.environment = bare_environment();
    spawning.output = said;
    spawning.die_with_parent = true;
    pid_ = spawn(spawning).value();
    CHECK(eventually(
              [&] {
                const Result<std::string> text = read_file(said);
                return text.ok() && text->find('\n') != std::string::npos;
              },
              Seconds(60)),
          "network.py makes hosts or says why it cannot");
    std::string line = read_file(said).value();
    line.erase(line.find('\n'));
    if (line.starts_with("SKIP ")) {
      absent_ = line.substr(5);
      return;
    }
    std::istringstream words(line);
    for (std::string word; words >> word;) agent_.push_back(word);
  }
  ~RealHosts() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  fs::path folder_;
  std::vector<std::string> agent_;
  std::string absent_;
  pid_t pid_ = 0;
};

std::unique_ptr<Launcher> make_real() {
  return make_hosts_launcher(RealHosts::get().pool(), RealHosts::programs());
}

INSTANTIATE_TEST_SUITE_P(RealHosts, Contract,
                         testing::Values(Subject{"hosts", make_real, finish_by_file, kill_supervisor,
                                                 [] { return RealHosts::get().absent(); }}),
                         subject_name);

class Hosts : public AttemptTest {
 protected:
  void SetUp() override {
    if (const std::string& why = RealHosts::get().absent(); !why.empty()) GTEST_SKIP() << why;
    launcher_ = make_real();
  }
  void TearDown() override {
    if (launcher_) RealHosts::link("n1", "up");
  }
  static std::string host_of(const AttemptFolder& folder, int rank) {
    ReportReader reader(folder, rank);
    const Result<std::vector<v1::Report>> reports = reader.read_new();
    return reports.ok() && !reports->empty() ? (*reports)[0].started().host() : "";
  }
  bool sees(const std::string& host, NodeSight::Kind kind) {
    return eventually([&] {
      for (const NodeSight& sight : launcher_->nodes("cluster"))
        if (sight.node == host) return sight.kind == kind;
      return false;
    });
  }

  std::unique_ptr<Launcher> launcher_;
};

TEST_F(Hosts, RanksAreWhereThePlanSaysInItsOrder) {
  const AttemptFolder folder = attempt("wait", 3);
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(ranks_ready(folder, 3));
  EXPECT_EQ(host_of(folder, 0), "n2");
  EXPECT_EQ(host_of(folder, 1), "n1");
  EXPECT_EQ(host_of(folder, 2), "n1");
  const std::string scratch = folder.read_gang().value()->scratch();
  finish(folder, 0);
  EXPECT_EQ(wait_for(*launcher_, folder, GangState::kEnded).exit->code(), 0);
  for (const char* host : {"n1", "n2"}) RealHosts::get().on(host, "test ! -e " + scratch);
}

TEST_F(Hosts, AHostThatDoesNotShareTheFolderIsNamedAndNothingStarts) {
  const AttemptFolder folder = attempt("wait", 2);
  RealHosts::get().on("n1", "mount -t tmpfs tmpfs " + base_.string());
  ASSERT_TRUE(launcher_->start(folder).ok());
  const GangState ended = wait_for(*launcher_, folder, GangState::kEnded);
  RealHosts::get().on("n1", "umount " + base_.string());
  EXPECT_EQ(ended.exit->code(), kExitSpecRefused);
  const std::optional<v1::Outcome> outcome = folder.read_outcome().value();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->kind(), v1::Outcome::SPEC_REFUSED);
  EXPECT_THAT(outcome->message(), HasSubstr("host n1: the attempt's folder is not seen there"));
  EXPECT_FALSE(fs::exists(folder.report(0)));
}

TEST_F(Hosts, AHostWhoseLinkIsCutIsLostByNameAndSilentUntilItIsBack) {
  const AttemptFolder folder = attempt("wait", 2);
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(ranks_ready(folder, 2));
  ASSERT_TRUE(sees("n1", NodeSight::kAnswers));
  const std::string scratch = folder.read_gang().value()->scratch();
  RealHosts::link("n1", "down");
  const GangState ended = wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(ended.exit->end(), v1::END_NODE_LOST);
  EXPECT_EQ(ended.exit->host(), "n1");
  EXPECT_THAT(ended.exit->note(), HasSubstr("host n1 was lost"));
  EXPECT_TRUE(sees("n1", NodeSight::kSilent));
  RealHosts::link("n1", "up");
  EXPECT_TRUE(sees("n1", NodeSight::kAnswers));
  EXPECT_TRUE(processes_of(folder).empty()) << "what was over was swept before it answered";
  RealHosts::get().on("n1", "test ! -e " + scratch);
}

TEST_F(Hosts, AHostThatCannotBeReachedAtTheStartIsLost) {
  ASSERT_TRUE(sees("n1", NodeSight::kAnswers));
  RealHosts::link("n1", "down");
  const AttemptFolder folder = attempt("wait", 2);
  ASSERT_TRUE(launcher_->start(folder).ok());
  const GangState ended = wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(ended.exit->end(), v1::END_NODE_LOST);
  EXPECT_EQ(ended.exit->host(), "n1");
  EXPECT_FALSE(fs::exists(folder.report(0)));
}

TEST_F(Hosts, AKilledDaemonIsALostNodeThoughItsHostAnswers) {
  const AttemptFolder folder = attempt("wait", 2);
  ASSERT_TRUE(launcher_->start(folder).ok());
  ASSERT_TRUE(ranks_ready(folder, 2));
  RealHosts::get().on("n1", "kill -9 $(pidof orted)");
  const GangState ended = wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(ended.exit->end(), v1::END_NODE_LOST);
  EXPECT_EQ(ended.exit->host(), "n1");
  EXPECT_TRUE(processes_of(folder).empty()) << "its hosts were swept before the record was written";
}

TEST_F(Hosts, ARankThatFailsIsACrashAndNoLoss) {
  const AttemptFolder folder = attempt("exit 3", 2);
  ASSERT_TRUE(launcher_->start(folder).ok());
  const GangState ended = wait_for(*launcher_, folder, GangState::kEnded);
  EXPECT_EQ(ended.exit->code(), 3);
  EXPECT_EQ(ended.exit->end(), 0);
}

}  // namespace
}  // namespace rekindle::launch
