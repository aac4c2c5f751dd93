// Runs from submission to their end: decide, apply, wanted.
#include "tests/core/driver.h"

#include "core/plan.h"
#include "core/schedule.h"
#include "core/why.h"

namespace rekindle::core::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> keys(const Driver& d) {
  std::vector<std::string> keys;
  for (const Effect& effect : wanted(d.state, d.world.now)) keys.push_back(effect_key(effect));
  return keys;
}

v1::StartRunRequest request(const std::string& key) {
  v1::StartRunRequest r;
  r.set_job("flight-delay");
  r.set_idempotency_key(key);
  return r;
}

TEST(Runs, FromSubmissionToPublication) {
  Driver d;
  d.world.now = time_from_micros(day_us(3, 1));
  d.add_job();
  std::string id = d.start();
  EXPECT_EQ(id, "flight-delay-1");
  EXPECT_EQ(d.run_of(id).state(), v1::RUNNING);
  EXPECT_THAT(keys(d), ElementsAre("launch/flight-delay-1/1", "watch/flight-delay-1/1"));
  d.gang_starts(id);
  EXPECT_THAT(keys(d), ElementsAre("watch/flight-delay-1/1"));
  d.ends(id, v1::END_FINISHED, finished("a", evaluation_of(.5, 0)));
  EXPECT_EQ(d.run_of(id).state(), v1::JUDGING);
  EXPECT_THAT(keys(d), ElementsAre("verify/flight-delay-1/" + sha256_hex("a")));
  d.verified(id);
  const v1::Run& run = d.run_of(id);
  EXPECT_EQ(run.state(), v1::PUBLISHED);
  EXPECT_EQ(run.version(), 1u);
  EXPECT_THAT(keys(d), IsEmpty());
  const v1::ModelState& model = d.model();
  EXPECT_EQ(model.aliases().at("candidate"), 1u);
  EXPECT_EQ(model.aliases().at("champion"), 1u) << "nobody serves: the first version is promoted at once";
  // Trained on an old import: as of when its newest label was known.
  EXPECT_EQ(model.versions(0).as_of_us(), day_us(2, 1) + 25 * kHourUs);
}

// Journals of old hold the whole hash of a request.
TEST(Runs, AKeyOfAnOldJournalIsKnown) {
  Driver d;
  d.add_job();
  const std::string id = d.run(StartRun{request("k")}).id;
  v1::Run& old = d.state.runs.at(RunId(id));
  old.set_request_sha256(fmt::format("{:016x}{}", old.request_hash(), std::string(48, 'a')));
  old.clear_request_hash();
  EXPECT_EQ(d.run(StartRun{request("k")}).id, id);
  v1::StartRunRequest other = request("k");
  other.set_no_publish(true);
  EXPECT_EQ(d.refuse(StartRun{other}).code(), Code::kAlreadyExists);
}

TEST(Runs, SameKeySameRunOtherBodyRefused) {
  Driver d;
  d.add_job();
  Decision first = d.run(StartRun{request("k")});
  size_t events = d.journal.size();
  EXPECT_EQ(d.run(StartRun{request("k")}).id, first.id);
  EXPECT_EQ(d.journal.size(), events);
  v1::StartRunRequest other = request("k");
  other.set_no_publish(true);
  EXPECT_EQ(d.refuse(StartRun{other}).code(), Code::kAlreadyExists);
  EXPECT_NE(d.run(StartRun{request("l")}).id, first.id);
  EXPECT_NE(d.run(StartRun{request("")}).id, d.run(StartRun{request("")}).id) << "no key, no memory";
  // Also when it has long ended, and after a restart.
  d.trains(first.id);
  d.state = from_snapshot(to_snapshot(d.state));
  EXPECT_EQ(d.run(StartRun{request("k")}).id, first.id);
}

