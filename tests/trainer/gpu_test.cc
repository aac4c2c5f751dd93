// A GPU gang up to where a GPU is needed: how ranks find each other, what they set before CUDA looks, and
// what a host that lacks something is told.
#include "trainer/gpu/gpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "plans.h"
#include "trainer/gpu/device.h"
#include "trainer/gpu/graph.h"

namespace rekindle::trainer {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr const char* kFolder = "REKINDLE_TEST_FOLDER";

class Environment {  // what a launcher sets, for one test
 public:
  Environment(std::initializer_list<std::pair<const char*, const char*>> values) {
    for (const auto& [name, value] : values) {
      names_.push_back(name);
      setenv(name, value, 1);
    }
  }
  ~Environment() {
    for (const char* name : names_) unsetenv(name);
  }

 private:
  std::vector<const char*> names_;
};

struct Folder {
  Folder() {
    std::string name = "/tmp/rekindle-gpu-XXXXXX";
    root = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(root); }
  launch::AttemptFolder attempt() const { return launch::AttemptFolder(root); }
  fs::path root;
};

v1::Plan gpu_plan(uint32_t world, const std::string& nonce = "n1") {
  v1::Plan out;
  out.set_run("flights-7");
  out.set_attempt(2);
  out.set_start_nonce(nonce);
  out.set_world(world);
  out.set_gpus_per_rank(1);
  for (uint32_t r = 0; r < world; ++r) out.add_devices(std::to_string(r));
  return out;
}

fs::path fake_plugin() {
  return fs::read_symlink("/proc/self/exe").parent_path() / "libfake_gpu.so";
}

// The ranks of a gang meet through the folder alone: no MPI is initialised here.
RANK_BODY(meet) {
  const launch::AttemptFolder folder{std::getenv(kFolder)};
  const auto plan = gpu_plan(3);
  GpuOptions options;
  options.plugin = fake_plugin();
  auto opened = open_gpu(folder, plan, options);
  if (!opened.ok()) return opened.status().message();
  auto& c = **opened;
  double values[2] = {1.0 + c.rank(), 0.5};
  c.sum(std::span<double>(values));
  if (c.size() != 3 || values[0] != 6 || values[1] != 1.5) return "the sum is wrong";
  const char* device = std::getenv("CUDA_VISIBLE_DEVICES");
  if (device == nullptr || device != std::to_string(c.rank())) return "another rank's device";
  c.barrier();
  return "";
}

TEST(GpuGang, RanksMeetThroughTheFolder) {
  Folder folder;
  Environment environment{{kFolder, folder.root.c_str()}};
  auto ended = run_ranks(3, "meet");
  EXPECT_EQ(ended.code, 0) << ended.log;
}

TEST(GpuGang, AnIdOfThePastIsNeverUsed) {
  Folder folder;
  ASSERT_TRUE(offer_gang_id(folder.attempt(), gpu_plan(3, "yesterday"), std::string(128, 'x')).ok());
  Environment environment{{kFolder, folder.root.c_str()}};
  auto ended = run_ranks(3, "meet");
  EXPECT_EQ(ended.code, 0) << ended.log;
}

TEST(GpuGang, WaitingForAnIdEnds) {
  Folder folder;
  const auto plan = gpu_plan(2);
  auto none = await_gang_id(folder.attempt(), plan, std::chrono::milliseconds(60));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), Code::kUnavailable);
  EXPECT_THAT(none.status().message(), HasSubstr("rank 0 offered no NCCL id"));
  for (auto other : {gpu_plan(2, "n2"), gpu_plan(2), gpu_plan(2)}) {
    if (other.start_nonce() == "n1") other.set_attempt(other.attempt() + 1);
    ASSERT_TRUE(offer_gang_id(folder.attempt(), other, "id").ok());
    auto stale = await_gang_id(folder.attempt(), plan, std::chrono::milliseconds(60));
    ASSERT_FALSE(stale.ok());
    EXPECT_THAT(stale.status().message(), HasSubstr("of another attempt"));
  }
  ASSERT_TRUE(offer_gang_id(folder.attempt(), plan, std::string("a\n\0b", 4)).ok());
  EXPECT_EQ(await_gang_id(folder.attempt(), plan, std::chrono::milliseconds(60)).value(),
            std::string("a\n\0b", 4));
}

