// The scheduler, over many random queues.
#include "core/schedule.h"
#include "core/plan.h"
#include "core/queue.h"

#include <random>

#include "tests/core/driver.h"

namespace rekindle::core::testing {
namespace {

using ::testing::HasSubstr;

uint64_t below(std::mt19937_64& random, uint64_t bound) {
  return random() % bound;
}

v1::Run queued(uint64_t number, int64_t turn_us, double worth, int32_t priority = 0) {
  v1::Run run;
  run.set_id(fmt::format("job-{}", number));
  run.set_priority(priority);
  run.set_queued_us(turn_us);
  run.set_worth(worth);
  return run;
}

TEST(QueueOrder, OfRunsOfOneHourTheWorthiestComesFirst) {
  constexpr int64_t kMinuteUs = 60'000'000;
  const int64_t hour = day_us(2, 1);
  std::vector<QueueKey> keys;
  for (const v1::Run& run : {queued(1, hour + kMinuteUs, 0), queued(2, hour + 2 * kMinuteUs, 0.5),
                             queued(3, hour + 3 * kMinuteUs, 7), queued(4, hour + 60 * kMinuteUs, 9),
                             queued(5, hour + 61 * kMinuteUs, 0, 1), queued(6, hour, 0)})
    keys.push_back(queue_key(run));
  std::sort(keys.begin(), keys.end());
  std::vector<uint64_t> order;
  for (const QueueKey& key : keys) order.push_back(key.number);
  EXPECT_THAT(order, ::testing::ElementsAre(5, 3, 2, 6, 1, 4));
}

struct Host {
  State state;
  Capacity capacity;
  place::Cluster cluster;
};

Capacity plus(Capacity a, Capacity b) {
  return {a.slots + b.slots, a.gpus + b.gpus};
}
bool fits(Capacity need, Capacity room) {
  return need.slots <= room.slots && need.gpus <= room.gpus;
}
Capacity need_of(const v1::Run& run, uint32_t ranks) {
  return {ranks, ranks * gpus_per_rank(State(), run)};
}

void hold(v1::Run& run, uint32_t world, uint32_t& next_device) {
  run.set_state(v1::RUNNING);
  auto* attempt = run.add_attempts();
  attempt->set_number(1);
  attempt->set_state(v1::Attempt::STARTED);
  attempt->set_slots(world);
  attempt->set_world(world);
  for (uint32_t i = 0; i < world * gpus_per_rank(State(), run); ++i) attempt->add_devices(next_device++);
}

Host random_host(std::mt19937_64& random, Time now) {
  Host host;
  host.capacity.slots = 1 + static_cast<uint32_t>(below(random, 8));
  host.capacity.gpus = static_cast<uint32_t>(below(random, 4));
  host.state.moved_us = to_micros(now) - static_cast<int64_t>(below(random, 3));
  Capacity used;
  uint64_t count = 1 + below(random, 12);
  for (uint64_t i = 1; i <= count; ++i) {
    v1::Run run;
    run.set_id(fmt::format("job-{}", i));
    run.set_job("job");
    run.set_priority(static_cast<int32_t>(below(random, 3)) - 1);
    run.set_queued_us(static_cast<int64_t>(below(random, 4)));
    if (below(random, 6) == 0) run.set_task(v1::Plan::SCORE);
    auto* ranks = run.mutable_spec()->mutable_train()->mutable_ranks();
    if (below(random, 3) == 0) {
      ranks->set_min(1 + static_cast<uint32_t>(below(random, host.capacity.slots)));
      ranks->set_max(ranks->min() + static_cast<uint32_t>(below(random, 6)));
    } else {
      ranks->set_count(static_cast<uint32_t>(below(random, host.capacity.slots + 3)));
    }
    if (below(random, 4) == 0) ranks->set_gpus(1);
    run.set_state(v1::QUEUED);
    if (below(random, 4) == 0)
      run.set_not_before_us(to_micros(now) + static_cast<int64_t>(below(random, 3)) - 1);
    const Capacity need = need_of(run, ranks_wanted(State(), run).min);
    if (below(random, 3) == 0 && fits(plus(used, need), host.capacity)) {
      hold(run, need.slots, used.gpus);
      used.slots += need.slots;
    } else if (below(random, 4) == 0) {
      auto* ended = run.add_attempts();
      ended->set_number(1);
      ended->set_state(v1::Attempt::ENDED);
    }
    file_run(host.state, host.state.runs[RunId(run.id())] = run);
  }
  host.cluster = place::one_host(host.capacity.slots, host.capacity.gpus);
  return host;
}

TEST(Schedule, EveryQueuedRunIsPlacedOrHasItsReasonAndPosition) {
  const Time now = time_from_micros(1000);
  int elastic = 0, refused = 0, waiting = 0;
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    std::mt19937_64 random(seed);
    const Host host = random_host(random, now);
    const Schedule plan = schedule(host.state, host.cluster, now);
    SCOPED_TRACE(fmt::format("seed {}", seed));

    // Never more than there is; all or none; nobody before its time.
    Capacity used = used_now(host.state);
    std::set<RunId> seen;
    for (const Placement& one : plan.place) {
      const v1::Run& run = host.state.runs.at(one.run);
      used = plus(used, need_of(run, one.world()));
      ASSERT_LE(run.not_before_us(), to_micros(now));
      ASSERT_GE(one.world(), ranks_wanted(State(), run).min);
      ASSERT_LE(one.world(), ranks_wanted(State(), run).max);
      elastic += one.world() > ranks_wanted(State(), run).min;
      ASSERT_TRUE(seen.insert(one.run).second);
    }
    ASSERT_TRUE(fits(used, host.capacity));
    uint32_t position = 0;
    for (const v1::QueuePlace& place : queue_places(host.state, host.cluster, place::kLocal, now, 100)) {
      ASSERT_FALSE(place.reason().empty());
      ASSERT_EQ(place.position(), ++position);
      ASSERT_TRUE(seen.insert(RunId(place.run())).second);
      ++waiting;
    }
    size_t queued = 0;
    for (const auto& [id, run] : host.state.runs) queued += run.state() == v1::QUEUED;
    ASSERT_EQ(seen.size(), queued);
    // What cannot be is refused before it was ever tried.
    for (const Waiting& hopeless : plan.refused) {
      const v1::Run& run = host.state.runs.at(hopeless.run);
      ASSERT_GT(need_of(run, ranks_wanted(State(), run).min).gpus, host.capacity.gpus);
      ASSERT_EQ(run.attempts_size(), 0);
      ++refused;
    }
  }
  for (int count : {elastic, refused, waiting}) EXPECT_GT(count, 500);
}

TEST(Schedule, GrowthTakesOnlyWhatNobodyWantsAndOneAtATime) {
  const Time now = time_from_micros(1000);
  int grown = 0;
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    std::mt19937_64 random(seed);
    Host host = random_host(random, now);
    const std::optional<Growth> growing = growth(host.state, host.cluster);
    if (!growing) continue;
    ++grown;
    SCOPED_TRACE(fmt::format("seed {}", seed));
    v1::Run& run = host.state.runs.at(growing->run);
    ASSERT_TRUE(ranks_wanted(State(), run).elastic());
    ASSERT_EQ(growing->from, live_attempt(run)->world());
    ASSERT_GT(growing->to, growing->from);
    ASSERT_LE(growing->to, ranks_wanted(State(), run).max);
    ASSERT_EQ(growing->due_us, host.state.moved_us + Micros(kGrowAfter).count());
    ASSERT_TRUE(fits(plus(used_now(host.state), need_of(run, growing->to - growing->from)), host.capacity));
    for (const auto& [id, other] : host.state.runs)
      if (other.state() == v1::QUEUED) {
        ASSERT_FALSE(fits(need_of(other, ranks_wanted(State(), other).min), host.capacity)) << id << " waits";
      }
    // Once it has left it is placed that large.
    unfile_run(host.state, run);
    run.mutable_attempts(0)->set_state(v1::Attempt::ENDED);
    run.set_state(v1::QUEUED);
    run.clear_not_before_us();
    file_run(host.state, run);
    const Schedule then = schedule(host.state, host.cluster, now);
    ASSERT_EQ(then.place.size(), 1u);
    ASSERT_EQ(then.place[0].world(), growing->to);
    unfile_run(host.state, run);
    run.mutable_attempts(0)->set_state(v1::Attempt::STARTED);
    run.set_state(v1::RUNNING);
    file_run(host.state, run);
    run.mutable_attempts(0)->set_resize_requested(true);
    ASSERT_FALSE(growth(host.state, host.cluster).has_value());
  }
  EXPECT_GT(grown, 100);
}

