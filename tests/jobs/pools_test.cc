// pools.yaml: what is accepted, what is refused and how; and how specs and pools go together.
#include "jobs/pools/pools.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "jobs/spec.h"

namespace rekindle::jobs {
namespace {

using ::testing::HasSubstr;

std::string refusal(std::string_view text) {
  const Result<v1::PoolsFile> pools = parse_pools(text, "pools.yaml");
  return pools.ok() ? "accepted" : pools.status().message();
}

constexpr std::string_view kTwo = R"(rekindle: 1
pools:
  - name: local
    local: {slots: 2}
  - name: gpu
    slurm: {partition: gpu, account: ml, constraint: "a100&nvlink", gpu: a100, time: 4h, memory: 24GB}
    limits: {ranks: 64, ranks_per_run: 16, attempt: 1d}
)";

TEST(Pools, DefaultsAreFilledIn) {
  const v1::PoolsFile pools = parse_pools(kTwo, "pools.yaml").value();
  ASSERT_EQ(pools.pools_size(), 2);
  const v1::SlurmPool& slurm = pools.pools(1).slurm();
  EXPECT_EQ(slurm.mpi(), "pmix");
  EXPECT_EQ(slurm.cpus(), 1u);
  EXPECT_EQ(slurm.notice().seconds(), 120);
  EXPECT_EQ(slurm.memory(), 24'000'000'000u);
  EXPECT_EQ(pools.pools(1).limits().ranks(), 64u);
  EXPECT_EQ(pools.pools(0).limits().ranks(), 0u) << "no limit";
}

TEST(Pools, WithoutAFileThereIsThisHost) {
  const v1::PoolsFile pools = default_pools();
  ASSERT_EQ(pools.pools_size(), 1);
  EXPECT_EQ(pools.pools(0).name(), "local");
  EXPECT_TRUE(pools.pools(0).has_local());
}

TEST(Pools, MistakesAreNamedWithTheirPlace) {
  EXPECT_THAT(refusal("rekindle: 1\npools:\n  - name: gpu\n    slurm: {partitoin: gpu}\n"),
              HasSubstr("pools.yaml:4:13: unknown key 'partitoin'; did you mean 'partition'?"));
  EXPECT_THAT(refusal("rekindle: 1\npools:\n  - name: gpu\n"), HasSubstr("say one of local or slurm"));
  EXPECT_THAT(refusal("rekindle: 1\n"), HasSubstr("missing 'pools'"));
  EXPECT_THAT(refusal("rekindle: 2\npools: [{name: a, local: {}}]\n"), HasSubstr("at most 1"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, local: {}}, {name: a, slurm: {}}]\n"),
              HasSubstr("'a' names another pool too"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, local: {}}, {name: b, local: {}}]\n"),
              HasSubstr("this host is pool 'a' already"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, local: {}, limits: {runs: 2}}]\n"),
              HasSubstr("runs are not counted by this release"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, slurm: {time: 2m, notice: 5m}}]\n"),
              HasSubstr("5m of notice leave nothing of 2m"));
}

// What ends up in sbatch's arguments: nothing that could be another option, a path or a line.
TEST(Pools, WordsForSlurmAreWordsAlone) {
  for (const char* bad :
       {"\"--uid=0\"", "\"gpu\\n#SBATCH --uid=0\"", "\"a b\"", "\"$(id)\"", "\"a;b\"", "\"a%b\""})
    EXPECT_THAT(refusal(fmt::format("rekindle: 1\npools: [{{name: a, slurm: {{partition: {}}}}}]\n", bad)),
                HasSubstr("may hold letters, digits"))
        << bad;
  for (const char* bad : {"bin", "\"/opt/a%j\"", "\"/opt/a:/b\"", "\"/opt\\n/b\""})
    EXPECT_THAT(refusal(fmt::format("rekindle: 1\npools: [{{name: a, slurm: {{programs: {}}}}}]\n", bad)),
                HasSubstr("must be an absolute path"))
        << bad;
}