TEST(Runs, RefusalsSayWhatToDo) {
  Driver d;
  EXPECT_THAT(d.refuse(StartRun{request("")}).message(), HasSubstr("rekindle apply"));
  d.run(Apply{apply_of(spec_of("flight-delay"))});
  EXPECT_THAT(d.refuse(StartRun{request("")}).message(), HasSubstr("rekindle dataset import"));
  d.run(AddSnapshot{january(), false});
  v1::StartRunRequest r = request("");
  r.set_as_of_us(to_micros(d.world.now) + 1);
  EXPECT_THAT(d.refuse(StartRun{r}).message(), HasSubstr("ahead of the model clock"));
  r = request("");
  r.set_dataset("flights");
  EXPECT_EQ(d.refuse(StartRun{r}).code(), Code::kInvalidArgument);
  r.add_score()->set_version(1);
  EXPECT_EQ(d.refuse(StartRun{r}).code(), Code::kNotFound);
  r.mutable_score(0)->set_run("x");
  EXPECT_EQ(d.refuse(StartRun{r}).code(), Code::kInvalidArgument);
  r.mutable_score(0)->clear_version();
  EXPECT_EQ(d.refuse(StartRun{r}).code(), Code::kNotFound);
  v1::JobSpec warm = spec_of("flight-delay");
  warm.mutable_train()->mutable_start()->set_version(3);
  d.run(Apply{apply_of(warm)});
  EXPECT_THAT(d.refuse(StartRun{request("")}).message(), HasSubstr("names version 3, which model"));
  warm.mutable_train()->mutable_start()->mutable_scratch();
  warm.mutable_train()->add_candidates()->mutable_start()->mutable_champion();
  warm.mutable_train()->add_candidates()->mutable_start()->set_version(4);
  d.run(Apply{apply_of(warm)});
  EXPECT_THAT(d.refuse(StartRun{request("")}).message(),
              HasSubstr("train.candidates[1].start names version 4, which model"));
  v1::CancelRunRequest cancel;
  cancel.set_id("flight-delay-7");
  EXPECT_EQ(d.refuse(CancelRun{cancel}).code(), Code::kNotFound);
}

TEST(Runs, CrashesAreRetriedWithTheSameRows) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  v1::Windows windows = d.run_of(id).windows();
  d.gang_starts(id);
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(id).state(), v1::QUEUED);
  EXPECT_EQ(d.run_of(id).crash_failures(), 1u);
  ASSERT_TRUE(d.wake().has_value());
  // Newer rows in the meantime change nothing for this run.
  d.run(AddSnapshot{settled_day("flight-delay", 1, 31), true});
  d.pass(*d.wake() - d.world.now - Micros(1));
  EXPECT_EQ(d.run_of(id).state(), v1::QUEUED);
  d.pass(Micros(1));
  EXPECT_EQ(d.run_of(id).state(), v1::RUNNING);
  EXPECT_EQ(d.run_of(id).attempts_size(), 2);
  EXPECT_EQ(d.run_of(id).windows().SerializeAsString(), windows.SerializeAsString());
  EXPECT_EQ(d.run_of(id).data_size(), 1);
  v1::Plan plan = plan_of(d.state, d.run_of(id), 2);
  EXPECT_EQ(plan.attempt(), 2u);
  EXPECT_EQ(plan.world(), 2u);
  // Until the budget is used up.
  for (int i = 0; i < 2; ++i) {
    d.ends(id, v1::END_CRASH);
    d.pass(Seconds(3600));
  }
  EXPECT_EQ(d.run_of(id).state(), v1::RUNNING);
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(id).state(), v1::FAILED_RUN);
  EXPECT_EQ(d.run_of(id).attempts_size(), 4);
}

TEST(Runs, APlanNamesTheVersionToStartFrom) {
  Driver d;
  d.add_job();
  v1::Run run = d.run_of(d.start());
  auto* start = run.mutable_spec()->mutable_train()->mutable_start();
  start->mutable_champion();
  v1::Plan plan = plan_of(d.state, run, 1);
  EXPECT_EQ(plan.start_version(), 0u) << "a first version begins from scratch";
  EXPECT_TRUE(plan.start_manifest().empty());
  d.trains(run.id(), evaluation_of(.5, 0));
  run.set_champion(1);
  plan = plan_of(d.state, run, 1);
  EXPECT_EQ(plan.start_version(), 1u);
  EXPECT_EQ(plan.start_manifest(), d.model().versions(0).manifest());
  start->set_version(1);
  run.set_champion(0);
  EXPECT_EQ(plan_of(d.state, run, 1).start_manifest(), d.model().versions(0).manifest());
  start->set_version(9);
  plan = plan_of(d.state, run, 1);
  EXPECT_EQ(plan.start_version(), 9u);
  EXPECT_TRUE(plan.start_manifest().empty()) << "the trainer refuses it";
  start->mutable_scratch();
  EXPECT_EQ(plan_of(d.state, run, 1).start_version(), 0u);
}

TEST(Runs, LostNodesDoNotSpendTheJobsRetries) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  for (int i = 0; i < 5; ++i) {
    d.ends(id, v1::END_NODE_LOST);
    d.pass(Seconds(3600));
  }
  EXPECT_EQ(d.run_of(id).state(), v1::RUNNING);
  EXPECT_EQ(d.run_of(id).crash_failures(), 0u);
  EXPECT_EQ(d.run_of(id).node_failures(), 5u);
}

