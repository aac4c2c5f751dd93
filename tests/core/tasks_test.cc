// Plain tasks and arrays: runs of a command that trains nothing, and many that are queued as one.
#include "tests/core/driver.h"

#include "core/plan.h"

namespace rekindle::core::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Outcome done() {
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::FINISHED);
  return outcome;
}

TEST(Tasks, APlainTaskNeedsNoRowsAndEndsCompleted) {
  Driver d;
  d.run(Apply{apply_of(task_of("report"))});
  const std::string id = d.start("report");
  EXPECT_EQ(d.run_of(id).state(), v1::RUNNING);
  EXPECT_EQ(d.run_of(id).data_size(), 0);
  EXPECT_FALSE(d.run_of(id).publish());
  d.gang_starts(id);
  d.ends(id, v1::END_FINISHED, done());
  EXPECT_EQ(d.run_of(id).state(), v1::COMPLETED);
  EXPECT_EQ(d.run_of(id).reason(), "done");
  EXPECT_EQ(d.model("report").decision().active_run(), "") << "no business of the retraining policy";
  EXPECT_EQ(d.model("report").versions_size(), 0);
  d.state = from_snapshot(to_snapshot(d.state));
  EXPECT_EQ(d.run_of(id).state(), v1::COMPLETED);
}

TEST(Tasks, APlainTaskIsRetriedAndCancelledLikeAnyOther) {
  Driver d;
  d.run(Apply{apply_of(task_of("report"))});
  const std::string id = d.start("report");
  d.gang_starts(id);
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(id).state(), v1::QUEUED);
  d.pass(Seconds(3600));
  EXPECT_EQ(d.attempt(id), 2u);
  v1::CancelRunRequest cancel;
  cancel.set_id(id);
  d.run(CancelRun{cancel});
  d.ends(id, v1::END_YIELDED);
  EXPECT_EQ(d.run_of(id).state(), v1::CANCELLED);
}

v1::StartRunsRequest array_of(const std::string& job, uint32_t count, const std::string& key = "") {
  v1::StartRunsRequest request;
  request.mutable_run()->set_job(job);
  request.mutable_run()->set_idempotency_key(key);
  request.set_count(count);
  return request;
}

TEST(Tasks, AnArrayIsQueuedAsAWholeAndOnce) {
  Driver d;
  d.run(Apply{apply_of(task_of("report"))});
  const Decision first = d.run(StartRuns{array_of("report", 3, "k")});
  EXPECT_THAT(first.ids, ElementsAre("report-1", "report-2", "report-3"));
  EXPECT_EQ(d.run_of("report-3").index(), 3u);
  EXPECT_EQ(d.run_of("report-3").count(), 3u);
  EXPECT_EQ(d.run_of("report-3").idempotency_key(), "k/3");
  EXPECT_EQ(plan_of(d.state, d.run_of("report-2"), 1).index(), 2u);
  EXPECT_EQ(d.run_of("report-2").state(), v1::RUNNING) << "two slots";
  EXPECT_EQ(d.run_of("report-3").state(), v1::QUEUED);
  EXPECT_EQ(d.start("report"), "report-4");
  const size_t events = d.journal.size();
  EXPECT_EQ(d.run(StartRuns{array_of("report", 3, "k")}).ids, first.ids);
  EXPECT_EQ(d.journal.size(), events);
  d.state = from_snapshot(to_snapshot(d.state));
  EXPECT_EQ(d.run(StartRuns{array_of("report", 3, "k")}).ids, first.ids);
  EXPECT_EQ(d.refuse(StartRuns{array_of("report", 4, "k")}).code(), Code::kAlreadyExists);
  EXPECT_EQ(d.start("report", "l/2"), "report-5");
  EXPECT_EQ(d.refuse(StartRuns{array_of("report", 2, "l")}).code(), Code::kAlreadyExists);
  EXPECT_EQ(d.refuse(StartRuns{array_of("report", 0)}).code(), Code::kInvalidArgument);
  EXPECT_EQ(d.refuse(StartRuns{array_of("report", 10'001)}).code(), Code::kInvalidArgument);
  EXPECT_EQ(d.refuse(StartRuns{array_of("nobody", 2)}).code(), Code::kNotFound);
}

// The index of keys holds their hashes: two that share one are two keys all the same.
TEST(Tasks, AKeyIsKnownByItselfAndNotByItsHash) {
  Driver d;
  d.run(Apply{apply_of(task_of("report"))});
  EXPECT_EQ(d.start("report", "one"), "report-1");
  d.state.runs_by_key.emplace(stable_hash("two"), RunId("report-1"));
  EXPECT_EQ(run_with_key(d.state, "two"), nullptr);
  EXPECT_EQ(d.start("report", "two"), "report-2");
  EXPECT_EQ(d.start("report", "two"), "report-2");
  EXPECT_EQ(d.start("report", "one"), "report-1");
}

// What follows from the rest of a run is not kept, and shown all the same: to people, in plans and snapshots.
TEST(Tasks, WhoAskedForARunIsSaidOnce) {
  Driver d;
  d.run(Apply{apply_of(task_of("report"))});
  const std::string id = d.start("report");
  EXPECT_EQ(d.run_of(id).cause_detail(), "");
  EXPECT_EQ(whole(d.state, d.run_of(id)).cause_detail(), "asked by anna");
  EXPECT_EQ(plan_of(d.state, d.run_of(id), 1).cause(), "manual: asked by anna");
  EXPECT_EQ(to_snapshot(d.state).runs(0).cause_detail(), "asked by anna");
}

TEST(Tasks, AnArrayOfTrainingRunsIsOneFlightToThePolicy) {
  Driver d;
  d.add_job();
  d.run(StartRuns{array_of("flight-delay", 3)});
  EXPECT_EQ(d.model().decision().active_run(), "flight-delay-1");
}

TEST(Tasks, AModelWithVersionsDoesNotBecomeATask) {
  Driver d;
  d.add_job();
  d.trains(d.start());
  EXPECT_THAT(d.refuse(Apply{apply_of(task_of("flight-delay"))}).message(), HasSubstr("another name"));
}

}  // namespace
}  // namespace rekindle::core::testing
