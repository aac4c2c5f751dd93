// Nodes: cordoned, drained, suspected; journalled, and kept over a restart.
#include "core/nodes.h"
#include "core/leaving.h"
#include "tests/core/driver.h"

namespace rekindle::core::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NodesOfAPool : public ::testing::Test {
 protected:
  void SetUp() override {
    d.run(AddSnapshot{january(), false});
    place::Pool lab;
    for (const char* name : {"n1", "n2", "n3"}) lab.nodes.push_back({name, {1, 0, 0}, {}, {}});
    lab.suspects = {2, 4};
    cluster["lab"] = lab;
    d.nodes(cluster);
    add("two", 2);
    add("one", 1);
  }
  void add(const std::string& name, uint32_t ranks, Seconds limit = Seconds(0)) {
    v1::JobSpec spec = spec_of(name, ranks);
    spec.set_pool("lab");
    spec.mutable_train()->mutable_limits()->set_hang_retries(50);
    spec.mutable_train()->mutable_limits()->set_crash_retries(50);
    if (limit > Seconds(0)) *spec.mutable_train()->mutable_limits()->mutable_attempt() = to_proto(limit);
    d.run(Apply{apply_of(spec)});
  }
  ChangeNode change(v1::ChangeNodeRequest::Change to, const std::string& node,
                    const std::string& reason = "disk") {
    ChangeNode out;
    out.request.set_change(to);
    out.request.set_node(node);
    out.request.set_reason(reason);
    return out;
  }
  std::string seats(const std::string& id) {
    std::string text;
    const v1::Attempt* attempt = live_attempt(d.run_of(id));
    if (!attempt) return "none";
    for (const v1::NodeShare& share : attempt->shares()) text += share.node() + " ";
    return text;
  }
  // An attempt of a run of its own on n1 alone, which ends so.
  std::string ends_on_n1(v1::EndClass end, const std::string& node = "") {
    const std::string id = d.start("one");
    EXPECT_EQ(seats(id), "n1 ");
    d.gang_starts(id);
    std::optional<v1::Outcome> outcome;
    if (end == v1::END_FINISHED) outcome = finished(id, evaluation_of(.5, 0));
    d.run(AttemptEnded{RunId(id), d.attempt(id), end, "", outcome, node}, kSelf);
    v1::CancelRunRequest cancel;
    cancel.set_id(id);
    d.run(CancelRun{cancel});
    return id;
  }
  v1::NodeView view(const std::string& node) {
    for (const v1::NodeView& one : node_views(d.state, *closed_by(d.state, d.world.cluster)))
      if (one.node() == node) return one;
    return {};
  }
  std::string why(const std::string& id) {
    return why_not(d.state, *closed_by(d.state, d.world.cluster), d.run_of(id), d.world.now).reasons(0);
  }

  place::Cluster cluster;
  Driver d;
};

TEST_F(NodesOfAPool, ACordonedNodeKeepsWhatItHasAndTakesNothingNew) {
  const std::string first = d.start("one");
  EXPECT_EQ(seats(first), "n1 ");
  d.run(change(v1::ChangeNodeRequest::CORDON, "n1"));
  d.run(change(v1::ChangeNodeRequest::CORDON, "n2", "new cable"));
  d.gang_starts(first);
  EXPECT_FALSE(live_attempt(d.run_of(first))->yield_requested());
  EXPECT_EQ(seats(d.start("one")), "n3 ");
  const std::string waits = d.start("two");
  EXPECT_THAT(why(waits), HasSubstr("n1: cordoned by anna: disk, n2: cordoned by anna: new cable"));
  EXPECT_EQ(view("n1").state(), v1::NodeView::CORDONED);
  EXPECT_THAT(view("n1").runs(), ElementsAre(first));
  d.run(change(v1::ChangeNodeRequest::UNCORDON, "n2"));
  EXPECT_EQ(view("n2").state(), v1::NodeView::OPEN);
  EXPECT_THAT(d.run(change(v1::ChangeNodeRequest::UNCORDON, "n2")).events, IsEmpty());
}