TEST(Runs, RefusalsOfTheRanksAreFinal) {
  for (v1::EndClass end : {v1::END_SPEC_REFUSED, v1::END_DATA_REFUSED}) {
    Driver d;
    d.add_job();
    std::string id = d.start();
    d.run(AttemptEnded{RunId(id), 1, end, "column 'dest' is missing", std::nullopt});
    EXPECT_EQ(d.run_of(id).state(), v1::FAILED_RUN);
    EXPECT_THAT(d.run_of(id).reason(), HasSubstr("column 'dest' is missing"));
  }
}

TEST(Runs, ExitZeroWithoutAnOutcomeIsACrash) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  d.ends(id, v1::END_FINISHED);
  EXPECT_EQ(d.run_of(id).attempts(0).end(), v1::END_CRASH);
  d.pass(Seconds(60));
  v1::Outcome outcome = finished("x", evaluation_of(.5, 0));
  outcome.set_manifest("../../etc/passwd");
  d.ends(id, v1::END_FINISHED, outcome);
  EXPECT_EQ(d.run_of(id).attempts(1).end(), v1::END_CRASH);
}

TEST(Runs, CancelGivesGraceThenKills) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  v1::CancelRunRequest cancel;
  cancel.set_id(id);
  cancel.set_reason("wrong data");
  d.run(CancelRun{cancel});
  EXPECT_EQ(d.run_of(id).state(), v1::RUNNING);
  // Not started yet: it is launched and then asked, so that no gang slips through.
  EXPECT_THAT(keys(d), ElementsAre("launch/flight-delay-1/1", "watch/flight-delay-1/1"));
  d.gang_starts(id);
  EXPECT_THAT(keys(d), ElementsAre("watch/flight-delay-1/1", "yield/flight-delay-1/1"));
  EXPECT_EQ(*d.wake(), d.world.now + Seconds(30));
  d.pass(Seconds(29));
  EXPECT_FALSE(d.run_of(id).attempts(0).kill_requested());
  d.run(CancelRun{cancel});  // asked twice
  d.pass(Seconds(1));
  EXPECT_THAT(keys(d), ElementsAre("watch/flight-delay-1/1", "kill/flight-delay-1/1"));
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(id).state(), v1::CANCELLED);
  EXPECT_EQ(d.run_of(id).attempts(0).end(), v1::END_CANCELLED);
  EXPECT_EQ(d.run_of(id).reason(), "wrong data");
  d.run(CancelRun{cancel});
  EXPECT_THAT(keys(d), IsEmpty());
}

// In the queue of its pool, say, where nobody asked us.
TEST(Runs, ACancelWhereItRanIsNotTriedAgain) {
  Driver d;
  d.add_job();
  const std::string id = d.start();
  d.gang_starts(id);
  d.run(AttemptEnded{RunId(id), 1, v1::END_CANCELLED, "cancelled in Slurm by uid 0 (job 7)", {}});
  EXPECT_EQ(d.run_of(id).state(), v1::CANCELLED);
  EXPECT_EQ(d.run_of(id).reason(), "cancelled in Slurm by uid 0 (job 7)");
  EXPECT_EQ(d.run_of(id).attempts_size(), 1);
  EXPECT_THAT(keys(d), IsEmpty());
}

TEST(Runs, AGangThatNeverStartedIsNotSignalled) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  v1::CancelRunRequest cancel;
  cancel.set_id(id);
  d.run(CancelRun{cancel});
  d.pass(Seconds(60));
  EXPECT_TRUE(d.run_of(id).attempts(0).kill_requested());
  EXPECT_THAT(keys(d), ElementsAre("launch/flight-delay-1/1", "watch/flight-delay-1/1"));
  d.ends(id, v1::END_LAUNCH_FAILED);
  EXPECT_EQ(d.run_of(id).state(), v1::CANCELLED);
}

TEST(Runs, CancelWinsOverALateFinish) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  d.gang_starts(id);
  v1::CancelRunRequest cancel;
  cancel.set_id(id);
  d.run(CancelRun{cancel});
  d.ends(id, v1::END_FINISHED, finished("a", evaluation_of(.5, 0)));
  EXPECT_EQ(d.run_of(id).state(), v1::CANCELLED);
  EXPECT_EQ(d.model().versions_size(), 0);
}

