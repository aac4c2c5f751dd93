// Gangs: elastic ones, those on GPUs, and when they are to leave.
#include "core/leaving.h"
#include "core/plan.h"
#include "core/schedule.h"
#include "tests/core/driver.h"

namespace rekindle::core::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::JobSpec elastic(const std::string& name, uint32_t min, uint32_t max) {
  v1::JobSpec spec = spec_of(name);
  auto* train = spec.mutable_train();
  train->mutable_model()->mutable_linear();
  train->mutable_ranks()->clear_count();
  train->mutable_ranks()->set_min(min);
  train->mutable_ranks()->set_max(max);
  return spec;
}

class Gangs : public ::testing::Test {
 protected:
  // Two slots; "stretch" takes one to three ranks, "one" and "two" take that many.
  void SetUp() override {
    d.run(AddSnapshot{january(), false});
    d.run(Apply{apply_of(elastic("stretch", 1, 3))});
    d.run(Apply{apply_of(spec_of("one", 1))});
    d.run(Apply{apply_of(spec_of("two", 2))});
  }
  const v1::Attempt& newest(const std::string& id) { return *d.run_of(id).attempts().rbegin(); }
  std::vector<std::string> keys() {
    std::vector<std::string> keys;
    for (const Effect& effect : wanted(d.state, d.world.now)) keys.push_back(effect_key(effect));
    return keys;
  }
  std::optional<Time> wake() { return d.wake(); }
  void yields(const std::string& id, uint64_t from, uint64_t until) {
    v1::Outcome outcome;
    outcome.set_kind(v1::Outcome::YIELDED);
    outcome.set_resumed_from_step(from);
    outcome.set_steps(until);
    d.run(AttemptEnded{RunId(id), d.attempt(id), v1::END_YIELDED,
                       fmt::format("left on request after step {}", until), outcome},
          kSelf);
  }
  Driver d{2};
};

TEST_F(Gangs, AnElasticOneTakesWhatIsFree) {
  const std::string id = d.start("stretch");
  EXPECT_EQ(newest(id).world(), 2u);
  EXPECT_EQ(newest(id).slots(), 2u);
  const v1::Plan plan = plan_of(d.state, d.run_of(id), 1);
  EXPECT_EQ(plan.world(), 2u);
  EXPECT_EQ(plan.target().min(), 1u);
  EXPECT_EQ(plan.target().max(), 3u);
  EXPECT_EQ(plan_of(d.state, d.run_of(d.start("one")), 1).world(), 0u) << "it waits";
}

TEST_F(Gangs, ARetryGoesOnSmallerWhenOthersCameFirst) {
  const std::string id = d.start("stretch");
  d.gang_starts(id);
  const std::string other = d.start("one");
  EXPECT_EQ(d.run_of(other).state(), v1::QUEUED);
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(other).state(), v1::RUNNING) << "while the retry waits for its time";
  d.pass(Seconds(1));
  EXPECT_EQ(newest(id).number(), 2u);
  EXPECT_EQ(newest(id).world(), 1u);
  EXPECT_EQ(plan_of(d.state, d.run_of(id), 2).world(), 1u);
}

