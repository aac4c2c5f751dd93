// Pools as the file changes under a running coordinator.
#include "coordinator/pools.h"

#include <gmock/gmock.h>

#include "core/place/outside.h"
#include "tests/coordinator/harness.h"

namespace rekindle::coordinator {
namespace {

using testing::HasSubstr;

class PoolsTest : public testing::Test {
 protected:
  void write(const std::string& pools) {
    ASSERT_TRUE(write_file_durably(file(), "rekindle: 1\npools: [" + pools + "]\n").ok());
  }
  fs::path file() const { return folder_.path() / "pools.yaml"; }

  TempFolder folder_;
  Pools pools_{file()};
};

TEST_F(PoolsTest, WithoutAFileThisHostIsTheOnlyPool) {
  ASSERT_TRUE(pools_.load().ok());
  EXPECT_FALSE(pools_.found());
  EXPECT_EQ(pools_.now().pools(0).name(), "local");
  EXPECT_FALSE(pools_.refresh({}));
  write("{name: here, local: {slots: 3}}");
  EXPECT_TRUE(pools_.refresh({}));
  EXPECT_EQ(pools_.now().pools(0).name(), "here");
  fs::remove(file());
  EXPECT_TRUE(pools_.refresh({}));
  EXPECT_EQ(pools_.now().pools(0).name(), "local");
}

TEST_F(PoolsTest, ABrokenFileIsRefusedAtStartAndIgnoredLater) {
  write("{name: a, local: {slotz: 3}}");
  EXPECT_THAT(pools_.load().message(), HasSubstr("did you mean 'slots'?"));
  write("{name: a, local: {slots: 3}}");
  ASSERT_TRUE(pools_.load().ok());
  write("{name: a, local: {slots: 0x3}}");
  EXPECT_FALSE(pools_.refresh({}));
  EXPECT_THAT(pools_.problem(), HasSubstr("pools.yaml:2:"));
  EXPECT_EQ(pools_.now().pools(0).local().slots(), 3u);
  write("{name: a, local: {slots: 4}}");
  EXPECT_TRUE(pools_.refresh({}));
  EXPECT_EQ(pools_.problem(), "");
}

TEST_F(PoolsTest, WhatAttemptsStandOnStaysUntilTheyHaveEnded) {
  write("{name: a, local: {}}, {name: b, slurm: {}}");
  ASSERT_TRUE(pools_.load().ok());
  write("{name: a, local: {}}");
  EXPECT_FALSE(pools_.refresh({"b"}));
  EXPECT_THAT(pools_.problem(), HasSubstr("pool 'b' has attempts under way"));
  EXPECT_EQ(pools_.now().pools_size(), 2);
  EXPECT_TRUE(pools_.refresh({})) << "asked again though the file did not change";
  EXPECT_EQ(pools_.now().pools_size(), 1);
}

TEST_F(PoolsTest, TheSchedulerSeesEachPoolWithItsLimits) {
  write(
      "{name: here, local: {gpus: 1}, limits: {ranks: 2, runs: 1}}, "
      "{name: big, slurm: {gpu: any}, limits: {gpus: 8}}, {name: cpus, slurm: {}}");
  ASSERT_TRUE(pools_.load().ok());
  Options options;
  options.slots = 4;
  const core::place::Cluster cluster = cluster_of(pools_.now(), options, {});
  EXPECT_EQ(cluster.at("here").nodes[0].room, (core::place::Room{2, 1, 0}));
  EXPECT_EQ(cluster.at("here").nodes[0].name, core::place::kThisHost);
  EXPECT_EQ(cluster.at("here").runs, 1u);
  EXPECT_EQ(cluster.at("big").runs, 0u) << "no limit";
  EXPECT_EQ(cluster.at("big").nodes[0].name, core::place::kOutside);
  EXPECT_EQ(cluster.at("big").nodes[0].room.gpus, 8u);
  EXPECT_EQ(cluster.at("cpus").nodes[0].room.gpus, 0u);
}

}  // namespace
}  // namespace rekindle::coordinator