TEST(Runs, AHangIsKilledAndRetried) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  d.gang_starts(id);
  d.run(HangDetected{RunId(id), 1, "rank 1 stuck in reduce for 15 s"});
  d.run(HangDetected{RunId(id), 1, "rank 1 stuck in reduce for 16 s"});
  EXPECT_THAT(keys(d), ElementsAre("watch/flight-delay-1/1", "kill/flight-delay-1/1"));
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(id).attempts(0).end(), v1::END_HANG);
  EXPECT_EQ(d.run_of(id).state(), v1::QUEUED);
}

TEST(Runs, OnlyFailuresSoonAfterTheStartMakeRetriesWaitLonger) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  const auto waits_after = [&](Micros alive) {
    d.gang_starts(id);
    d.pass(alive);
    d.ends(id, v1::END_CRASH);
    const Micros wait(d.run_of(id).not_before_us() - to_micros(d.world.now));
    d.pass(wait);
    return wait;
  };
  EXPECT_EQ(waits_after(Seconds(5)), Micros(Seconds(1)));
  EXPECT_EQ(waits_after(Seconds(5)), Micros(Seconds(2)));
  EXPECT_EQ(waits_after(Seconds(60)), Micros(Seconds(1)));
  d.gang_starts(id);
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(id).state(), v1::FAILED_RUN) << "the budget counts them all";
}

TEST(Runs, StaleNewsChangesNothing) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  d.gang_starts(id);
  d.ends(id, v1::END_CRASH);
  d.pass(Seconds(60));
  d.gang_starts(id);
  size_t events = d.journal.size();
  d.run(GangStarted{RunId(id), 1, {}});
  d.run(AttemptEnded{RunId(id), 1, v1::END_FINISHED, "", finished("old", evaluation_of(.1, 0))});
  d.run(HangDetected{RunId(id), 1, "late"});
  d.run(AttemptEnded{RunId("nobody-1"), 1, v1::END_CRASH, "", std::nullopt});
  d.run(ArtifactsVerified{RunId(id), sha256_hex("old"), true, ""});
  EXPECT_EQ(d.journal.size(), events);
  EXPECT_EQ(d.run_of(id).state(), v1::RUNNING);
}

TEST(Runs, DamagedFilesAreNeverPublished) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  d.ends(id, v1::END_FINISHED, finished("a", evaluation_of(.5, 0)));
  d.run(ArtifactsVerified{RunId(id), sha256_hex("of an earlier attempt"), true, ""});
  EXPECT_EQ(d.run_of(id).state(), v1::JUDGING);
  d.verified(id, false);
  EXPECT_EQ(d.run_of(id).state(), v1::QUEUED);
  EXPECT_THAT(d.run_of(id).reason(), HasSubstr("wrong hash"));
  EXPECT_EQ(d.model().versions_size(), 0);
  d.pass(Seconds(60));
  d.trains(id, evaluation_of(.5, 0));
  EXPECT_EQ(d.run_of(id).state(), v1::PUBLISHED);
}

TEST(Runs, WorseThanTheChampionIsRejected) {
  Driver d;
  d.add_job();
  d.trains(d.start(), evaluation_of(.53, 0));
  std::string id = d.start();
  d.trains(id, evaluation_of(.54, .53));
  EXPECT_EQ(d.run_of(id).state(), v1::REJECTED);
  EXPECT_EQ(d.run_of(id).champion(), 1u);
  EXPECT_EQ(d.model().versions_size(), 1);
  EXPECT_EQ(d.model().decision().rejections(), 1u);
  EXPECT_TRUE(d.model().decision().active_run().empty());

  // A person may know better.
  v1::ApproveRunRequest approve;
  approve.set_id(id);
  EXPECT_EQ(d.refuse(ApproveRun{approve}).code(), Code::kInvalidArgument) << "a reason is needed";
  approve.set_reason("the holdout was a holiday");
  d.run(ApproveRun{approve});
  EXPECT_EQ(d.run_of(id).state(), v1::PUBLISHED);
  EXPECT_EQ(d.run_of(id).version(), 2u);
  EXPECT_EQ(d.model().decision().rejections(), 0u);
  EXPECT_THAT(d.run_of(id).verdict().reason(), HasSubstr("not better"));
  const auto told = why(d.state, d.model().name(), 2, d.journal);
  ASSERT_TRUE(told.ok());
  std::string gate;
  for (const auto& step : told->steps())
    if (step.what() == "gate") gate = step.text();
  EXPECT_THAT(gate, HasSubstr("approved by anna: the holdout was a holiday"));
}