TEST_F(Gangs, AndGrowsAtACheckpointOnceNobodyWaits) {
  const std::string other = d.start("one");
  const std::string id = d.start("stretch");
  d.gang_starts(id);
  EXPECT_EQ(newest(id).world(), 1u);
  d.pass(Seconds(600));
  EXPECT_FALSE(newest(id).yield_requested()) << "nothing is free";

  d.ends(other, v1::END_SPEC_REFUSED);
  ASSERT_TRUE(wake().has_value());
  EXPECT_EQ(*wake(), d.world.now + kGrowAfter);
  d.pass(kGrowAfter - Seconds(1));
  EXPECT_FALSE(newest(id).yield_requested());
  d.pass(Seconds(1));
  EXPECT_TRUE(newest(id).resize_requested());
  EXPECT_THAT(newest(id).message(), HasSubstr("grows from 1 to 2 ranks"));
  EXPECT_THAT(keys(), Contains("yield/stretch-1/1"));

  const size_t before = d.journal.size();
  d.pass(Seconds(3600));
  EXPECT_EQ(d.journal.size(), before)
      << "a gang that stays harms nobody: it is neither killed nor asked again";
  yields(id, 0, 40);
  EXPECT_EQ(newest(id).number(), 2u);
  EXPECT_EQ(newest(id).world(), 2u);
  EXPECT_THAT(d.run_of(id).attempts(0).message(),
              HasSubstr("grows from 1 to 2 ranks; left on request after"));
  EXPECT_EQ(d.run_of(id).attempts(0).until_step(), 40u);
  EXPECT_EQ(d.run_of(id).crash_failures(), 0u);
  EXPECT_EQ(d.run_of(id).node_failures(), 0u);
  d.gang_starts(id);
  d.pass(Seconds(3600));
  EXPECT_FALSE(newest(id).yield_requested()) << "nothing more is free";
}

TEST_F(Gangs, RoomThatIsTakenMeanwhileIsNoHarm) {
  const std::string other = d.start("one");
  const std::string id = d.start("stretch");
  d.gang_starts(id);
  d.ends(other, v1::END_SPEC_REFUSED);
  d.pass(kGrowAfter);
  ASSERT_TRUE(newest(id).resize_requested());
  const std::string third = d.start("one");
  EXPECT_EQ(d.run_of(third).state(), v1::RUNNING);
  yields(id, 0, 3);
  EXPECT_EQ(newest(id).world(), 1u);
  EXPECT_THAT(d.run_of(id).attempts(0).message(), HasSubstr("others took the room"));
}

TEST_F(Gangs, WhoWaitsComesBeforeGrowth) {
  const std::string other = d.start("one");
  const std::string id = d.start("stretch");
  d.gang_starts(id);
  const std::string head = d.start("two");
  d.ends(other, v1::END_SPEC_REFUSED);
  d.pass(Seconds(3600));
  EXPECT_FALSE(newest(id).yield_requested()) << "a slot is free, and the head waits for two";
  d.ends(id, v1::END_SPEC_REFUSED);
  EXPECT_EQ(d.run_of(head).state(), v1::RUNNING);
}

TEST_F(Gangs, ACancelAfterAGrowthStillKills) {
  const std::string other = d.start("one");
  const std::string id = d.start("stretch");
  d.gang_starts(id);
  d.ends(other, v1::END_SPEC_REFUSED);
  d.pass(kGrowAfter);
  v1::CancelRunRequest cancel;
  cancel.set_id(id);
  d.run(CancelRun{cancel});
  EXPECT_FALSE(newest(id).resize_requested());
  d.pass(Seconds(30));
  EXPECT_TRUE(newest(id).kill_requested());
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(d.run_of(id).state(), v1::CANCELLED);
}

TEST_F(Gangs, JournalsOfOldDoNotSayTheWorld) {
  const std::string id = d.start("two");
  std::vector<v1::Event> old = d.journal;
  State replayed;
  for (v1::Event& event : old) {
    if (event.has_attempt_placed()) event.mutable_attempt_placed()->clear_world();
    apply(replayed, event);
  }
  EXPECT_EQ(plan_of(replayed, *find_run(replayed, id), 1).world(), 2u);
  EXPECT_THAT(broken_invariants(replayed, *d.world.cluster), IsEmpty());
}

// --- limits.attempt

class Limits : public Gangs {
 protected:
  std::string limited(Seconds limit, uint32_t ranks = 1) {
    v1::JobSpec spec = spec_of("limited", ranks);
    spec.mutable_train()->mutable_model()->mutable_linear();
    *spec.mutable_train()->mutable_limits()->mutable_attempt() = to_proto(limit);
    d.run(Apply{apply_of(spec)});
    const std::string id = d.start("limited");
    d.gang_starts(id);
    return id;
  }
};

