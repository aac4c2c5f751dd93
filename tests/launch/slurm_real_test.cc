// The contract on a real slurmctld: on one node, and with gangs that span two. Both nodes are slurmds of this
// host.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/wait.h>

#include <set>

#include "launch/slurm/commands.h"
#include "tests/launch/slurm_fixture.h"

namespace rekindle::launch {
namespace {

// Started at the first test that asks for it, ended with the program.
class RealSlurm {
 public:
  static RealSlurm& one_node() {
    static RealSlurm slurm({});
    return slurm;
  }
  // Each of two cores, with two GPUs that are files.
  static RealSlurm& two_nodes() {
    static RealSlurm slurm({"--nodes", "2", "--gpus", "2"});
    return slurm;
  }
  const std::string& absent() const { return absent_; }
  v1::Pool pool() const {
    v1::Pool out = slurm_pool();
    out.mutable_slurm()->set_config(config_.string());
    return out;
  }
  // A rank takes a node's cores: two take two nodes.
  v1::Pool wide_pool() const {
    v1::Pool out = pool();
    out.mutable_slurm()->set_cpus(2);
    return out;
  }
  std::string ask(std::vector<std::string> argv) const {
    std::string out;
    const auto ran = runtime::capture(argv, slurm::command_environment(pool().slurm()), "/",
                                      [&out](std::string_view piece) { out += piece; });
    CHECK(ran.ok() && ran->code == 0, out);
    return out;
  }

 private:
  explicit RealSlurm(const std::vector<std::string>& flags) {
    std::string name = (fs::temp_directory_path() / "rekindle-slurm-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    const fs::path said = folder_ / "said";
    SpawnOptions spawning;
    spawning.argv = {"python3", (fs::current_path() / kSlurmTools / "cluster.py").string(), folder_.string(),
                     "--until-told"};
    spawning.argv.insert(spawning.argv.end(), flags.begin(), flags.end());
    spawning.environment = bare_environment();
    spawning.output = said;
    spawning.die_with_parent = true;
    pid_ = spawn(spawning).value();
    CHECK(eventually(
              [&] {
                const Result<std::string> text = read_file(said);
                return text.ok() && text->find('\n') != std::string::npos;
              },
              Seconds(90)),
          "cluster.py starts Slurm or says why it cannot");
    std::string line = read_file(said).value();
    line.erase(line.find('\n'));
    if (line.starts_with("SKIP "))
      absent_ = line.substr(5);
    else
      config_ = line;
    CHECK(!absent_.empty() || config_.is_absolute(), read_file(said).value());
  }
  ~RealSlurm() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  fs::path folder_, config_;
  std::string absent_;
  pid_t pid_ = 0;
};

Subject one_node() {
  return {"slurm", [] { return make_slurm_launcher(RealSlurm::one_node().pool(), test_programs()); },
          finish_by_file, kill_supervisor, [] { return RealSlurm::one_node().absent(); }};
}
Subject two_nodes() {
  return {"slurm_two_nodes",
          [] { return make_slurm_launcher(RealSlurm::two_nodes().wide_pool(), test_programs()); },
          finish_by_file, kill_supervisor, [] { return RealSlurm::two_nodes().absent(); }};
}
INSTANTIATE_TEST_SUITE_P(RealSlurm, Contract, testing::Values(one_node(), two_nodes()), subject_name);

class SlurmNodes : public AttemptTest {
 protected:
  void SetUp() override {
    if (const std::string& why = slurm_.absent(); !why.empty()) GTEST_SKIP() << why;
  }
  // What a rank was started with.
  static std::string value_of(pid_t pid, const std::string& name) {
    const std::string all = std::string(1, '\0') + read_file(fmt::format("/proc/{}/environ", pid)).value();
    const size_t at = all.find('\0' + name + "=");
    if (at == std::string::npos) return "none";
    const size_t begin = at + name.size() + 2;
    return all.substr(begin, all.find('\0', begin) - begin);
  }
  RealSlurm& slurm_ = RealSlurm::two_nodes();
};

TEST_F(SlurmNodes, GpusAreAskedForAndHandedOutWithANodeForEachRank) {
  v1::Pool pool = slurm_.wide_pool();
  pool.mutable_slurm()->set_gpu("a100");
  const std::unique_ptr<Launcher> launcher = make_slurm_launcher(pool, test_programs());
  const AttemptFolder folder = attempt("wait", 2, 1);
  ASSERT_TRUE(launcher->start(folder).ok());
  ASSERT_TRUE(ranks_ready(folder, 2));
  std::set<std::string> nodes;
  for (int rank = 0; rank < 2; ++rank) {
    nodes.insert(value_of(rank_pid(folder, rank), "SLURMD_NODENAME"));
    EXPECT_EQ(value_of(rank_pid(folder, rank), "CUDA_VISIBLE_DEVICES"), "0") << "of each node its first";
  }
  EXPECT_EQ(nodes, (std::set<std::string>{"n1", "n2"}));
  const std::string job = std::to_string(folder.read_launch().value()->job());
  EXPECT_THAT(slurm_.ask({"scontrol", "show", "job", "--details", job}),
              testing::HasSubstr("GRES=gpu:a100:1(IDX:0)"));
  ASSERT_TRUE(launcher->signal(folder, Signal::kYield).ok());
  EXPECT_EQ(wait_for(*launcher, folder, GangState::kEnded).exit->code(), kExitYielded);
}

TEST_F(SlurmNodes, MoreGpusThanTheClusterHasAreRefused) {
  v1::Pool pool = slurm_.pool();
  pool.mutable_slurm()->set_gpu("h100");
  const std::unique_ptr<Launcher> launcher = make_slurm_launcher(pool, test_programs());
  const AttemptFolder folder = attempt("wait", 1, 1);
  ASSERT_TRUE(launcher->start(folder).ok());
  EXPECT_EQ(wait_for(*launcher, folder, GangState::kLost).end, v1::END_SPEC_REFUSED);
}

}  // namespace
}  // namespace rekindle::launch
