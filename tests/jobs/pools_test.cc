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
    limits: {runs: 20, ranks: 64, ranks_per_run: 16, attempt: 1d}
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
  EXPECT_EQ(pools.pools(1).limits().runs(), 20u);
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
  EXPECT_THAT(refusal("rekindle: 1\npools:\n  - name: gpu\n"), HasSubstr("say one of local, slurm or hosts"));
  EXPECT_THAT(refusal("rekindle: 1\n"), HasSubstr("missing 'pools'"));
  EXPECT_THAT(refusal("rekindle: 2\npools: [{name: a, local: {}}]\n"), HasSubstr("at most 1"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, local: {}}, {name: a, slurm: {}}]\n"),
              HasSubstr("'a' names another pool too"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, local: {}}, {name: b, local: {}}]\n"),
              HasSubstr("this host is pool 'a' already"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, local: {}, limits: {runs: 0}}]\n"),
              HasSubstr("at least 1"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, slurm: {time: 2m, notice: 5m}}]\n"),
              HasSubstr("5m of notice leave nothing of 2m"));
}

TEST(Pools, WhatConfinesRunsIsChecked) {
  EXPECT_EQ(default_pools().pools(0).local().confine().files(), v1::Confine::OWN);
  EXPECT_EQ(default_pools().pools(0).local().confine().processes(), 4096u);
  const v1::PoolsFile said =
      parse_pools(
          "rekindle: 1\npools: [{name: a, local: {confine: {files: all, read: [/data, /opt/x], memory: "
          "24GB}}}]\n",
          "pools.yaml")
          .value();
  EXPECT_EQ(said.pools(0).local().confine().files(), v1::Confine::ALL);
  EXPECT_EQ(said.pools(0).local().confine().read(1), "/opt/x");
  EXPECT_EQ(said.pools(0).local().confine().memory(), 24'000'000'000u);
  const auto refused = [](std::string_view confine) {
    return refusal(fmt::format("rekindle: 1\npools: [{{name: a, local: {{confine: {{{}}}}}}}]\n", confine));
  };
  EXPECT_THAT(refused("read: [data]"), HasSubstr("must be an absolute path"));
  EXPECT_THAT(refused("read: [/]"), HasSubstr("'/' is everything"));
  EXPECT_THAT(refused("memory: 1MB"), HasSubstr("at least 64MB"));
  EXPECT_THAT(refused("processes: 3"), HasSubstr("at least 64"));
  EXPECT_THAT(refused("files: none"), HasSubstr("files"));
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

constexpr std::string_view kHosts = R"(rekindle: 1
pools:
  - name: lab
    hosts:
      inventory:
        - {name: n1, slots: 8, gpus: 2, memory: 64GB, labels: {rack: a}}
        - {name: n2.cluster, slots: 4, memory: 32GB}
      collectives: eth1,10.0.0.0/24
)";

TEST(Pools, HostsHaveDefaultsToo) {
  const Result<v1::PoolsFile> pools = parse_pools(kHosts, "pools.yaml");
  ASSERT_TRUE(pools.ok()) << pools.status().message();
  const v1::HostsPool& hosts = pools->pools(0).hosts();
  EXPECT_EQ(hosts.inventory(0).memory(), 64'000'000'000u);
  EXPECT_EQ(hosts.inventory(0).labels().at("rack"), "a");
  EXPECT_EQ(hosts.agent(0), "ssh");
  EXPECT_THAT(
      std::vector<std::string>(hosts.agent().begin(), hosts.agent().end()),
      ::testing::AllOf(::testing::Contains("BatchMode=yes"), ::testing::Contains("ConnectTimeout=5")));
  EXPECT_EQ(hosts.misses(), 3u);
  EXPECT_EQ(hosts.suspect().faults(), 3u);
  EXPECT_EQ(hosts.suspect().of(), 10u);
}

// What ends up on mpirun's and the agent's command lines.
TEST(Pools, HostsAreNamesAlone) {
  for (const char* bad : {"-oProxyCommand=id", "\"n;rm\"", "\"n[1-1000000]\"", "\"a b\"", "\"$(id)\"",
                          "\"a:2\"", "\"me@n1\"", "\"n1\\nn2\"", ".n1", "n1.", "\"n1,n2\"", "\"n/1\""})
    EXPECT_THAT(
        refusal(fmt::format(
            "rekindle: 1\npools: [{{name: a, hosts: {{inventory: [{{name: {}, slots: 1}}]}}}}]\n", bad)),
        HasSubstr("is not the name of one host"))
        << bad;
  const auto with = [](const std::string& more) {
    return refusal(fmt::format(
        "rekindle: 1\npools: [{{name: a, hosts: {{inventory: [{{name: n1, slots: 1}}], {}}}}}]\n", more));
  };
  EXPECT_EQ(with("agent: [ssh, -F, /etc/rekindle/ssh.conf, -o, ControlPath=/run/me/%C]"), "accepted");
  for (const char* bad : {"agent: [\"ssh -v\"]", "agent: [-v]", "agent: [ssh, \"a:b\"]",
                          "agent: [ssh, \"$(id)\"]", "agent: [ssh, \"a'b\"]", "agent: [ssh, -]"})
    EXPECT_THAT(with(bad), HasSubstr("may hold letters, digits")) << bad;
  for (const char* bad : {"collectives: \"eth0 --mca x y\"", "control: -eth0", "control: \"^eth0\""})
    EXPECT_THAT(with(bad), HasSubstr("may hold letters, digits")) << bad;
  EXPECT_THAT(with("programs: bin"), HasSubstr("must be an absolute path"));
  EXPECT_THAT(with("suspect: {faults: 5, of: 4}"), HasSubstr("5 faults among 4 attempts cannot be"));
  EXPECT_THAT(with("probe: 10ms"), HasSubstr("at least 200ms"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, hosts: {inventory: []}}]\n"),
              HasSubstr("missing 'inventory'"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, hosts: {inventory: [{name: n1, slots: 1}]}, limits: "
                      "{ranks: 4}}]\n"),
              HasSubstr("are what its inventory says"));
  EXPECT_THAT(refusal("rekindle: 1\npools: [{name: a, hosts: {inventory: [{name: n1, slots: 1}]}}, "
                      "{name: b, hosts: {inventory: [{name: n1, slots: 1}]}}]\n"),
              HasSubstr("'n1' is in an inventory already"));
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

TEST_F(PoolFit, MemoryThatHostsDoNotTellOfIsNotKept) {
  *pools_.mutable_pools(1) = parse_pools(kHosts, "pools.yaml")->pools(0);
  const std::string memory = ", ranks: {count: 2, memory: 8GB}";
  EXPECT_EQ(wrong(spec(memory)), "fits");
  pools_.mutable_pools(1)->mutable_hosts()->mutable_inventory(1)->clear_memory();
  EXPECT_THAT(wrong(spec(memory)), HasSubstr("the inventory says no `memory` of n2.cluster"));
  EXPECT_EQ(wrong(spec(memory, "waive: [train.ranks.memory]\n")), "fits");
  EXPECT_EQ(wrong(spec(", ranks: {min: 1, max: 4}", "priority: 5\n")), "fits") << "as on this host";
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
