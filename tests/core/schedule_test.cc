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

State random_state(std::mt19937_64& random, uint32_t slots, Time now) {
  State state;
  uint32_t used = 0;
  uint64_t count = 1 + below(random, 12);
  for (uint64_t i = 1; i <= count; ++i) {
    v1::Run run;
    run.set_id(fmt::format("job-{}", i));
    run.set_job("job");
    run.set_priority(static_cast<int32_t>(below(random, 3)) - 1);
    run.set_queued_us(static_cast<int64_t>(below(random, 4)));
    if (below(random, 6) == 0) run.set_task(v1::Plan::SCORE);
    run.mutable_spec()->mutable_train()->mutable_ranks()->set_count(
        static_cast<uint32_t>(below(random, slots + 3)));
    run.set_state(v1::QUEUED);
    if (below(random, 4) == 0)
      run.set_not_before_us(to_micros(now) + static_cast<int64_t>(below(random, 3)) - 1);
    if (below(random, 3) == 0 && used + slots_needed(run) <= slots) {
      run.set_state(v1::RUNNING);
      auto* attempt = run.add_attempts();
      attempt->set_state(v1::Attempt::STARTED);
      attempt->set_slots(slots_needed(run));
      used += slots_needed(run);
    }
    state.active.insert(RunId(run.id()));
    state.runs[RunId(run.id())] = run;
  }
  return state;
}

TEST(Schedule, Properties) {
  const Time now = time_from_micros(1000);
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    std::mt19937_64 random(seed);
    const uint32_t slots = 1 + static_cast<uint32_t>(below(random, 8));
    State state = random_state(random, slots, now);
    Schedule plan = schedule(state, slots, now);
    SCOPED_TRACE(fmt::format("seed {}", seed));

    // Never more than there is; all or none.
    uint32_t used = plan.slots_used;
    for (const RunId& id : plan.place) used += slots_needed(state.runs.at(id));
    ASSERT_LE(used, slots);
    // Every queued run is placed or has a reason, once.
    std::set<RunId> seen(plan.place.begin(), plan.place.end());
    for (const Waiting& waiting : plan.waiting) {
      ASSERT_FALSE(waiting.reason.empty());
      ASSERT_TRUE(seen.insert(waiting.run).second);
    }
    size_t queued = 0;
    for (const auto& [id, run] : state.runs) queued += run.state() == v1::QUEUED;
    ASSERT_EQ(seen.size(), queued);
    // Nothing starts before one that was due earlier and could run on this host.
    auto due = [&](const v1::Run& run) {
      return run.state() == v1::QUEUED && run.not_before_us() <= to_micros(now) && slots_needed(run) <= slots;
    };
    for (const RunId& id : plan.place) {
      const v1::Run& placed = state.runs.at(id);
      ASSERT_TRUE(due(placed));
      for (const Waiting& waiting : plan.waiting) {
        const v1::Run& other = state.runs.at(waiting.run);
        if (!due(other)) continue;
        bool other_first = other.priority() > placed.priority() ||
                           (other.priority() == placed.priority() && other.queued_us() < placed.queued_us());
        ASSERT_FALSE(other_first) << waiting.run << " was passed over by " << id;
      }
    }
    // Slots do not lie idle while the head fits.
    for (const Waiting& waiting : plan.waiting) {
      const v1::Run& run = state.runs.at(waiting.run);
      if (due(run) && waiting.reason.rfind("waits for", 0) == 0) {
        ASSERT_GT(used + slots_needed(run), slots);
      }
    }
  }
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
  Schedule plan = schedule(d.state, 3, d.world.now);
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