TEST(Schedule, TheHeadIsNotDelayed) {
  Driver d(3);
  d.add_job("two", 2);
  d.run(Apply{apply_of(spec_of("three", 3))});
  d.run(Apply{apply_of(spec_of("one", 1))});
  std::string first = d.start("two");
  d.world.now += Seconds(1);
  std::string head = d.start("three");
  d.world.now += Seconds(1);
  std::string small = d.start("one");
  EXPECT_TRUE(schedule(d.state, *d.world.cluster, d.world.now).place.empty())
      << "one slot is free, but its use could delay the head";
  ASSERT_EQ(d.waiting().size(), 2u);
  EXPECT_THAT(d.waiting()[0].reason(), HasSubstr("waits for 3 slots: 1 of 3 are free"));
  EXPECT_THAT(d.waiting()[1].reason(), HasSubstr("behind " + head));
  d.ends(first, v1::END_SPEC_REFUSED);
  EXPECT_EQ(d.run_of(head).state(), v1::RUNNING);
  EXPECT_EQ(d.run_of(small).state(), v1::QUEUED);
}

TEST(Schedule, TenComesAfterTwo) {
  Driver d(1);
  d.add_job("job", 1);
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) ids.push_back(d.start("job"));
  for (const std::string& id : ids) {
    EXPECT_EQ(d.run_of(id).state(), v1::RUNNING) << id;
    d.ends(id, v1::END_SPEC_REFUSED);
  }
}