TEST_F(NodesOfAPool, ADrainedNodeIsLeftForOthersAtNoCharge) {
  add("limited", 1, Seconds(86400));
  const std::string id = d.start("limited");
  const QueueKey before = queue_key(d.run_of(id));
  d.gang_starts(id);
  d.run(change(v1::ChangeNodeRequest::DRAIN, "n1"));
  const v1::Attempt& asked = d.run_of(id).attempts(0);
  EXPECT_TRUE(asked.yield_requested());
  EXPECT_THAT(asked.message(), HasSubstr("node n1 is drained by anna: disk"));
  EXPECT_EQ(kill_us(d.state, d.run_of(id), asked), asked.yield_requested_us() + Micros(Seconds(30)).count())
      << "its own limit is a day away";
  EXPECT_EQ(view("n1").state(), v1::NodeView::DRAINING);
  v1::Outcome left;
  left.set_kind(v1::Outcome::YIELDED);  // before its first step
  d.ends(id, v1::END_YIELDED, left);
  EXPECT_EQ(d.run_of(id).attempts(0).end(), v1::END_YIELDED);
  EXPECT_THAT(d.run_of(id).attempts(0).message(), HasSubstr("left node n1, which is drained"));
  EXPECT_EQ(d.run_of(id).hang_failures(), 0u);
  const QueueKey after = queue_key(d.run_of(id));
  EXPECT_FALSE(before < after || after < before) << "it keeps its place";
  EXPECT_EQ(seats(id), "n2 ");
  EXPECT_EQ(view("n1").state(), v1::NodeView::DRAINED);
}

TEST_F(NodesOfAPool, WhoDoesNotLeaveADrainedNodeIsKilled) {
  const std::string id = d.start("one");
  d.gang_starts(id);
  d.run(change(v1::ChangeNodeRequest::DRAIN, "n1"));
  d.pass(Seconds(31));
  EXPECT_TRUE(d.run_of(id).attempts(0).kill_requested());
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(id).attempts(0).end(), v1::END_PREEMPTED);
  EXPECT_THAT(d.run_of(id).attempts(0).message(), HasSubstr("node n1 is drained; still there"));
}

TEST_F(NodesOfAPool, WhatIsAskedForMustMakeSense) {
  EXPECT_EQ(d.refuse(change(v1::ChangeNodeRequest::CORDON, "n9")).code(), Code::kNotFound);
  EXPECT_EQ(d.refuse(change(v1::ChangeNodeRequest::CORDON, "n1", "")).code(), Code::kInvalidArgument);
  EXPECT_EQ(d.refuse(change(v1::ChangeNodeRequest::CHANGE_UNSPECIFIED, "n1")).code(), Code::kInvalidArgument);
  cluster["other"].nodes.push_back({"n1", {1, 0, 0}, {}, {}});
  d.nodes(cluster);
  EXPECT_THAT(d.refuse(change(v1::ChangeNodeRequest::CORDON, "n1")).message(), HasSubstr("say --pool"));
  ChangeNode named = change(v1::ChangeNodeRequest::CORDON, "n1");
  named.request.set_pool("other");
  d.run(named);
  EXPECT_EQ(seats(d.start("one")), "n1 ") << "that of pool lab is open";
}

TEST_F(NodesOfAPool, FaultsOfDifferentRunsMakeANodeASuspect) {
  const std::string first = ends_on_n1(v1::END_CRASH);
  EXPECT_EQ(view("n1").faults(), 1u);
  ends_on_n1(v1::END_FINISHED);
  const std::string second = ends_on_n1(v1::END_HANG);
  EXPECT_EQ(view("n1").state(), v1::NodeView::SUSPECTED);
  EXPECT_THAT(view("n1").reasons(0),
              HasSubstr("suspected: 2 faults in its last 3 attempts (crash in " + first + "/1, hang in " +
                        second + "/1); `rekindle uncordon n1`"));
  EXPECT_EQ(seats(d.start("one")), "n2 ");
  d.run(change(v1::ChangeNodeRequest::UNCORDON, "n1", ""));
  EXPECT_EQ(view("n1").faults(), 0u);
  EXPECT_EQ(seats(d.start("one")), "n1 ");
}

