// The scheduler, over many random queues.
#include "core/schedule.h"

#include <random>

#include "tests/core/driver.h"

namespace rekindle::core::testing {
namespace {

using ::testing::HasSubstr;

uint64_t below(std::mt19937_64& random, uint64_t bound) {
  return random() % bound;
}

struct Host {
  State state;
  Capacity capacity;
};

Capacity plus(Capacity a, Capacity b) {
  return {a.slots + b.slots, a.gpus + b.gpus};
}
bool fits(Capacity need, Capacity room) {
  return need.slots <= room.slots && need.gpus <= room.gpus;
}
Capacity need_of(const v1::Run& run, uint32_t ranks) {
  return {ranks, ranks * gpus_per_rank(run)};
}

void hold(v1::Run& run, uint32_t world, uint32_t& next_device) {
  run.set_state(v1::RUNNING);
  auto* attempt = run.add_attempts();
  attempt->set_number(1);
  attempt->set_state(v1::Attempt::STARTED);
  attempt->set_slots(world);
  attempt->set_world(world);
  for (uint32_t i = 0; i < world * gpus_per_rank(run); ++i) attempt->add_devices(next_device++);
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
    const Capacity need = need_of(run, ranks_wanted(run).min);
    if (below(random, 3) == 0 && fits(plus(used, need), host.capacity)) {
      hold(run, need.slots, used.gpus);
      used.slots += need.slots;
    } else if (below(random, 4) == 0) {
      auto* ended = run.add_attempts();
      ended->set_number(1);
      ended->set_state(v1::Attempt::ENDED);
    }
    host.state.active.insert(RunId(run.id()));
    host.state.runs[RunId(run.id())] = run;
  }
  return host;
}

// Nobody is passed over: what is placed is due, and nothing that was due earlier and could run waits.
void check_order(const Host& host, const Schedule& plan, Time now) {
  auto due = [&](const v1::Run& run) {
    return run.state() == v1::QUEUED && run.not_before_us() <= to_micros(now) &&
           fits(need_of(run, ranks_wanted(run).min), host.capacity);
  };
  for (const Placement& one : plan.place) {
    const v1::Run& placed = host.state.runs.at(one.run);
    ASSERT_TRUE(due(placed));
    for (const Waiting& waiting : plan.waiting) {
      const v1::Run& other = host.state.runs.at(waiting.run);
      if (!due(other)) continue;
      bool other_first = other.priority() > placed.priority() ||
                         (other.priority() == placed.priority() && other.queued_us() < placed.queued_us());
      ASSERT_FALSE(other_first) << waiting.run << " was passed over by " << one.run;
    }
  }
}

// Room does not lie idle while the head fits; and elastic gangs leave it what it could start with before
// they end.
void check_head(const Host& host, const Schedule& plan, Capacity used) {
  Capacity fewest, given;
  for (const Placement& one : plan.place) {
    const v1::Run& run = host.state.runs.at(one.run);
    fewest = plus(fewest, need_of(run, ranks_wanted(run).min));
    given = plus(given, need_of(run, one.world));
  }
  const v1::Run* head = nullptr;
  for (const Waiting& waiting : plan.waiting)
    if (waiting.reason.rfind("waits for", 0) == 0) head = &host.state.runs.at(waiting.run);
  if (head) {
    const Capacity need = need_of(*head, ranks_wanted(*head).min);
    ASSERT_FALSE(fits(plus(plus(used_now(host.state), fewest), need), host.capacity));
    if (fits(plus(fewest, need), host.capacity)) {
      ASSERT_TRUE(fits(plus(given, need), host.capacity))
          << head->id() << " is kept waiting by elastic gangs";
    }
    return;
  }
  for (const Placement& one : plan.place) {
    const v1::Run& run = host.state.runs.at(one.run);
    if (one.world == ranks_wanted(run).max) continue;
    ASSERT_FALSE(fits(plus(used, need_of(run, 1)), host.capacity)) << one.run << " could have had more";
  }
}

TEST(Schedule, Properties) {
  const Time now = time_from_micros(1000);
  int elastic = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    std::mt19937_64 random(seed);
    const Host host = random_host(random, now);
    Schedule plan = schedule(host.state, host.capacity, now);
    SCOPED_TRACE(fmt::format("seed {}", seed));

    // Never more than there is; all or none.
    Capacity used = used_now(host.state);
    std::set<RunId> seen;
    for (const Placement& one : plan.place) {
      const v1::Run& run = host.state.runs.at(one.run);
      used = plus(used, need_of(run, one.world));
      ASSERT_GE(one.world, ranks_wanted(run).min);
      ASSERT_LE(one.world, ranks_wanted(run).max);
      elastic += one.world > ranks_wanted(run).min;
      ASSERT_TRUE(seen.insert(one.run).second);
    }
    ASSERT_TRUE(fits(used, host.capacity));
    // Every queued run is placed or has a reason, once. What cannot be is refused before it was ever tried.
    for (const auto* list : {&plan.waiting, &plan.refused})
      for (const Waiting& waiting : *list) {
        ASSERT_FALSE(waiting.reason.empty());
        ASSERT_TRUE(seen.insert(waiting.run).second);
      }
    for (const Waiting& hopeless : plan.refused) {
      const v1::Run& run = host.state.runs.at(hopeless.run);
      ASSERT_GT(need_of(run, ranks_wanted(run).min).gpus, host.capacity.gpus);
      ASSERT_EQ(run.attempts_size(), 0);
      ++refused;
    }
    size_t queued = 0;
    for (const auto& [id, run] : host.state.runs) queued += run.state() == v1::QUEUED;
    ASSERT_EQ(seen.size(), queued);
    check_order(host, plan, now);
    check_head(host, plan, used);
  }
  EXPECT_GT(elastic, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(Schedule, GrowthTakesOnlyWhatNobodyWantsAndOneAtATime) {
  const Time now = time_from_micros(1000);
  int grown = 0;
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    std::mt19937_64 random(seed);
    Host host = random_host(random, now);
    const std::optional<Growth> growing = growth(host.state, host.capacity);
    if (!growing) continue;
    ++grown;
    SCOPED_TRACE(fmt::format("seed {}", seed));
    v1::Run& run = host.state.runs.at(growing->run);
    ASSERT_TRUE(ranks_wanted(run).elastic());
    ASSERT_EQ(growing->from, live_attempt(run)->world());
    ASSERT_GT(growing->to, growing->from);
    ASSERT_LE(growing->to, ranks_wanted(run).max);
    ASSERT_EQ(growing->due_us, host.state.moved_us + Micros(kGrowAfter).count());
    ASSERT_TRUE(fits(plus(used_now(host.state), need_of(run, growing->to - growing->from)), host.capacity));
    for (const auto& [id, other] : host.state.runs)
      if (other.state() == v1::QUEUED) {
        ASSERT_FALSE(fits(need_of(other, ranks_wanted(other).min), host.capacity)) << id << " waits";
      }
    // Once it has left it is placed that large.
    run.mutable_attempts(0)->set_state(v1::Attempt::ENDED);
    run.set_state(v1::QUEUED);
    run.clear_not_before_us();
    const Schedule then = schedule(host.state, host.capacity, now);
    ASSERT_EQ(then.place.size(), 1u);
    ASSERT_EQ(then.place[0].world, growing->to);
    run.mutable_attempts(0)->set_state(v1::Attempt::STARTED);
    run.set_state(v1::RUNNING);
    run.mutable_attempts(0)->set_resize_requested(true);
    ASSERT_FALSE(growth(host.state, host.capacity).has_value());
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
  Schedule plan = schedule(d.state, {.slots = 3}, d.world.now);
  EXPECT_TRUE(plan.place.empty()) << "one slot is free, but its use could delay the head";
  ASSERT_EQ(plan.waiting.size(), 2u);
  EXPECT_THAT(plan.waiting[0].reason, HasSubstr("waits for 3 slots: 1 of 3 are free"));
  EXPECT_THAT(plan.waiting[1].reason, HasSubstr("behind " + head));
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

}  // namespace
}  // namespace rekindle::core::testing