// --- Several nodes

v1::JobSpec spec_with(const std::string& name, uint32_t ranks, Seconds limit = Seconds(0),
                      int32_t priority = 0) {
  v1::JobSpec spec = spec_of(name, ranks);
  spec.set_pool("gpu");
  spec.set_priority(priority);
  if (limit.count() > 0) *spec.mutable_train()->mutable_limits()->mutable_attempt() = to_proto(limit);
  return spec;
}

class Nodes : public ::testing::Test {
 protected:
  void SetUp() override {
    place::Pool pool;
    for (const char* name : {"a", "b", "c"}) {
      place::Node node{name, {4, 4, 64}, {{"gpu", "a100"}}, {}};
      pool.nodes.push_back(node);
    }
    pool.nodes[2].labels["gpu"] = "h100";
    cluster = {{"gpu", pool}};
    d.nodes(cluster);
    d.run(AddSnapshot{january(), false});
  }
  std::string start(v1::JobSpec spec) {
    const std::string name = spec.name();
    d.run(Apply{apply_of(std::move(spec))});
    d.world.now += Seconds(1);
    return d.start(name);
  }
  const v1::Attempt& newest(const std::string& id) { return *d.run_of(id).attempts().rbegin(); }
  std::string seats(const std::string& id) {
    std::string text;
    for (const v1::NodeShare& share : newest(id).shares()) {
      text += fmt::format("{}{}:{}", text.empty() ? "" : " ", share.node(), share.ranks());
      for (uint32_t device : share.devices()) text += fmt::format(".{}", device);
    }
    return text;
  }
  Driver d;
  place::Cluster cluster;
};

TEST_F(Nodes, GangsArePackedAndTheirGpusAreThoseOfTheNode) {
  v1::JobSpec spec = spec_with("six", 6);
  spec.mutable_train()->mutable_ranks()->set_gpus(1);
  const std::string six = start(spec);
  EXPECT_EQ(seats(six), "a:4.0.1.2.3 b:2.0.1");
  const v1::Plan plan = plan_of(d.state, d.run_of(six), 1);
  EXPECT_EQ(plan.world(), 6u);
  EXPECT_EQ(plan.shares(1).node(), "b");
  EXPECT_EQ(plan.devices(5), "1");
  spec = spec_with("two", 2);
  spec.mutable_train()->mutable_ranks()->set_gpus(1);
  EXPECT_EQ(seats(start(spec)), "b:2.2.3") << "the tightest node";
  spec = spec_with("labelled", 2);
  (*spec.mutable_train()->mutable_ranks()->mutable_nodes())["gpu"] = "h100";
  spec.mutable_train()->mutable_ranks()->set_memory(30);
  EXPECT_EQ(seats(start(spec)), "c:2");
  spec.set_name("more");
  const std::string more = start(spec);
  EXPECT_EQ(d.run_of(more).state(), v1::QUEUED) << "the memory of node c is taken";
  EXPECT_THAT(d.waiting("gpu")[0].reason(), HasSubstr("where its ranks fit: 2 of 12 slots are free"));
}