TEST(GpuGang, PlacesAreThoseOfTheLauncher) {
  const auto plan = gpu_plan(4);
  EXPECT_FALSE(launched_place(plan).ok()) << "four ranks without a launcher";
  EXPECT_EQ(launched_place(gpu_plan(1)).value().rank, 0);
  {
    Environment mpirun{{"OMPI_COMM_WORLD_RANK", "3"},
                       {"OMPI_COMM_WORLD_SIZE", "4"},
                       {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
                       {"PMIX_RANK", "1"}};
    EXPECT_EQ(launched_place(plan).value().rank, 3);
    EXPECT_TRUE(launched_place(plan).value().one_host);
    EXPECT_THAT(launched_place(gpu_plan(2)).status().message(), HasSubstr("wants 2 ranks"));
  }
  {
    Environment srun{{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "4"}};
    EXPECT_EQ(launched_place(plan).value().rank, 2);
    EXPECT_FALSE(launched_place(plan).value().one_host);
  }
  {
    Environment nonsense{{"OMPI_COMM_WORLD_RANK", "4"}, {"OMPI_COMM_WORLD_SIZE", "4"}};
    EXPECT_FALSE(launched_place(plan).ok());
  }
  {
    Environment nonsense{{"OMPI_COMM_WORLD_RANK", "1x"}, {"OMPI_COMM_WORLD_SIZE", "4"}};
    EXPECT_FALSE(launched_place(plan).ok());
  }
}

TEST(GpuGang, OnlyRanksThatShareADeviceGetHostsOfTheirOwn) {
  auto plan = gpu_plan(2);
  plan.mutable_spec()->mutable_train()->set_deterministic(true);
  // Reset by the destructor whatever the code under test sets.
  Environment none{{"NCCL_HOSTID", ""}, {"NCCL_SOCKET_IFNAME", ""}, {"CUDA_VISIBLE_DEVICES", ""}};
  Environment workspace{{"CUBLAS_WORKSPACE_CONFIG", ""}};
  for (const char* name : {"NCCL_HOSTID", "NCCL_SOCKET_IFNAME", "CUBLAS_WORKSPACE_CONFIG"}) unsetenv(name);
  ASSERT_TRUE(set_gpu_environment(plan, {1, 2, true}).ok());
  EXPECT_STREQ(getenv("CUDA_VISIBLE_DEVICES"), "1");
  EXPECT_STREQ(getenv("CUBLAS_WORKSPACE_CONFIG"), ":4096:8");
  EXPECT_EQ(getenv("NCCL_HOSTID"), nullptr);
  plan.set_devices(1, "0");
  ASSERT_TRUE(set_gpu_environment(plan, {1, 2, false}).ok()) << "the same number on two hosts";
  EXPECT_EQ(getenv("NCCL_HOSTID"), nullptr);
  ASSERT_TRUE(set_gpu_environment(plan, {1, 2, true}).ok());
  EXPECT_STREQ(getenv("NCCL_HOSTID"), "flights-7-2-1");
  EXPECT_STREQ(getenv("CUDA_VISIBLE_DEVICES"), "0");
  EXPECT_FALSE(set_gpu_environment(plan, {2, 3, true}).ok()) << "no device for rank 2";
}

TEST(GpuGang, WhatIsMissingIsNamed) {
  EXPECT_THAT(missing_library("libcusparse.so.12: cannot open shared object file: No such file or directory"),
              AllOf(HasSubstr("libcusparse.so.12 is missing"), HasSubstr("./dev setup gpu")));
  EXPECT_THAT(missing_library("x.so: undefined symbol: y"), HasSubstr("undefined symbol: y"));
  Folder folder;
  GpuOptions options;
  options.plugin = folder.root / "librekindle_gpu.so";
  auto opened = open_gpu(folder.attempt(), gpu_plan(1), options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(opened.status().message(), HasSubstr("is not there"));
}

TEST(GpuGang, APluginThatFindsNoGpuRefuses) {
  Folder folder;
  Environment environment{{"REKINDLE_FAKE_GPU", "no driver"}};
  GpuOptions options;
  options.plugin = fake_plugin();
  auto opened = open_gpu(folder.attempt(), gpu_plan(1), options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(opened.status().message(), HasSubstr("this host has none that can be used: no driver"));
}

TEST(GpuGang, SwitchesAreThoseOfTheSpec) {
  auto& context = at::globalContext();
  EXPECT_EQ(choose_device(v1::Plan()), at::Device(at::kCPU));
  EXPECT_FALSE(context.deterministicAlgorithms()) << "the CPU's kernels need no switch";
  auto plan = gpu_plan(1);
  EXPECT_EQ(choose_device(plan), at::Device(at::kCUDA, 0));
  EXPECT_TRUE(context.deterministicAlgorithms() && context.deterministicCuDNN());
  EXPECT_FALSE(context.allowTF32CuBLAS() || context.allowTF32CuDNN());
  // What LibTorch itself says then of an operation without such a kernel.
  try {
    at::Context::alertNotDeterministic("put_");
    ADD_FAILURE() << "not refused";
  } catch (const std::exception& error) {
    EXPECT_THAT(refusal_of(error.what()),
                AllOf(HasSubstr("put_ does not have a deterministic implementation"),
                      HasSubstr("set train.deterministic to false")));
  }
  EXPECT_EQ(refusal_of("CUDA out of memory"), "");
  plan.mutable_spec()->mutable_train()->set_deterministic(false);
  plan.mutable_spec()->mutable_train()->set_tf32(true);
  choose_device(plan);
  EXPECT_FALSE(context.deterministicAlgorithms() || context.deterministicCuDNN());
  EXPECT_TRUE(context.allowTF32CuBLAS() && context.allowTF32CuDNN());
}

// Keeps the work and does it when asked.
class KeptWork final : public Graph {
 public:
  explicit KeptWork(bool refuses) : refuses_(refuses) {}
  void record(const std::function<void()>& work) override {
    if (refuses_) throw std::runtime_error("a wait cannot be recorded\nwith a backtrace");
    work_ = work;
  }
  void replay() override { work_(); }

 private:
  bool refuses_;
  std::function<void()> work_;
};

TEST(RepeatedWork, IsRecordedOnceItHasRunAFewTimes) {
  int done = 0, made = 0;
  Repeated repeated([&made] { return ++made, std::make_unique<KeptWork>(false); });
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(repeated.run([&done] { ++done; }), i >= 3) << i;
    EXPECT_EQ(done, i + 1) << "each time is done once, recording does nothing";
  }
  EXPECT_EQ(made, 1);
  EXPECT_TRUE(repeated.recorded());
}

TEST(RepeatedWork, GoesOnAsItIsWhereItCannotBeRecorded) {
  int done = 0, made = 0;
  Repeated refused([&made] { return ++made, std::make_unique<KeptWork>(true); });
  Repeated without_gpu(MakeGraph{});
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(refused.run([&done] { ++done; }));
    EXPECT_FALSE(without_gpu.run([&done] { ++done; }));
  }
  EXPECT_EQ(done, 16);
  EXPECT_EQ(made, 1) << "it is not tried again";
  EXPECT_FALSE(refused.recorded());
}

// The real program with the real plugin: where no GPU can be used, a refusal that says why.
class GpuPlans : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(Worlds, GpuPlans, ::testing::Values(1, 2));

TEST_P(GpuPlans, AreRefusedWhereThereIsNoGpu) {
  if (fs::exists("/dev/nvidia0")) GTEST_SKIP() << "this host has a GPU: tools/gpu_check.sh tries it";
  TestRun run;
  auto plan = run.plan(GetParam());
  plan.set_gpus_per_rank(1);
  for (uint32_t r = 0; r < GetParam(); ++r) plan.add_devices(std::to_string(r));
  auto ended = run.run(plan);
  EXPECT_EQ(ended.code, launch::kExitSpecRefused) << ended.log;
  const auto outcome = run.outcome(plan);
  EXPECT_EQ(outcome.kind(), v1::Outcome::SPEC_REFUSED);
  EXPECT_THAT(outcome.message(), AnyOf(HasSubstr("is missing: install the CUDA wheels"),
                                       HasSubstr("this host has none that can be used")));
}

}  // namespace
}  // namespace rekindle::trainer