TEST_F(Limits, AreToldAskedForAndEnforced) {
  const std::string id = limited(Seconds(600));
  EXPECT_EQ(plan_of(d.state, d.run_of(id), 1).leave_by_us(), to_micros(d.world.now + Seconds(600)));
  EXPECT_EQ(*wake(), d.world.now + Seconds(570)) << "cancel_grace before it";
  d.pass(Seconds(570));
  EXPECT_TRUE(newest(id).yield_requested());
  EXPECT_THAT(keys(), Contains("yield/limited-1/1"));
  EXPECT_EQ(*wake(), d.world.now + Seconds(30));
  d.pass(Seconds(30));
  EXPECT_THAT(keys(), Contains("kill/limited-1/1"));
  d.ends(id, v1::END_CRASH);
  EXPECT_EQ(newest(id).end(), v1::END_HANG);
  EXPECT_EQ(newest(id).message(),
            "train.limits.attempt, 10m, is over; still there 30s after it was asked to leave");
  EXPECT_EQ(d.run_of(id).hang_failures(), 1u) << "else it would be tried for ever";
}

TEST_F(Limits, LeavingInTimeCostsNothing) {
  const std::string id = limited(Seconds(600));
  for (uint64_t attempt = 1; attempt <= 20; ++attempt) {
    d.pass(Seconds(570));
    yields(id, (attempt - 1) * 100, attempt * 100);
    EXPECT_EQ(newest(id).number(), attempt + 1);
    d.gang_starts(id);
  }
  EXPECT_EQ(d.run_of(id).crash_failures(), 0u);
  EXPECT_EQ(newest(id).state(), v1::Attempt::STARTED);
}

TEST_F(Limits, AnAttemptThatGetsNowhereIsCounted) {
  const std::string id = limited(Seconds(10));
  EXPECT_EQ(*wake(), d.world.now + Seconds(5)) << "half of a short limit is left for work";
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(d.run_of(id).state(), v1::RUNNING) << i;
    yields(id, 7, 7);
    d.pass(Seconds(60));
  }
  EXPECT_EQ(d.run_of(id).state(), v1::FAILED_RUN);
  EXPECT_THAT(d.run_of(id).reason(), HasSubstr("raise train.limits.attempt"));
}

TEST_F(Limits, ACoordinatorThatWasAwayStillGivesTimeToSave) {
  const std::string id = limited(Seconds(600));
  d.pass(Seconds(5000));
  EXPECT_TRUE(newest(id).yield_requested());
  EXPECT_FALSE(newest(id).kill_requested());
  EXPECT_EQ(*wake(), d.world.now + Seconds(30));
}

TEST_F(Limits, ScoringHasNone) {
  v1::JobSpec spec = spec_of("limited", 1);
  *spec.mutable_train()->mutable_limits()->mutable_attempt() = to_proto(Seconds(600));
  v1::Run run;
  *run.mutable_spec() = spec;
  run.set_task(v1::Plan::SCORE);
  EXPECT_EQ(leave_by_us(d.state, run, {}), 0);
  EXPECT_EQ(ask_us(d.state, run, {}), 0);
}

// --- Parameters that differ

TEST_F(Gangs, RanksThatDivergedEndTheRunForGood) {
  const std::string id = d.start("two");
  d.gang_starts(id);
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::DIVERGED);
  d.run(AttemptEnded{RunId(id), 1, v1::END_DIVERGED,
                     "rank 1 holds other parameters than rank 0 after step 40", outcome},
        kSelf);
  EXPECT_EQ(d.run_of(id).state(), v1::FAILED_RUN);
  EXPECT_EQ(newest(id).end(), v1::END_DIVERGED);
  EXPECT_THAT(d.run_of(id).reason(), HasSubstr("rank 1 holds other parameters"));
}

// --- GPUs