TEST(Runs, HeldUntilApproved) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  d.trains(id, evaluation_of(.5, 0, .55, 100));
  EXPECT_EQ(d.run_of(id).state(), v1::HELD);
  EXPECT_THAT(d.run_of(id).reason(), HasSubstr("100 labelled"));
  EXPECT_TRUE(d.model().decision().active_run().empty()) << "a held run keeps no trigger waiting";
  v1::ApproveRunRequest approve;
  approve.set_id(id);
  EXPECT_EQ(d.refuse(ApproveRun{approve}).code(), Code::kInvalidArgument) << "a reason is needed";
  approve.set_reason("looked at it");
  d.run(ApproveRun{approve});
  EXPECT_EQ(d.run_of(id).state(), v1::PUBLISHED);
  EXPECT_EQ(d.run_of(id).verdict().approved_by(), "anna");
  EXPECT_EQ(d.refuse(ApproveRun{approve}).code(), Code::kFailedPrecondition);
}

TEST(Runs, HeldWhenTheChampionMovedMeanwhile) {
  Driver d(4);
  d.add_job();
  d.trains(d.start(), evaluation_of(.53, 0));
  std::string a = d.start(), b = d.start();
  d.trains(a, evaluation_of(.52, .53));
  d.nodes_follow();
  d.pass(Seconds(2 * 86400));
  d.nodes_follow();
  EXPECT_EQ(d.model().aliases().at("champion"), 2u);
  d.trains(b, evaluation_of(.51, .53));
  EXPECT_EQ(d.run_of(b).state(), v1::HELD);
  EXPECT_THAT(d.run_of(b).reason(), HasSubstr("judged against version 1, and the champion is version 2"));
}

TEST(Runs, WithoutPublicationItJustCompletes) {
  Driver d;
  d.add_job();
  v1::StartRunRequest r = request("");
  r.set_no_publish(true);
  r.set_as_of_us(day_us(2, 1));
  std::string id = d.run(StartRun{r}).id;
  EXPECT_TRUE(d.model().decision().active_run().empty());
  d.ends(id, v1::END_FINISHED, finished("cron", evaluation_of(.5, 0)));
  EXPECT_EQ(d.run_of(id).state(), v1::COMPLETED);
  EXPECT_EQ(d.model().versions_size(), 0);

  v1::StartRunRequest score = request("");
  score.set_dataset("flights@2013-01");
  score.add_score()->set_run(id);
  std::string scored = d.run(StartRun{score}).id;
  const v1::Run& run = d.run_of(scored);
  EXPECT_EQ(run.task(), v1::Plan::SCORE);
  EXPECT_EQ(run.attempts(0).slots(), 1u);
  EXPECT_EQ(run.windows().until_us(), day_us(2, 1));
  EXPECT_EQ(plan_of(d.state, run, 1).score(0).manifest(), sha256_hex("cron"));
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::FINISHED);
  d.ends(scored, v1::END_FINISHED, outcome);
  EXPECT_EQ(d.run_of(scored).state(), v1::COMPLETED);
}

TEST(Runs, ARunThatCannotFitWaitsWithAReasonAndBlocksNobody) {
  Driver d(2);
  d.add_job("flight-delay", 2);
  d.run(Apply{apply_of(spec_of("big", 8))});
  std::string big = d.start("big");
  std::string small = d.start();
  EXPECT_EQ(d.run_of(big).state(), v1::QUEUED);
  EXPECT_EQ(d.run_of(small).state(), v1::RUNNING);
  ASSERT_EQ(d.waiting().size(), 1u);
  EXPECT_THAT(d.waiting()[0].reason(), HasSubstr("needs 8 slots at once, this host has 2"));
}

TEST(Runs, ApplyMakesRevisionsAndRunsKeepTheirs) {
  Driver d;
  d.add_job();
  std::string id = d.start();
  v1::JobSpec changed = spec_of("flight-delay", 1);
  d.run(Apply{apply_of(changed)});
  d.run(Apply{apply_of(changed)});
  EXPECT_EQ(find_job(d.state, "flight-delay")->revision(), 2u);
  EXPECT_EQ(spec_of(d.state, d.run_of(id)).train().ranks().count(), 2u);
  EXPECT_EQ(d.run_of(d.start()).job_revision(), 2u);
  v1::JobSpec named = spec_of("flights");
  EXPECT_EQ(d.refuse(Apply{apply_of(named)}).code(), Code::kAlreadyExists) << "a dataset has that name";
}

}  // namespace
}  // namespace rekindle::core::testing