TEST(Pools, AnUnknownPoolNamesTheNearest) {
  const v1::PoolsFile pools = parse_pools(kTwo, "pools.yaml").value();
  EXPECT_EQ(find_pool(pools, "gpu"), &pools.pools(1));
  EXPECT_EQ(find_pool(pools, "gpuu"), nullptr);
  EXPECT_THAT(no_such_pool(pools, "gppu").message(), HasSubstr("did you mean 'gpu'?"));
}

class PoolFit : public ::testing::Test {
 protected:
  v1::JobSpec spec(const std::string& more_of_train, const std::string& more = "") {
    const std::string text =
        "rekindle: 1\nname: a\ndata: {initial: x, time: t, label: {column: y}, numeric: [n]}\n"
        "train: {model: linear" +
        more_of_train + "}\n" + more;
    const Result<v1::JobSpec> written = parse_job(text, "a.yaml");
    EXPECT_TRUE(written.ok()) << written.status().message();
    return resolve(*written)->spec;
  }
  std::string wrong(const v1::JobSpec& spec) {
    const Status status = check_pool(spec, pools_.pools(1));
    EXPECT_TRUE(status.ok() || status.code() == Code::kFailedPrecondition);
    return status.ok() ? "fits" : status.message();
  }
  v1::PoolsFile pools_ = parse_pools(kTwo, "pools.yaml").value();
};

TEST_F(PoolFit, WhatSlurmDoesNotCarryOutIsRefusedUnlessWaived) {
  const std::string limit = ", limits: {attempt: 2h}";
  EXPECT_EQ(wrong(spec(limit)), "fits");
  EXPECT_THAT(wrong(spec(limit, "priority: 5\n")), HasSubstr("priority: not as written in pool gpu"));
  EXPECT_EQ(wrong(spec(limit, "priority: 5\nwaive: [priority]\n")), "fits");
  EXPECT_THAT(wrong(spec(limit + ", ranks: {min: 1, max: 4}")), HasSubstr("`waive: [train.ranks.min]`"));
  EXPECT_THAT(wrong(spec(", limits: {attempt: 10h}")), HasSubstr("time limit of 4h comes before 10h"));
  const auto of_local = unheeded(spec(", ranks: {min: 1, max: 4}", "priority: 5\n"), pools_.pools(0));
  EXPECT_TRUE(of_local.empty());
}

TEST_F(PoolFit, LimitsHold) {
  const std::string limit = ", limits: {attempt: 2h}";
  EXPECT_THAT(wrong(spec(limit + ", ranks: {count: 17}")),
              HasSubstr("17 ranks are asked for, limits.ranks_per_run of pool gpu allows 16"));
  EXPECT_EQ(wrong(spec(limit + ", ranks: {count: 16, gpus: 1}")), "fits");
  EXPECT_THAT(wrong(spec("")), HasSubstr("allows at most 1d, and the spec says none"));
  pools_.mutable_pools(1)->mutable_slurm()->clear_gpu();
  EXPECT_THAT(wrong(spec(limit + ", ranks: {count: 1, gpus: 1}")), HasSubstr("says no `gpu` in pools.yaml"));
}

TEST_F(PoolFit, AWaivedFieldIsOneThatThereIs) {
  const Result<v1::JobSpec> spec = parse_job(
      "rekindle: 1\nname: a\ndata: {initial: x, time: t, label: {column: y}, numeric: [n]}\n"
      "train: {model: linear}\nwaive: [train.rank.min]\n",
      "a.yaml");
  EXPECT_THAT(spec.status().message(), HasSubstr("a.yaml:5:"));
  EXPECT_THAT(spec.status().message(), HasSubstr("did you mean 'train.ranks.min'?"));
}

}  // namespace
}  // namespace rekindle::jobs