class Gpus : public Gangs {
 protected:
  void SetUp() override {
    d.host(4);
    d.run(AddSnapshot{january(), false});
    v1::JobSpec spec = spec_of("gpu", 1);
    spec.set_pool("local");
    spec.mutable_train()->mutable_ranks()->set_gpus(1);
    d.run(Apply{apply_of(spec)});
    v1::JobSpec wide = elastic("wide", 1, 4);
    wide.mutable_train()->mutable_ranks()->set_gpus(1);
    d.run(Apply{apply_of(wide)});
  }
  v1::StartRunRequest request(const std::string& job) {
    v1::StartRunRequest r;
    r.set_job(job);
    return r;
  }
};

TEST_F(Gpus, WithoutAnyTheRunIsRefusedAndSaysWhatIsThere) {
  const Status refused = d.refuse(StartRun{request("gpu")});
  EXPECT_EQ(refused.code(), Code::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("pool local, this host, has none: no NVIDIA device"));
  v1::JobSpec spec = spec_of("gpu", 3);
  spec.mutable_train()->mutable_ranks()->set_gpus(1);
  d.run(Apply{apply_of(spec)});
  d.host(4, 2);
  EXPECT_THAT(d.refuse(StartRun{request("gpu")}).message(), HasSubstr("asks for 3 GPUs at once"));
}

TEST_F(Gpus, ATriggeredRunFailsRatherThanWaitForEver) {
  d.host(4, 1);
  d.trains(d.start("gpu"), evaluation_of(.5, 0));
  d.host(4, 0);
  d.world.now = time_from_micros(day_us(2, 12));
  for (int slot = 0; slot < 3; ++slot) {
    v1::JudgedWindow window = window_of(
        "gpu", to_micros(d.world.now) - (slot == 0 ? 40 * kDayUs : 2 * kHourUs) + slot * kHourUs, 1, .9);
    window.set_clock_us(to_micros(d.world.now));
    d.run(JudgeWindow{window}, kSelf);
  }
  ASSERT_EQ(d.state.runs.size(), 2u);
  const v1::Run& run = d.run_of("gpu-2");
  EXPECT_EQ(run.cause(), v1::CAUSE_DRIFT);
  EXPECT_EQ(run.state(), v1::FAILED_RUN);
  EXPECT_THAT(run.reason(), HasSubstr("has none"));
  EXPECT_TRUE(d.model("gpu").decision().active_run().empty());
}

TEST_F(Gpus, EachRankHoldsItsOwn) {
  d.host(4, 3);
  const std::string a = d.start("gpu");
  const std::string b = d.start("wide");
  EXPECT_THAT(newest(a).devices(), ElementsAre(0u));
  EXPECT_THAT(newest(b).devices(), ElementsAre(1u, 2u)) << "GPUs bound it before slots do";
  const v1::Plan plan = plan_of(d.state, d.run_of(b), 1);
  EXPECT_EQ(plan.world(), 2u);
  EXPECT_EQ(plan.gpus_per_rank(), 1u);
  EXPECT_THAT(plan.devices(), ElementsAre("1", "2"));

  const std::string c = d.start("gpu");
  EXPECT_EQ(d.run_of(c).state(), v1::QUEUED);
  EXPECT_THAT(d.waiting()[0].reason(), HasSubstr("waits for 1 GPU: 0 of 3 are free"));
  d.ends(a, v1::END_SPEC_REFUSED);
  EXPECT_THAT(newest(c).devices(), ElementsAre(0u));
  EXPECT_EQ(plan_of(d.state, d.run_of(b), 1).SerializeAsString(), plan.SerializeAsString())
      << "a relaunch writes the same plan";
}

TEST_F(Gpus, ARunThatLostItsHostsGpusWaitsWithTheReason) {
  d.host(4, 1);
  const std::string id = d.start("gpu");
  d.gang_starts(id);
  d.ends(id, v1::END_NODE_LOST);
  d.host(4, 0);
  d.pass(Seconds(600));
  EXPECT_EQ(d.run_of(id).state(), v1::QUEUED);
  EXPECT_THAT(d.waiting()[0].reason(), HasSubstr("has none"));
  d.host(4, 1);
  d.pass(Seconds(1));
  EXPECT_EQ(d.run_of(id).state(), v1::RUNNING);
}

}  // namespace
}  // namespace rekindle::core::testing
