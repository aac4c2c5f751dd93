// What only a GPU can show: training on it equals training on the CPU, ranks that share one device come
// together, fall apart, hang and resume. Without a GPU every test is skipped and says so; tools/gpu_check.sh
// runs them where there is one. No mpirun: the ranks get what a launcher would tell them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "plans.h"

namespace rekindle::trainer {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

// Rounding differs between devices and adds up over the steps; these runs are a few hundred steps long.
constexpr double kTolerance = 2e-3;
constexpr double kTolerance16 = 3e-2;

// The ranks of a plan, each a process that is told its place as mpirun would.
class Gang {
 public:
  Gang(const TestRun& run, const v1::Plan& plan) : folder_(run.folder(plan)) {
    EXPECT_TRUE(folder_.create(plan).ok());
    const char* programs = std::getenv("REKINDLE_BIN");
    const std::string trainer = std::string(programs == nullptr ? "." : programs) + "/rekindle-trainer";
    const std::string world = std::to_string(plan.world());
    for (uint32_t r = 0; r < plan.world(); ++r) {
      const std::string log = folder_.log(static_cast<int>(r)), root = folder_.root();
      const pid_t pid = fork();
      if (pid == 0) {
        const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, 1), dup2(fd, 2);
        setenv("OMPI_COMM_WORLD_RANK", std::to_string(r).c_str(), 1);
        setenv("OMPI_COMM_WORLD_SIZE", world.c_str(), 1);
        setenv("OMPI_COMM_WORLD_LOCAL_SIZE", world.c_str(), 1);
        setenv("OMP_NUM_THREADS", "1", 1);
        execl(trainer.c_str(), trainer.c_str(), "--unsupervised", "--folder", root.c_str(), nullptr);
        _exit(127);
      }
      ranks_.push_back({pid, std::nullopt});
    }
  }
  ~Gang() {
    kill_all();
    wait_all(seconds(20));
  }

  // The rank's exit code or 128 + signal; nothing when it is still there after `limit`.
  std::optional<int> wait(size_t rank, seconds limit) {
    auto& [pid, code] = ranks_[rank];
    const auto until = Clock::now() + limit;
    while (!code) {
      int status = 0;
      if (waitpid(pid, &status, WNOHANG) == pid)
        code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      else if (Clock::now() > until)
        return std::nullopt;
      else
        usleep(20'000);
    }
    return code;
  }
  bool wait_all(seconds limit) {
    bool all = true;
    for (size_t r = 0; r < ranks_.size(); ++r) all &= wait(r, limit).has_value();
    return all;
  }
  void kill_all() {
    for (auto& [pid, code] : ranks_)
      if (!code) kill(pid, SIGKILL);
  }
  std::string log(int rank) const { return read_file(folder_.log(rank)).value(); }
  std::string logs() const {
    std::string out;
    for (size_t r = 0; r < ranks_.size(); ++r) out += log(static_cast<int>(r));
    return out;
  }

 private:
  struct Rank {
    pid_t pid;
    std::optional<int> code;
  };
  launch::AttemptFolder folder_;
  std::vector<Rank> ranks_;
};

class Gpu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists("/dev/nvidia0") && !fs::exists("/dev/nvidiactl"))
      GTEST_SKIP() << "NO GPU ON THIS HOST (no /dev/nvidia0): nothing of the GPU path was run";
  }

  // Attempt 1 of a run of its own.
  v1::Plan plan(const std::string& name, uint32_t world, bool gpu) {
    auto out = run_.plan(world);
    out.set_run(name);
    out.set_checkpoints(run_.root / "runs" / name / "checkpoints");
    out.mutable_spec()->mutable_train()->set_deterministic(true);
    out.set_gpus_per_rank(gpu ? 1 : 0);
    for (uint32_t r = 0; gpu && r < world; ++r) out.add_devices("0");
    return out;
  }

  // Losses by epoch, training then validation.
  std::vector<double> losses(const v1::Plan& plan) {
    Gang gang(run_, plan);
    EXPECT_TRUE(gang.wait_all(seconds(240))) << gang.logs();
    EXPECT_EQ(run_.outcome(plan).kind(), v1::Outcome::FINISHED)
        << run_.outcome(plan).message() << gang.logs();
    std::vector<double> out;
    for (const auto& report : run_.reports(plan, 0)) {
      const auto& name = report.metric().name();
      if (name == "train_loss" || name == "valid_loss") out.push_back(report.metric().value());
    }
    EXPECT_FALSE(out.empty());
    return out;
  }

  void near(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
    ASSERT_EQ(got.size(), want.size());
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got[i] / want[i] - 1));
    EXPECT_LE(worst, tolerance);
    RecordProperty("relative_difference", std::to_string(worst));
  }

  TestRun run_;
};