TEST_F(NodesOfAPool, AJobThatCrashesEverywhereSpoilsNoNode) {
  const std::string id = d.start("one");
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(seats(id), "n1 ");
    d.gang_starts(id);
    d.ends(id, v1::END_CRASH);
    d.pass(Seconds(3600));
  }
  EXPECT_EQ(view("n1").faults(), 1u);
  EXPECT_EQ(view("n1").state(), v1::NodeView::OPEN);
}

TEST_F(NodesOfAPool, OnlyTheNodeWhoseFaultItWasIsBlamed) {
  for (int i = 0; i < 2; ++i) {
    const std::string id = d.start("two");
    d.gang_starts(id);
    // A hang is told when it is seen; the kill that follows says nothing new.
    d.run(HangDetected{RunId(id), 1, "rank 1 stopped", v1::END_HANG, "n2"}, kSelf);
    d.ends(id, v1::END_CRASH);
    v1::CancelRunRequest cancel;
    cancel.set_id(id);
    d.run(CancelRun{cancel});
  }
  EXPECT_EQ(view("n2").state(), v1::NodeView::SUSPECTED);
  EXPECT_EQ(view("n1").faults(), 0u);
  const std::string id = d.start("two");
  EXPECT_EQ(seats(id), "n1 n3 ");
  d.gang_starts(id);
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(view("n1").faults() + view("n3").faults(), 0u) << "nobody knows which";
}

TEST_F(NodesOfAPool, ALostHostIsCountedEachTimeALostSupervisorNever) {
  ends_on_n1(v1::END_NODE_LOST);
  EXPECT_EQ(view("n1").faults(), 0u) << "the supervisor was elsewhere";
  const std::string id = d.start("one");
  for (int i = 0; i < 2; ++i) {
    d.gang_starts(id);
    d.run(AttemptEnded{RunId(id), d.attempt(id), v1::END_NODE_LOST, "", std::nullopt, "n1"}, kSelf);
    d.pass(Seconds(3600));
  }
  EXPECT_EQ(view("n1").state(), v1::NodeView::SUSPECTED);
}

TEST_F(NodesOfAPool, FaultsAreForgottenAfterSoManyGoodEnds) {
  ends_on_n1(v1::END_CRASH);
  for (int i = 0; i < 4; ++i) ends_on_n1(v1::END_FINISHED);
  EXPECT_EQ(view("n1").faults(), 0u);
  EXPECT_THAT(d.state.nodes, IsEmpty()) << "nothing is kept of a node that does well";
}

TEST_F(NodesOfAPool, ARestartKeepsWhatOperatorsSaid) {
  d.run(change(v1::ChangeNodeRequest::DRAIN, "n1"));
  State again = from_snapshot(to_snapshot(d.state));
  EXPECT_EQ(again.nodes.size(), d.state.nodes.size());
  EXPECT_TRUE(find_node(again, "lab", "n1")->draining());
  State replayed;
  for (const v1::Event& event : d.journal) apply(replayed, event);
  EXPECT_EQ(to_snapshot(replayed).SerializeAsString(), to_snapshot(d.state).SerializeAsString());
}

TEST_F(NodesOfAPool, WhatLeftThePoolStaysOnRecordAndCanBeForgotten) {
  d.run(change(v1::ChangeNodeRequest::CORDON, "n3"));
  cluster["lab"].nodes.pop_back();
  d.nodes(cluster);
  EXPECT_EQ(view("n3").state(), v1::NodeView::REMOVED);
  d.run(change(v1::ChangeNodeRequest::UNCORDON, "n3"));
  EXPECT_EQ(view("n3").node(), "");
}

TEST_F(NodesOfAPool, BothReasonsAreToldOfANodeThatIsAlsoSilent) {
  cluster["lab"].nodes[0].closed = "unreachable: no route";
  d.nodes(cluster);
  EXPECT_EQ(view("n1").state(), v1::NodeView::UNREACHABLE);
  EXPECT_EQ(seats(d.start("one")), "n2 ");
  d.run(change(v1::ChangeNodeRequest::CORDON, "n1"));
  EXPECT_EQ(view("n1").state(), v1::NodeView::CORDONED);
  EXPECT_THAT(view("n1").reasons(0), HasSubstr("cordoned by anna: disk; unreachable: no route"));
}

}  // namespace
}  // namespace rekindle::core::testing