TEST_F(Nodes, WhatCannotBeSaysWhy) {
  v1::JobSpec spec = spec_with("labelled", 5);
  (*spec.mutable_train()->mutable_ranks()->mutable_nodes())["gpu"] = "h100";
  const std::string id = start(spec);
  EXPECT_THAT(d.waiting("gpu")[0].reason(), HasSubstr("on nodes with gpu=h100; pool gpu has room for 4"));
  spec = spec_with("elsewhere", 1);
  spec.set_pool("tpu");
  start(spec);
  EXPECT_THAT(d.waiting("tpu")[0].reason(), HasSubstr("its pool 'tpu' is not there"));
  start(spec_with("wide", 12));
  cluster["gpu"].nodes[1].closed = "cordoned by anna";
  d.nodes(cluster);
  start(spec_with("wider", 9));
  EXPECT_THAT(d.waiting("gpu")[1].reason(),
              HasSubstr("4 of 12 that pool gpu could give are on closed nodes (b: cordoned by anna)"));
}

TEST_F(Nodes, APoolRunsNoMoreAtOnceThanItMay) {
  cluster["gpu"].runs = 1;
  d.nodes(cluster);
  const std::string first = start(spec_with("a", 1));
  const std::string second = start(spec_with("b", 1));
  const std::string third = start(spec_with("c", 1));
  EXPECT_EQ(d.run_of(first).state(), v1::RUNNING);
  EXPECT_EQ(d.waiting("gpu")[0].reason(), "waits for a run of its pool to end: limits.runs allows 1 at once");
  EXPECT_THAT(d.waiting("gpu")[1].reason(), HasSubstr("; " + second + " stands before it"));
  const v1::WhyNotResponse why = why_not(d.state, *d.world.cluster, d.run_of(second), d.world.now);
  EXPECT_THAT(why.reasons(0), HasSubstr("limits.runs allows 1 at once"));
  // The operator raises the limit, and takes it away.
  cluster["gpu"].runs = 2;
  d.nodes(cluster);
  d.pass(Seconds(1));
  EXPECT_EQ(d.run_of(second).state(), v1::RUNNING);
  EXPECT_EQ(d.run_of(third).state(), v1::QUEUED);
  cluster["gpu"].runs = 0;
  d.nodes(cluster);
  d.pass(Seconds(1));
  EXPECT_EQ(d.run_of(third).state(), v1::RUNNING);
}

// A pool that launches each run in its owner's name has their credential, or lets the run wait.
TEST_F(Nodes, WithoutItsOwnersCredentialARunWaitsInNobodysWay) {
  auto& owners = cluster["gpu"].owners.emplace();
  owners["bert"] = place::kForever;
  owners["carl"] = to_micros(d.world.now) + Micros(Seconds(60)).count();
  d.nodes(cluster);
  const auto start_as = [this](const std::string& who, const std::string& name) {
    const v1::JobSpec spec = spec_with(name, 12);
    d.run(Apply{apply_of(spec)}, who);
    v1::StartRunRequest request;
    request.set_job(name);
    return d.run(StartRun{request}, who).id;
  };
  const std::string annas = start_as("anna", "a");
  EXPECT_EQ(d.run_of(annas).state(), v1::QUEUED);
  EXPECT_EQ(
      d.waiting("gpu")[0].reason(),
      "waits for a credential: 'anna' has stored none for pool gpu: `rekindle credential set --pool gpu`");
  EXPECT_THAT(why_not(d.state, *d.world.cluster, d.run_of(annas), d.world.now).reasons(0),
              HasSubstr("has stored none"));
  const std::string berts = start_as("bert", "b");
  EXPECT_EQ(d.run_of(berts).state(), v1::RUNNING) << "nobody waits for what room alone does not keep waiting";
  d.gang_starts(berts);
  d.ends(berts, v1::END_SPEC_REFUSED);
  d.pass(Seconds(61));
  const std::string carls = start_as("carl", "c");
  EXPECT_THAT(d.waiting("gpu")[1].reason(), HasSubstr("that of 'carl' for pool gpu expired at"));
  owners["carl"] = owners["anna"] = to_micros(d.world.now) + Micros(Seconds(60)).count();
  cluster["gpu"].owners = owners;
  d.nodes(cluster);
  d.pass(Seconds(1));
  EXPECT_EQ(d.run_of(annas).state(), v1::RUNNING);
  EXPECT_THAT(d.waiting("gpu")[0].reason(), HasSubstr("waits for 12 slots"));
}