TEST_F(Gpu, OneRankEqualsTheCpu) {
  const auto on_gpu = plan("gpu", 1, true);
  near(losses(on_gpu), losses(plan("cpu", 1, false)), kTolerance);
  RecordProperty("rows_per_second", std::to_string(run_.outcome(on_gpu).rows_per_second()));
}

TEST_F(Gpu, TheSameRunTwiceGivesTheSameBits) {
  const auto first = plan("first", 1, true), second = plan("second", 1, true);
  losses(first), losses(second);
  EXPECT_EQ(run_.outcome(first).parameters_sha256(), run_.outcome(second).parameters_sha256());
}

class Worlds : public Gpu, public ::testing::WithParamInterface<std::tuple<uint32_t, v1::Reduction::Kind>> {};
INSTANTIATE_TEST_SUITE_P(OneDevice, Worlds,
                         ::testing::Combine(::testing::Values(2u, 4u),
                                            ::testing::Values(v1::Reduction::FLAT, v1::Reduction::BUCKETS)));

TEST_P(Worlds, RanksThatShareADeviceEqualTheCpu) {
  const auto [world, kind] = GetParam();
  auto on_gpu = plan("gpu", world, true);
  on_gpu.mutable_spec()->mutable_train()->mutable_reduction()->set_kind(kind);
  near(losses(on_gpu), losses(plan("cpu", 1, false)), kTolerance);
  RecordProperty("rows_per_second", std::to_string(run_.outcome(on_gpu).rows_per_second()));
}

TEST_F(Gpu, BfloatComesNear) {
  auto on_gpu = plan("gpu", 1, true);
  on_gpu.mutable_spec()->mutable_train()->set_precision(v1::BF16);
  near(losses(on_gpu), losses(plan("cpu", 1, false)), kTolerance16);
}

TEST_F(Gpu, HalfGradientsComeNear) {
  auto on_gpu = plan("gpu", 2, true);
  on_gpu.mutable_spec()->mutable_train()->mutable_reduction()->set_compress(v1::Reduction::BFLOAT);
  near(losses(on_gpu), losses(plan("cpu", 1, false)), kTolerance16);
}

// Nobody ends the others here, as mpirun would: NCCL itself must tell.
TEST_F(Gpu, ARankWhosePeerDiesEndsWithTheReason) {
  auto killed = plan("killed", 2, true);
  killed.mutable_spec()->mutable_train()->mutable_stop()->set_epochs(500);
  killed.set_fault("kill rank=1 step=40");
  Gang gang(run_, killed);
  ASSERT_EQ(gang.wait(1, seconds(120)), 128 + SIGKILL) << gang.logs();
  const auto begun = Clock::now();
  EXPECT_EQ(gang.wait(0, seconds(60)), 1) << gang.logs();
  RecordProperty("seconds_to_end",
                 std::to_string(std::chrono::duration<double>(Clock::now() - begun).count()));
  EXPECT_THAT(gang.log(0), ::testing::HasSubstr("NCCL says"));
}

// A rank that hangs is no error to NCCL: the beats show who waits for whom, and the gang is ended from
// outside.
TEST_F(Gpu, AHangIsSeenInTheBeatsAndTheRunResumes) {
  auto whole = plan("whole", 2, true);
  losses(whole);
  auto hung = plan("hung", 2, true);
  hung.set_fault("hang rank=1 step=60");
  {
    Gang gang(run_, hung);
    std::vector<uint64_t> beats;
    const auto until = Clock::now() + seconds(120);
    while (beats.size() < 4 && Clock::now() < until) {
      usleep(300'000);
      beats.clear();
      for (const auto& report : run_.reports(hung, 0))
        if (report.has_beat() && report.beat().step() == 60) beats.push_back(report.beat().collective());
    }
    ASSERT_GE(beats.size(), 4u) << gang.logs();
    EXPECT_EQ(beats.front(), beats.back()) << "rank 0 waits in one collective";
    EXPECT_FALSE(gang.wait(0, seconds(0)).has_value());
    gang.kill_all();
    ASSERT_TRUE(gang.wait_all(seconds(30)));
  }
  hung.set_attempt(2);
  hung.clear_fault();
  losses(hung);
  EXPECT_GT(run_.outcome(hung).resumed_from_step(), 0u);
  EXPECT_EQ(run_.outcome(hung).parameters_sha256(), run_.outcome(whole).parameters_sha256())
      << "a resumed run ends with the bits of an uninterrupted one";
}

}  // namespace
}  // namespace rekindle::trainer
