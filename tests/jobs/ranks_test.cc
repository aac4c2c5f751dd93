// How many ranks a spec asks for, in each way to say it.
#include "jobs/ranks.h"

#include <gmock/gmock.h>

#include "jobs/spec.h"
#include "tests/jobs/builders.h"

namespace rekindle::jobs::testing {
namespace {

using ::testing::HasSubstr;

Result<v1::JobSpec> asks(const std::string& ranks) {
  return parse_job(with("linear", "linear\n  batch: 8\n  ranks: " + ranks), "s.yaml");
}

TEST(Ranks, RangeOfEachForm) {
  struct Row {
    const char* text;
    uint32_t min, max;
  };
  for (const Row& row :
       {Row{"{count: 3}", 3, 3}, Row{"{min: 1, max: 4}", 1, 4}, Row{"{min: 2, max: 2}", 2, 2},
        Row{"{min: 1, max: 8, gpus: 1}", 1, 8}, Row{"{gpus: 1}", 1, 1}}) {
    const Result<v1::JobSpec> spec = asks(row.text);
    ASSERT_TRUE(spec.ok()) << row.text << ": " << spec.status().message();
    const RankRange range = rank_range(resolve(*spec)->spec.train().ranks());
    EXPECT_EQ(range.min, row.min) << row.text;
    EXPECT_EQ(range.max, row.max) << row.text;
    EXPECT_EQ(range.elastic(), row.min < row.max) << row.text;
  }
}

TEST(Ranks, WhatMakesNoSenseIsRefused) {
  struct Row {
    const char* text;
    const char* expected;
  };
  for (const Row& row :
       {Row{"{min: 1, max: 9}", "9 ranks share a batch of 8 rows"},
        Row{"{min: 4, max: 2}", "min at most max"}, Row{"{min: 2}", "says both"},
        Row{"{max: 2}", "says both"}, Row{"{count: 2, min: 1, max: 4}", "say how many ranks in one way"},
        Row{"{count: 1, gpus: 2}", "2 is too large; at most 1"}, Row{"{min: 0, max: 2}", "0 is too small"}}) {
    const Result<v1::JobSpec> spec = asks(row.text);
    ASSERT_FALSE(spec.ok()) << row.text;
    EXPECT_THAT(spec.status().message(), HasSubstr(row.expected)) << row.text;
  }
}

TEST(Limits, AnAttemptsIsAtLeastTenSeconds) {
  const Result<v1::JobSpec> spec = parse_job(with("linear", "linear\n  limits: {attempt: 9s}"), "s.yaml");
  ASSERT_FALSE(spec.ok());
  EXPECT_THAT(spec.status().message(), HasSubstr("9s is too short; at least 10s"));
}

}  // namespace
}  // namespace rekindle::jobs::testing
