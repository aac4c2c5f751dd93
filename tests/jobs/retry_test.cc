#include "jobs/retry.h"

#include <gmock/gmock.h>

#include <random>

namespace rekindle::jobs {
namespace {

v1::Limits limits() {
  v1::Limits out;
  out.set_crash_retries(3);
  out.set_node_retries(10);
  out.set_memory_retries(1);
  out.set_hang_retries(2);
  out.set_preempted_retries(5);
  out.set_data_retries(2);
  out.set_launcher_retries(4);
  return out;
}

// As if every failure had come soon after its start.
RetryDecision decide_early(v1::EndClass end, const RetryCounts& before, const v1::Limits& limits) {
  return decide_retry(end, before, limits, 4'294'967'295u);
}

struct Row {
  v1::EndClass end;
  RetryCounts before;
  bool retry;
  int64_t seconds;
  RetryCounts after;
};

TEST(Retry, Table) {
  const std::vector<Row> rows = {
      {v1::END_CRASH, {}, true, 1, {.crash = 1}},
      {v1::END_CRASH, {.crash = 2, .node = 7}, true, 4, {.crash = 3, .node = 7}},
      {v1::END_CRASH, {.crash = 3}, false, 0, {.crash = 4}},
      {v1::END_HANG, {.crash = 3, .hang = 1}, true, 2, {.crash = 3, .hang = 2}},
      {v1::END_HANG, {.hang = 2}, false, 0, {.hang = 3}},
      {v1::END_OUT_OF_MEMORY, {.crash = 3}, true, 10, {.crash = 3, .memory = 1}},
      {v1::END_OUT_OF_MEMORY, {.memory = 1}, false, 0, {.memory = 2}},
      {v1::END_NODE_LOST, {.crash = 3}, true, 2, {.crash = 3, .node = 1}},
      {v1::END_NODE_LOST, {.node = 9}, true, 300, {.node = 10}},
      {v1::END_NODE_LOST, {.node = 10}, false, 0, {.node = 11}},
      {v1::END_LAUNCH_FAILED, {.node = 10, .launcher = 1}, true, 4, {.node = 10, .launcher = 2}},
      {v1::END_LAUNCH_FAILED, {.launcher = 4}, false, 0, {.launcher = 5}},
      {v1::END_PREEMPTED, {.crash = 3, .preempted = 4}, true, 0, {.crash = 3, .preempted = 5}},
      {v1::END_PREEMPTED, {.preempted = 5}, false, 0, {.preempted = 6}},
      {v1::END_DATA_LOST, {.data = 1}, true, 2, {.data = 2}},
      {v1::END_DATA_LOST, {.data = 2}, false, 0, {.data = 3}},
      {v1::END_YIELDED, {.crash = 3, .node = 10}, true, 0, {.crash = 3, .node = 10}},
      {v1::END_FINISHED, {}, false, 0, {}},
      {v1::END_SPEC_REFUSED, {}, false, 0, {}},
      {v1::END_DATA_REFUSED, {}, false, 0, {}},
      {v1::END_CANCELLED, {}, false, 0, {}},
      {v1::END_DIVERGED, {}, false, 0, {}},
      {v1::END_UNSPECIFIED, {}, false, 0, {}},
  };
  for (const Row& row : rows) {
    const RetryDecision decision = decide_early(row.end, row.before, limits());
    EXPECT_EQ(decision.retry, row.retry) << v1::EndClass_Name(row.end);
    EXPECT_EQ(decision.delay, Micros(Seconds(row.seconds))) << v1::EndClass_Name(row.end);
    EXPECT_EQ(decision.counts, row.after) << v1::EndClass_Name(row.end);
    EXPECT_FALSE(decision.reason.empty());
  }
}

TEST(Retry, CoversEveryClass) {
  for (int number = v1::EndClass_MIN; number <= v1::EndClass_MAX; ++number) {
    if (number == v1::END_UNSPECIFIED || !v1::EndClass_IsValid(number)) continue;
    EXPECT_THAT(decide_early(static_cast<v1::EndClass>(number), {}, limits()).reason,
                ::testing::Not(::testing::HasSubstr("does not know")))
        << v1::EndClass_Name(static_cast<v1::EndClass>(number));
  }
}

// Whatever comes in whatever order: each class is tried again exactly as often as its own budget says.
TEST(Retry, BudgetsAreSpentExactlyAndApart) {
  const std::map<v1::EndClass, uint32_t> budgets = {
      {v1::END_CRASH, 3},         {v1::END_HANG, 2},      {v1::END_OUT_OF_MEMORY, 1}, {v1::END_NODE_LOST, 10},
      {v1::END_LAUNCH_FAILED, 4}, {v1::END_PREEMPTED, 5}, {v1::END_DATA_LOST, 2}};
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    std::mt19937_64 random(seed);
    RetryCounts counts;
    std::map<v1::EndClass, uint32_t> seen;
    for (;;) {
      auto one = budgets.begin();
      std::advance(one, random() % budgets.size());
      const RetryDecision decision = decide_early(one->first, counts, limits());
      counts = decision.counts;
      ASSERT_EQ(decision.retry, ++seen[one->first] <= one->second) << "seed " << seed;
      if (!decision.retry) break;
    }
  }
}

TEST(Retry, CountsSurviveTheJournal) {
  const RetryCounts counts{1, 2, 3, 4, 5, 6, 7};
  v1::RunRequeued event;
  set_counts(event, counts);
  v1::Run run;
  apply_counts(run, event);
  EXPECT_EQ(counts_of(run), counts);
}

TEST(Retry, SpecsOfOldChargeWhatWasChargedThen) {
  v1::Limits old;
  old.set_crash_retries(1);
  old.set_node_retries(2);
  EXPECT_TRUE(decide_early(v1::END_HANG, {}, old).retry);
  EXPECT_FALSE(decide_early(v1::END_HANG, {.hang = 1}, old).retry);
  EXPECT_TRUE(decide_early(v1::END_LAUNCH_FAILED, {.launcher = 1}, old).retry);
  EXPECT_FALSE(decide_early(v1::END_LAUNCH_FAILED, {.launcher = 2}, old).retry);
}

TEST(Retry, NoBudgetMeansNoRetry) {
  EXPECT_FALSE(decide_early(v1::END_CRASH, {}, {}).retry);
  EXPECT_FALSE(decide_early(v1::END_NODE_LOST, {}, {}).retry);
  EXPECT_FALSE(decide_early(v1::END_OUT_OF_MEMORY, {}, {}).retry);
}

TEST(Retry, DelaysNeverOverflow) {
  v1::Limits generous;
  generous.set_crash_retries(4'294'967'295u);
  const RetryDecision decision = decide_early(v1::END_CRASH, {.crash = 4'000'000'000u}, generous);
  EXPECT_TRUE(decision.retry);
  EXPECT_EQ(decision.delay, Micros(Seconds(60)));
}

struct Life {
  v1::EndClass end;
  int64_t seconds;
};
v1::Run run_of(const std::vector<Life>& lives) {
  v1::Run out;
  for (const Life& life : lives) {
    auto* attempt = out.add_attempts();
    attempt->set_state(v1::Attempt::ENDED);
    attempt->set_end(life.end);
    attempt->set_placed_us(1'000'000);
    attempt->set_ended_us(1'000'000 + life.seconds * 1'000'000);
  }
  return out;
}

TEST(Retry, EarlyFailuresAreCountedFromTheLast) {
  EXPECT_EQ(early_failures(run_of({}), 0), 0u);
  EXPECT_EQ(early_failures(run_of({{v1::END_CRASH, 3}, {v1::END_NODE_LOST, 29}}), 0), 2u);
  EXPECT_EQ(early_failures(run_of({{v1::END_CRASH, 3}, {v1::END_CRASH, 30}}), 0), 0u);
  EXPECT_EQ(early_failures(run_of({{v1::END_CRASH, 3}, {v1::END_CRASH, 600}, {v1::END_HANG, 20}}), 0), 1u);
  EXPECT_EQ(early_failures(run_of({{v1::END_CRASH, 3}, {v1::END_YIELDED, 2}, {v1::END_CRASH, 2}}), 0), 1u);
  v1::Run alive = run_of({{v1::END_CRASH, 3}, {v1::END_CRASH, 3}});
  alive.mutable_attempts(1)->set_state(v1::Attempt::STARTED);
  alive.mutable_attempts(1)->clear_ended_us();
  EXPECT_EQ(early_failures(alive, 5'000'000), 2u);
  EXPECT_EQ(early_failures(alive, 31'000'000), 0u);
}

TEST(Retry, ARunThatTrainedInBetweenDoesNotWaitLonger) {
  v1::Limits limits;
  limits.set_crash_retries(1000);
  limits.set_node_retries(1000);
  const auto delay = [&](v1::EndClass end, const RetryCounts& before, uint32_t early) {
    return decide_retry(end, before, limits, early).delay;
  };
  for (const uint32_t failures : {0u, 1u, 5u, 900u}) {
    EXPECT_EQ(delay(v1::END_CRASH, {.crash = failures}, 0), Micros(Seconds(1)));
    EXPECT_EQ(delay(v1::END_NODE_LOST, {.node = failures}, 0), Micros(Seconds(2)));
  }
  EXPECT_EQ(delay(v1::END_CRASH, {.crash = 900}, 3), Micros(Seconds(4)));
  // A budget's own failures alone make it wait.
  EXPECT_EQ(delay(v1::END_CRASH, {.node = 7}, 8), Micros(Seconds(1)));
}

TEST(Retry, ReasonNamesTheBudget) {
  EXPECT_EQ(decide_early(v1::END_CRASH, {}, limits()).reason, "a rank crashed; retry 1 of 3 in 1s");
  EXPECT_EQ(decide_early(v1::END_OUT_OF_MEMORY, {.memory = 1}, limits()).reason,
            "a rank ran out of memory; 1 retry is used up");
}

}  // namespace
}  // namespace rekindle::jobs