TEST_F(Nodes, AShortRunFillsTheGapAndTheHeadKeepsItsStart) {
  const std::string first = start(spec_with("ten", 10, Seconds(600)));
  const std::string head = start(spec_with("twelve", 12, Seconds(600)));
  const std::string small = start(spec_with("two", 2, Seconds(300)));
  const std::string late = start(spec_with("slow", 2, Seconds(601)));
  EXPECT_EQ(d.run_of(head).state(), v1::QUEUED);
  EXPECT_EQ(d.run_of(small).state(), v1::RUNNING) << "it is gone before the head can start";
  EXPECT_EQ(d.run_of(late).state(), v1::QUEUED);
  const std::vector<v1::QueuePlace> waiting = d.waiting("gpu");
  ASSERT_EQ(waiting.size(), 2u);
  EXPECT_EQ(waiting[0].start_us(), newest(first).placed_us() + Micros(Seconds(600)).count());
  EXPECT_EQ(waiting[1].start_us(), waiting[0].start_us() + Micros(Seconds(600)).count());
  EXPECT_THAT(waiting[0].reason(), HasSubstr("waits for 12 slots: 0 of 12 are free; expected to start by"));
  const v1::WhyNotResponse why = why_not(d.state, *d.world.cluster, d.run_of(late), d.world.now);
  EXPECT_EQ(why.place().position(), 2u);
  EXPECT_THAT(why.reasons(0), HasSubstr("behind " + head));
  // A turn that is over does not come before those who were promised its room.
  d.gang_starts(first);
  d.pass(Seconds(600));
  v1::Outcome left;
  left.set_steps(40);
  d.run(AttemptEnded{RunId(first), 1, v1::END_YIELDED, "", left}, kSelf);
  d.ends(small, v1::END_SPEC_REFUSED);
  EXPECT_EQ(d.run_of(head).state(), v1::RUNNING);
  EXPECT_EQ(d.run_of(first).state(), v1::QUEUED);
}

TEST_F(Nodes, WhoMayAskIsMadeWayForByThoseWhoLoseLeast) {
  std::vector<std::string> ids;
  for (const char* name : {"x", "y", "z"}) {
    ids.push_back(start(spec_with(name, 4)));
    d.gang_starts(ids.back());
  }
  d.world.now += Seconds(100);
  d.world.saved_us[RunId(ids[1])] = to_micros(d.world.now - Seconds(5));
  start(spec_with("patient", 2, Seconds(0), 10));
  EXPECT_FALSE(newest(ids[1]).yield_requested()) << "it does not ask";
  v1::JobSpec spec = spec_with("urgent", 4, Seconds(0), 50);
  spec.set_preempt(true);
  const std::string urgent = start(spec);
  EXPECT_EQ(newest(ids[1]).makes_way_for(), urgent);
  EXPECT_THAT(newest(ids[1]).message(),
              HasSubstr("makes way for urgent-1 (priority 50 over 0): of all that could, 28 rank-seconds"));
  for (const std::string& other : {ids[0], ids[2]}) EXPECT_FALSE(newest(other).yield_requested());

  // With notice: it saves and leaves, and its retry stands behind.
  d.ends(ids[1], v1::END_YIELDED);
  EXPECT_EQ(d.run_of(urgent).state(), v1::RUNNING);
  EXPECT_EQ(d.run_of(ids[1]).state(), v1::QUEUED);
  EXPECT_EQ(d.run_of(ids[1]).preemptions(), 0u) << "one that saved costs nothing";
  EXPECT_THAT(d.run_of(ids[1]).attempts(0).message(), HasSubstr("made way for urgent-1"));

  // One that does not leave is ended, and that is counted apart.
  spec.set_name("second");
  const std::string second = start(spec);
  const std::string& deaf = newest(ids[0]).yield_requested() ? ids[0] : ids[2];
  EXPECT_EQ(newest(deaf).makes_way_for(), second);
  d.pass(Seconds(30));
  EXPECT_TRUE(newest(deaf).kill_requested());
  d.ends(deaf, v1::END_CRASH);
  EXPECT_EQ(d.run_of(deaf).attempts(0).end(), v1::END_PREEMPTED);
  EXPECT_EQ(d.run_of(deaf).preemptions(), 1u);
  EXPECT_EQ(d.run_of(deaf).crash_failures(), 0u);
  EXPECT_EQ(d.run_of(second).state(), v1::RUNNING);
}

TEST_F(Nodes, EqualsAreNeverAskedAndNobodyIsAskedTwice) {
  const std::string running = start(spec_with("x", 12, Seconds(0), 50));
  d.gang_starts(running);
  v1::JobSpec spec = spec_with("equal", 12, Seconds(0), 50);
  spec.set_preempt(true);
  start(spec);
  EXPECT_FALSE(newest(running).yield_requested());
  spec.set_name("higher");
  spec.set_priority(60);
  start(spec);
  EXPECT_TRUE(newest(running).yield_requested());
  const size_t events = d.journal.size();
  d.pass(Seconds(10));
  EXPECT_EQ(d.journal.size(), events);
}

}  // namespace
}  // namespace rekindle::core::testing
