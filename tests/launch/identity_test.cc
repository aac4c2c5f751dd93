// Which rank a process is under each launcher, and ports that no two gangs share.
#include "launch/command/identity.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

namespace rekindle::launch {
namespace {

using testing::HasSubstr;
using Set = std::map<std::string, std::string>;

Result<RankIdentity> identity(const Set& set, uint32_t world) {
  return identity_of(
      [&set](const char* name) -> const char* {
        const auto it = set.find(name);
        return it == set.end() ? nullptr : it->second.c_str();
      },
      world);
}

std::string text(const Set& set, uint32_t world) {
  const auto it = identity(set, world);
  if (!it.ok()) return it.status().message();
  return std::to_string(it->rank) + "/" + std::to_string(it->world) + " " + std::to_string(it->local_rank) +
         "/" + std::to_string(it->local_world);
}

TEST(Identity, OfEachLauncher) {
  EXPECT_EQ(text({}, 1), "0/1 0/1");
  EXPECT_EQ(text({{"OMPI_COMM_WORLD_RANK", "3"},
                  {"OMPI_COMM_WORLD_SIZE", "4"},
                  {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                  {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                  {"PMIX_RANK", "3"}},
                 4),
            "3/4 1/2");
  const Set slurm = {
      {"SLURM_PROCID", "2"}, {"SLURM_STEP_NUM_TASKS", "5"}, {"SLURM_NTASKS", "9"}, {"SLURM_LOCALID", "0"}};
  const auto with = [&slurm](const std::string& layout, const std::string& node) {
    Set out = slurm;
    out["SLURM_STEP_TASKS_PER_NODE"] = layout;
    out["SLURM_NODEID"] = node;
    return out;
  };
  EXPECT_EQ(text(slurm, 5), "2/5 0/5");
  EXPECT_EQ(text(with("2(x2),1", "1"), 5), "2/5 0/2");
  EXPECT_EQ(text(with("2(x2),1", "2"), 5), "2/5 0/1");
  EXPECT_EQ(text(with("5", "0"), 5), "2/5 0/5");
  EXPECT_EQ(text({{"PMIX_RANK", "1"}}, 2), "1/2 1/2");
}

TEST(Identity, WhatCannotBeIsRefused) {
  EXPECT_THAT(text({}, 2), HasSubstr("mpirun or srun starts the ranks of a gang"));
  EXPECT_THAT(text({{"OMPI_COMM_WORLD_RANK", "one"}, {"OMPI_COMM_WORLD_SIZE", "2"}}, 2),
              HasSubstr("'one' is not a number"));
  EXPECT_THAT(text({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "3"}}, 2),
              HasSubstr("3 ranks were started, the plan has 2"));
  EXPECT_THAT(text({{"OMPI_COMM_WORLD_RANK", "2"}, {"OMPI_COMM_WORLD_SIZE", "2"}}, 2),
              HasSubstr("cannot be"));
  EXPECT_THAT(text({{"PMIX_RANK", "-1"}}, 2), HasSubstr("is not a number"));
}

TEST(Ports, AreClaimedWhileTheyAreHeld) {
  std::vector<ClaimedPort> held;
  for (int i = 0; i < 20; ++i) {
    held.push_back(claim_port().value());
    for (int k = 0; k < i; ++k) EXPECT_NE(held[static_cast<size_t>(k)].port, held.back().port);
  }
  const int first = held[0].port;
  held.clear();
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(first));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0)
      << "a claimed port is free for whoever it was claimed for";
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_NE(claim_port().value().port, first) << "somebody listens there";
}

TEST(Meetings, AreReadAsTheyWereWritten) {
  const fs::path path = fs::temp_directory_path() / ("rekindle-meeting-" + std::to_string(::getpid()));
  EXPECT_EQ(read_meeting(path).status().code(), Code::kNotFound);
  ASSERT_TRUE(publish_meeting(path, {"127.0.0.1", 12345}).ok());
  EXPECT_EQ(read_meeting(path).value().address, "127.0.0.1");
  EXPECT_EQ(read_meeting(path).value().port, 12345);
  fs::remove(path);
}

}  // namespace
}  // namespace rekindle::launch
