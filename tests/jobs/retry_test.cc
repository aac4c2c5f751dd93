#include "jobs/retry.h"

#include <gmock/gmock.h>

namespace rekindle::jobs {
namespace {

v1::Limits limits(uint32_t crash, uint32_t node) {
  v1::Limits out;
  out.set_crash_retries(crash);
  out.set_node_retries(node);
  return out;
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
      {v1::END_FINISHED, {0, 0}, false, 0, {0, 0}},     {v1::END_CRASH, {0, 0}, true, 1, {1, 0}},
      {v1::END_CRASH, {1, 0}, true, 2, {2, 0}},         {v1::END_CRASH, {2, 7}, true, 4, {3, 7}},
      {v1::END_CRASH, {3, 0}, false, 0, {4, 0}},        {v1::END_HANG, {2, 0}, true, 4, {3, 0}},
      {v1::END_HANG, {3, 0}, false, 0, {4, 0}},         {v1::END_NODE_LOST, {3, 0}, true, 2, {3, 1}},
      {v1::END_NODE_LOST, {0, 9}, true, 300, {0, 10}},  {v1::END_NODE_LOST, {0, 10}, false, 0, {0, 11}},
      {v1::END_LAUNCH_FAILED, {0, 1}, true, 4, {0, 2}}, {v1::END_LAUNCH_FAILED, {0, 10}, false, 0, {0, 11}},
      {v1::END_YIELDED, {3, 10}, true, 0, {3, 10}},     {v1::END_SPEC_REFUSED, {0, 0}, false, 0, {0, 0}},
      {v1::END_DATA_REFUSED, {0, 0}, false, 0, {0, 0}}, {v1::END_CANCELLED, {0, 0}, false, 0, {0, 0}},
      {v1::END_DIVERGED, {0, 0}, false, 0, {0, 0}},     {v1::END_UNSPECIFIED, {0, 0}, false, 0, {0, 0}},
  };
  for (const Row& row : rows) {
    const RetryDecision decision = decide_retry(row.end, row.before, limits(3, 10));
    EXPECT_EQ(decision.retry, row.retry) << v1::EndClass_Name(row.end);
    EXPECT_EQ(decision.delay, Micros(Seconds(row.seconds))) << v1::EndClass_Name(row.end);
    EXPECT_EQ(decision.counts, row.after) << v1::EndClass_Name(row.end);
    EXPECT_FALSE(decision.reason.empty());
  }
}

TEST(Retry, CoversEveryClass) {
  for (int number = v1::EndClass_MIN; number <= v1::EndClass_MAX; ++number) {
    if (number == v1::END_UNSPECIFIED || !v1::EndClass_IsValid(number)) continue;
    EXPECT_THAT(decide_retry(static_cast<v1::EndClass>(number), {}, limits(1, 1)).reason,
                ::testing::Not(::testing::HasSubstr("does not know")))
        << v1::EndClass_Name(static_cast<v1::EndClass>(number));
  }
}

TEST(Retry, NoBudgetMeansNoRetry) {
  EXPECT_FALSE(decide_retry(v1::END_CRASH, {}, limits(0, 0)).retry);
  EXPECT_FALSE(decide_retry(v1::END_NODE_LOST, {}, limits(0, 0)).retry);
}

TEST(Retry, DelaysNeverOverflow) {
  const RetryDecision decision = decide_retry(v1::END_CRASH, {4'000'000'000u, 0}, limits(4'294'967'295u, 0));
  EXPECT_TRUE(decision.retry);
  EXPECT_EQ(decision.delay, Micros(Seconds(60)));
}

TEST(Retry, ReasonNamesTheBudget) {
  EXPECT_EQ(decide_retry(v1::END_CRASH, {0, 0}, limits(3, 10)).reason, "a rank crashed; retry 1 of 3 in 1s");
  EXPECT_EQ(decide_retry(v1::END_HANG, {1, 0}, limits(1, 10)).reason,
            "the ranks hung and were ended; 1 retry is used up");
}

}  // namespace
}  // namespace rekindle::jobs
