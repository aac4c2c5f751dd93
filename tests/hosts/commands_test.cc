// The words that mpirun and the agent are given, and what mpirun says of a host that it lost.
#include <gmock/gmock.h>

#include "base/text/shell.h"
#include "launch/hosts/agent.h"
#include "launch/hosts/gang_hosts.h"
#include "launch/hosts/launcher.h"
#include "launch/hosts/parts.h"
#include "proto/time.h"

namespace rekindle::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

v1::Plan plan_on_two() {
  v1::Plan plan;
  plan.set_world(3);
  plan.set_threads_per_rank(1);
  plan.set_start_nonce("abc123");
  v1::NodeShare& first = *plan.add_shares();
  first.set_node("n2");
  first.set_ranks(1);
  v1::NodeShare& second = *plan.add_shares();
  second.set_node("n1");
  second.set_ranks(2);
  return plan;
}

v1::Pool pool() {
  v1::Pool pool;
  pool.set_name("lab");
  v1::HostsPool& hosts = *pool.mutable_hosts();
  for (const char* word : {"ssh", "-o", "BatchMode=yes"}) hosts.add_agent(word);
  hosts.set_collectives("eth1");
  hosts.set_misses(3);
  *hosts.mutable_probe() = to_proto(std::chrono::milliseconds(1500));
  *hosts.mutable_answer_within() = to_proto(Seconds(10));
  return pool;
}

TEST(HostsCommands, MpirunIsGivenHostsInTheOrderOfThePlacement) {
  EXPECT_EQ(hostfile_text(plan_on_two()), "n2\nn1\nn1\n");
  GangOptions options{
      .folder = "/shared/runs/a-1/1", .trainer = "/bin/rekindle-trainer", .self = "/bin/rekindle-gang"};
  options.hosts.emplace();
  *options.hosts->mutable_pool() = pool().hosts();
  options.hosts->set_gang("/opt/rekindle-gang");
  options.hosts->set_trainer("/opt/rekindle-trainer");
  const StartOfRanks start =
      start_of_ranks(options, plan_on_two(), "/dev/shm/rekindle-x", {"the rank itself"});
  EXPECT_FALSE(start.alone);
  const std::string line = shell_line(start.argv);
  EXPECT_THAT(line, testing::StartsWith("mpirun -n 3 --hostfile /shared/runs/a-1/1/hostfile --map-by seq "));
  for (const char* part :
       {"--mca plm rsh ", "--mca plm_rsh_agent 'ssh -o BatchMode=yes' ", "--mca plm_rsh_no_tree_spawn 1 ",
        "--mca btl vader,self,tcp ", "--mca btl_tcp_if_include eth1 ", "--mca oob_tcp_keepalive_time 2 ",
        "--mca oob_tcp_keepalive_probes 3 ", "--mca orte_tmpdir_base /dev/shm/rekindle-x ",
        "-x REKINDLE_ATTEMPT "})
    EXPECT_THAT(line, HasSubstr(part));
  EXPECT_THAT(line, Not(HasSubstr("oob_tcp_if_include"))) << "nothing was said of it";
  EXPECT_THAT(line,
              testing::EndsWith(
                  "/opt/rekindle-gang rank --folder /shared/runs/a-1/1 --trainer /opt/rekindle-trainer"));
  v1::Plan one = plan_on_two();
  one.set_world(1);
  EXPECT_FALSE(start_of_ranks(options, one, "/dev/shm/rekindle-x", {"the rank itself"}).alone)
      << "one rank is elsewhere too";
}

TEST(HostsCommands, TheAgentIsGivenOneCommandForAShell) {
  const HostPart part{.part = "prove",
                      .folder = "/shared/it's here/1",
                      .scratch = "/tmp/rekindle-x",
                      .trainer = "/opt/rekindle-trainer",
                      .host = "n1",
                      .nonce = "abc"};
  EXPECT_THAT(
      on_host(pool().hosts(), "n1", host_command("/opt/rekindle-gang", part)),
      ElementsAre("ssh", "-o", "BatchMode=yes", "n1",
                  "/opt/rekindle-gang prove --folder '/shared/it'\\''s here/1' --scratch /tmp/rekindle-x "
                  "--trainer /opt/rekindle-trainer --host n1 --nonce abc"));
}

TEST(HostsCommands, AnswersComeInTheHostsOrderWhoeverIsFirst) {
  v1::HostsPool hosts = pool().hosts();
  hosts.clear_agent();
  // An agent that runs the command here, the later the earlier its host stands in the list.
  for (const char* word : {"/bin/sh", "-c", R"(sleep 0.$((9 - ${0#n})); exec sh -c "$1")"})
    hosts.add_agent(word);
  const std::vector<HostAnswer> answers =
      ask_hosts(hosts, {"n1", "n2", "n8"}, [](const std::string& host) -> std::vector<std::string> {
        if (host == "n2") return {"sh", "-c", "echo no way; exit 255"};
        return {"echo", host, "a b"};
      });
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[0].text, "n1 a b");
  EXPECT_THAT(answers[1].reached.message(), HasSubstr("no way"));
  EXPECT_EQ(answers[2].host, "n8");
  EXPECT_TRUE(answers[2].reached.ok());
}

TEST(HostsCommands, AHostThatAnswersTooLateDoesNotAnswer) {
  v1::HostsPool hosts = pool().hosts();
  hosts.clear_agent();
  for (const char* word : {"/bin/sh", "-c", "exec sleep 60"}) hosts.add_agent(word);
  *hosts.mutable_answer_within() = to_proto(std::chrono::milliseconds(300));
  const std::vector<HostAnswer> answers =
      ask_hosts(hosts, {"n1"}, [](const std::string&) { return std::vector<std::string>{"true"}; });
  EXPECT_EQ(answers[0].reached.code(), Code::kDeadlineExceeded);
}

TEST(HostsCommands, MpirunTellsWhichHostItLost) {
  EXPECT_EQ(lost_daemon("rank 0 says something\n"
                        "ORTE has lost communication with a remote daemon.\n\n"
                        "  HNP daemon   : [[9378,0],0] on node head\n"
                        "  Remote daemon: [[9378,0],2] on node n1\n\nThis is usually due to"),
            "n1");
  EXPECT_EQ(lost_daemon("mpirun noticed that process rank 1 with PID 15 on node n1 exited on signal 9"),
            std::nullopt);
}

TEST(HostsCommands, WhatWouldBeLaunchedIsShown) {
  const std::string text = hosts_launch_text(
      pool(), {.gang_program = "/bin/rekindle-gang", .trainer_program = "/bin/rekindle-trainer"},
      plan_on_two(), AttemptFolder("/shared/runs/a-1/1"));
  for (const char* part : {"/bin/rekindle-gang --folder /shared/runs/a-1/1", "prove --folder",
                           "--nonce abc123", "--map-by seq", "/shared/runs/a-1/1/hostfile:\nn2\nn1\nn1\n"})
    EXPECT_THAT(text, HasSubstr(part));
}

}  // namespace
}  // namespace rekindle::launch
