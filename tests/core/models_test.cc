// Models and data: windows and triggers, aliases, quarantine, freezing.
#include <google/protobuf/util/message_differencer.h>

#include "core/plan.h"
#include "core/why.h"
#include "core/windows.h"
#include "tests/core/replaying.h"

namespace rekindle::core::testing {
namespace {

using ::testing::HasSubstr;

TEST(Windows, NewestRowsAreHeldBackAndNothingIsKnownTooEarly) {
  Driver d;
  v1::JobSpec spec = spec_of(kModel);
  d.run(AddSnapshot{january(), false});
  d.run(Apply{apply_of(spec)});
  // A first run on an old import sees its rows.
  auto first = training_rows(d.state, spec, to_micros(*parse_time("2026-11-22")), 0);
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  EXPECT_EQ(first->windows.train_from_us(), day_us(1, 1));
  EXPECT_EQ(first->windows.until_us(), day_us(2, 1));
  EXPECT_EQ(first->windows.holdout_from_us(), day_us(1, 25));
  EXPECT_EQ(first->windows.valid_from_us(), day_us(1, 1) + 24 * kDayUs * 9 / 10);

  for (int day = 1; day <= 20; ++day) d.run(AddSnapshot{settled_day(kModel, 2, day), true});
  // As of 14 February noon: days over by 13 February 11:00 are known, that is up to the 12th.
  int64_t as_of = day_us(2, 14) + 12 * kHourUs;
  auto live = training_rows(d.state, spec, as_of, 0);
  ASSERT_TRUE(live.ok());
  EXPECT_EQ(live->data.size(), 1u + 12u);
  EXPECT_EQ(live->windows.until_us(), day_us(2, 13));
  EXPECT_EQ(live->windows.holdout_from_us(), day_us(2, 6));
  for (const auto& snapshot : live->data) EXPECT_LT(snapshot.last_time_us(), as_of - 25 * kHourUs);
  // Exactly at the boundary a day counts, a microsecond before it does not.
  EXPECT_EQ(training_rows(d.state, spec, day_us(2, 14) + kHourUs, 0)->data.size(), 13u);
  EXPECT_EQ(training_rows(d.state, spec, day_us(2, 14) + kHourUs - 1, 0)->data.size(), 12u);

  // rows.last cuts the old end, and whole snapshots before it are left out.
  *spec.mutable_train()->mutable_rows()->mutable_last() = to_proto(Seconds(10 * 86400));
  auto recent = training_rows(d.state, spec, as_of, 0);
  ASSERT_TRUE(recent.ok());
  EXPECT_EQ(recent->windows.train_from_us(), day_us(2, 13) + 25 * kHourUs - 10 * kDayUs);
  EXPECT_EQ(recent->data.front().name(), "2013-02-04");

  *spec.mutable_gate()->mutable_holdout() = to_proto(Seconds(20 * 86400));
  EXPECT_EQ(training_rows(d.state, spec, as_of, 0).status().code(), Code::kFailedPrecondition);
  spec.mutable_data()->set_initial("flights@2012-01..2012-12");
  EXPECT_EQ(training_rows(d.state, spec, day_us(2, 1), 0).status().code(), Code::kFailedPrecondition);
}

TEST(Windows, ReachBackAsTheRowsSay) {
  Driver d;
  v1::JobSpec spec = spec_of(kModel);
  d.run(AddSnapshot{january(), false});
  d.run(Apply{apply_of(spec)});
  for (int day = 1; day <= 28; ++day) d.run(AddSnapshot{settled_day(kModel, 2, day), true});
  const int64_t as_of = day_us(3, 2) + kHourUs;  // all of February is known
  v1::Rows& rows = *spec.mutable_train()->mutable_rows();
  const auto days_back = [&](int64_t changed_us) {
    const auto found = training_rows(d.state, spec, as_of, changed_us);
    EXPECT_TRUE(found.ok()) << found.status().message();
    return static_cast<double>(as_of - found->windows.train_from_us()) / kDayUs;
  };
  *rows.mutable_since_drift()->mutable_at_least() = to_proto(Seconds(14 * 86400));
  *rows.mutable_since_drift()->mutable_at_most() = to_proto(Seconds(40 * 86400));
  EXPECT_DOUBLE_EQ(days_back(0), 40) << "no change is known";
  EXPECT_DOUBLE_EQ(days_back(as_of - 20 * kDayUs), 20);
  EXPECT_DOUBLE_EQ(days_back(as_of - 3 * kDayUs), 14 + 25.0 / 24)
      << "three days would be their weather; of the newest 25 hours no label is known";
  EXPECT_DOUBLE_EQ(days_back(as_of - 300 * kDayUs), 40);
  *rows.mutable_decay()->mutable_half_life() = to_proto(Seconds(3 * 86400));
  EXPECT_DOUBLE_EQ(days_back(0), 30) << "ten half-lives";
  *rows.mutable_reservoir()->mutable_at_most() = to_proto(Seconds(25 * 86400));
  EXPECT_DOUBLE_EQ(days_back(as_of - 20 * kDayUs), 25) << "a change is of no account";
  *rows.mutable_balanced()->mutable_last() = to_proto(Seconds(22 * 86400));
  EXPECT_DOUBLE_EQ(days_back(0), 22);
}

TEST(Triggers, ARunRemembersTheChangeThatItWasQueuedForAndIsChargedForItsRanks) {
  Replaying d;
  v1::JobSpec spec = spec_of(kModel);  // without errors, which would say themselves since when
  spec.mutable_retrain()->clear_when();
  spec.mutable_retrain()->add_when()->mutable_drift();
  d.run(Apply{apply_of(spec)});
  int64_t clock = day_us(2, 8);
  const std::string id = d.until_triggered(clock);
  ASSERT_FALSE(id.empty());
  EXPECT_GT(d.run_of(id).changed_us(), 0);
  EXPECT_EQ(d.run_of(id).changed_us(), d.model().decision().changed_us());
  d.gang_starts(id);
  d.world.now += Seconds(20);  // of the wall clock: of no account in a replay
  d.ends(id, v1::END_SPEC_REFUSED);
  EXPECT_DOUBLE_EQ(d.model().decision().last_rank_seconds(), 2 * 3600)
      << "two ranks for as long as runs take";
}

TEST(Triggers, LabelsThatSettledSinceTheChampionsRowsCount) {
  Driver d;
  v1::JobSpec spec = spec_of(kModel);
  d.run(AddSnapshot{january(), false});
  d.run(Apply{apply_of(spec)});
  v1::Version champion;
  champion.set_as_of_us(day_us(2, 11) + 25 * kHourUs);  // it knows rows before the 11th
  for (int day = 1; day <= 20; ++day) d.run(AddSnapshot{settled_day(kModel, 2, day), true});
  EXPECT_EQ(new_labels(d.state, spec, champion, day_us(2, 12) + 25 * kHourUs), 900u);
  EXPECT_EQ(new_labels(d.state, spec, champion, day_us(2, 12) + 25 * kHourUs - 1), 0u)
      << "the 11th is not over";
  EXPECT_EQ(new_labels(d.state, spec, champion, day_us(3, 1)), 10 * 900u);
}

TEST(Triggers, ARunLearnsFromWhereItsChoiceOfRowsReaches) {
  Driver d;
  v1::JobSpec spec = spec_of(kModel);
  EXPECT_EQ(learns_from_us(spec, oldest_row_us(d.state, spec), day_us(3, 1), 0), 0) << "there are no rows";
  d.run(AddSnapshot{january(), false});
  d.run(Apply{apply_of(spec)});
  d.run(AddSnapshot{settled_day(kModel, 2, 1), true});
  EXPECT_EQ(learns_from_us(spec, oldest_row_us(d.state, spec), day_us(3, 1), 0), day_us(1, 1))
      << "the last 180 days";
  auto& rows = *spec.mutable_train()->mutable_rows();
  *rows.mutable_last() = to_proto(Seconds(10 * 86400));
  EXPECT_EQ(learns_from_us(spec, oldest_row_us(d.state, spec), day_us(2, 21), 0), day_us(2, 11));
  *rows.mutable_since_drift()->mutable_at_least() = to_proto(Seconds(5 * 86400));
  *rows.mutable_since_drift()->mutable_at_most() = to_proto(Seconds(365 * 86400));
  EXPECT_EQ(learns_from_us(spec, oldest_row_us(d.state, spec), day_us(2, 21), 0), day_us(1, 1))
      << "no change is known";
  EXPECT_EQ(learns_from_us(spec, oldest_row_us(d.state, spec), day_us(2, 21), day_us(2, 3)), day_us(2, 3));
}

// Versions 1 and 2, the second in service everywhere.
struct TwoVersions : Driver {
  std::string first, second;
  TwoVersions() {
    add_job();
    first = published(evaluation_of(.53, 0));
    second = published(evaluation_of(.50, .53));
  }
  std::string published(const v1::Evaluation& evaluation) {
    const std::string id = start();
    trains(id, evaluation);
    for (int i = 0; i < 3; ++i) {
      nodes_follow();
      pass(Seconds(2 * 86400));
    }
    EXPECT_EQ(model().rollout().state(), v1::Rollout::PROMOTED);
    return id;
  }
};

TEST(Reuse, ARunThatFoundAnOlderVersionRollsItOutAgainAndMakesNone) {
  TwoVersions d;
  const std::string third = d.start();
  d.gang_starts(third);
  d.ends(third, v1::END_FINISHED, finished(d.first, evaluation_of(.45, .50)));
  d.verified(third);
  EXPECT_EQ(d.run_of(third).state(), v1::COMPLETED);
  EXPECT_THAT(d.run_of(third).reason(), HasSubstr("version 1 fits the present and serves again"));
  EXPECT_EQ(d.model().versions_size(), 2);
  EXPECT_EQ(d.model().rollout().version(), 1u);
  EXPECT_EQ(d.model().rollout().state(), v1::Rollout::LOADING_CANARY);
  EXPECT_EQ(d.model().decision().active_run(), "");
  for (int i = 0; i < 3; ++i) {
    d.nodes_follow();
    d.pass(Seconds(2 * 86400));
  }
  EXPECT_EQ(d.model().aliases().at("champion"), 1u);
}

TEST(Reuse, OnlyATriggersRunLooksAndOnlyAtVersionsThatWereNotRolledBack) {
  TwoVersions d;
  const std::string third = d.start();
  v1::Run run = d.run_of(third);
  *run.mutable_spec() = spec_of(kModel);
  run.mutable_spec()->mutable_retrain()->set_reuse(true);
  EXPECT_EQ(plan_of(d.state, run, 1).score_size(), 0) << "a person who asks for a run wants one";
  run.set_cause(v1::CAUSE_DRIFT);
  const v1::Plan plan = plan_of(d.state, run, 1);
  ASSERT_EQ(plan.score_size(), 1);
  EXPECT_EQ(plan.score(0).version(), 1u);
  EXPECT_EQ(plan.score(0).manifest(), d.run_of(d.first).outcome().manifest());
  run.mutable_spec()->mutable_retrain()->set_reuse(false);
  EXPECT_EQ(plan_of(d.state, run, 1).score_size(), 0);
  run.mutable_spec()->mutable_retrain()->set_reuse(true);
  d.state.models.at(JobName(kModel)).mutable_versions(0)->set_barred(true);
  EXPECT_EQ(plan_of(d.state, run, 1).score_size(), 0);
}

TEST(Windows, ScoreTakesARange) {
  Driver d;
  d.add_job();
  for (int day = 1; day <= 3; ++day) d.run(AddSnapshot{settled_day(kModel, 2, day), true});
  EXPECT_EQ(scored_rows(d.state, kModel)->data.size(), 3u);
  auto two = scored_rows(d.state, "flight-delay@2013-02-02..2013-02-03");
  EXPECT_EQ(two->data.size(), 2u);
  EXPECT_EQ(two->windows.holdout_from_us(), day_us(2, 2));
  EXPECT_EQ(two->windows.until_us(), day_us(2, 4));
  EXPECT_EQ(scored_rows(d.state, "weather").status().code(), Code::kNotFound);
}

TEST(Data, SnapshotsNeverChange) {
  Driver d;
  d.add_job();
  size_t events = d.journal.size();
  v1::DatasetSnapshot again = january();
  again.set_source("another file of the same bytes");
  d.run(AddSnapshot{again, false});
  EXPECT_EQ(d.journal.size(), events);
  again.mutable_parts(0)->set_sha256(sha256_hex("other"));
  EXPECT_EQ(d.refuse(AddSnapshot{again, false}).code(), Code::kAlreadyExists);
  EXPECT_EQ(d.refuse(AddSnapshot{settled_day(kModel, 2, 1), false}).code(), Code::kInvalidArgument);
  EXPECT_EQ(d.refuse(AddSnapshot{snapshot_of("nobody", "2013-02-01", 1, 2), true}).code(), Code::kNotFound);
  EXPECT_EQ(d.refuse(AddSnapshot{snapshot_of("x", "../up", 1, 2), false}).code(), Code::kInvalidArgument);
}

// Labels of the bake come when it is over: what they prove worse is undone and said to be.
TEST(Windows, JudgedTwiceChangesNothing) {
  Replaying d;
  d.advance_to(day_us(2, 3), 0.1);
  size_t events = d.journal.size();
  v1::JudgedWindow window = d.model().decision().last_window();
  d.run(JudgeWindow{window});
  EXPECT_EQ(d.journal.size(), events);
  EXPECT_EQ(d.model().decision().last_window().slot_us(), day_us(2, 3) - 2 * kHourUs);
}

TEST(Windows, TheBacklogOfAnEndedReplayTriggersNothing) {
  Replaying d;
  v1::EndReplayRequest end;
  end.set_model(kModel);
  end.set_session("s");
  d.run(EndReplay{end});  // the wall clock says 2026
  for (int64_t slot = day_us(2, 10); slot < day_us(3, 10); slot += kDayUs)
    d.run(JudgeWindow{window_of(kModel, slot, 1, 0.9)});
  EXPECT_EQ(d.state.runs.size(), 1u);
  EXPECT_THAT(d.model().decision().last_reason(), HasSubstr("behind the model clock"));
}

TEST(Windows, AFrozenModelIsLeftAlone) {
  Replaying d;
  v1::FreezeRequest freeze;
  freeze.set_model(kModel);
  freeze.set_frozen(true);
  freeze.set_reason("audit");
  d.run(Freeze{freeze});
  for (int64_t clock = day_us(2, 1); clock < day_us(3, 1); clock += 6 * kHourUs) d.advance_to(clock, 0.9);
  EXPECT_EQ(d.state.runs.size(), 1u);
  EXPECT_THAT(d.model().decision().last_reason(), HasSubstr("audit"));
  std::string id = d.start();
  d.ends(id, v1::END_FINISHED, finished("b", evaluation_of(.50, .53)));
  d.run(to(day_us(3, 2)));
  d.verified(id);
  EXPECT_EQ(d.run_of(id).state(), v1::HELD);
}

TEST(Quarantine, OneItemPerTrouble) {
  Replaying d;
  auto breach = [](v1::JudgedWindow& window, const char* feature, int64_t from, int64_t until) {
    auto* b = window.add_breaches();
    b->set_check("missing_share");
    b->set_feature(feature);
    b->set_from_us(from);
    b->set_until_us(until);
    b->set_rows(10);
  };
  for (int hour = 0; hour < 3; ++hour) {
    int64_t slot = day_us(2, 3) + hour * kHourUs;
    v1::JudgedWindow window = window_of(kModel, slot, 1, 0.1);
    breach(window, "temp", slot, slot + kHourUs);
    if (hour == 1) breach(window, "dest", slot, slot + kHourUs);
    d.run(JudgeWindow{window});
  }
  ASSERT_EQ(d.state.quarantines.size(), 2u);
  EXPECT_EQ(d.state.quarantines.at(1).breach().until_us(), day_us(2, 3) + 3 * kHourUs);
  EXPECT_EQ(d.state.quarantines.at(1).breach().rows(), 30);
  v1::ResolveQuarantineRequest resolve;
  resolve.set_id(1);
  resolve.set_release(true);
  resolve.set_reason("the sensor was down");
  d.run(ResolveQuarantine{resolve});
  d.run(ResolveQuarantine{resolve});
  EXPECT_EQ(d.state.quarantines.at(1).state(), v1::Quarantine::RELEASED);
  resolve.set_release(false);
  EXPECT_EQ(d.refuse(ResolveQuarantine{resolve}).code(), Code::kFailedPrecondition);
  resolve.set_id(9);
  EXPECT_EQ(d.refuse(ResolveQuarantine{resolve}).code(), Code::kNotFound);
  // The numbers go on after a restart.
  d.state.quarantines.erase(2);
  d.state = from_snapshot(to_snapshot(d.state));
  v1::JudgedWindow later = window_of(kModel, day_us(2, 3) + 3 * kHourUs, 1, 0.1);
  breach(later, "temp", day_us(2, 3) + 3 * kHourUs, day_us(2, 3) + 4 * kHourUs);
  d.run(JudgeWindow{later});
  EXPECT_TRUE(d.state.quarantines.contains(3)) << "what was released is not opened again";
}

// Rows that were settled before anybody knew that they are broken are in a day that no run may take; rows of
// a breach that was known were left out when the day was settled.
TEST(Quarantine, ADayThatSettledUnawareIsNotTrainedOn) {
  Replaying d;
  for (int day = 1; day <= 4; ++day) d.run(AddSnapshot{settled_day(kModel, 2, day), true});
  const int64_t as_of = day_us(2, 10);
  const v1::JobSpec& spec = find_job(d.state, kModel)->spec();
  const auto days = [&] {
    std::string out;
    const auto selected = training_rows(d.state, spec, as_of, 0);
    for (const auto& snapshot : selected->data)
      if (snapshot.dataset() == kModel) out += snapshot.name().substr(8) + " ";
    return out;
  };
  EXPECT_EQ(days(), "01 02 03 04 ");
  v1::JudgedWindow window = window_of(kModel, day_us(2, 5), 1, 0.1);
  v1::Breach& breach = *window.add_breaches();
  breach.set_check("inverted_label");
  breach.set_feature("late");
  breach.set_from_us(day_us(2, 3) + 20 * kHourUs);
  breach.set_until_us(day_us(2, 4) + 2 * kHourUs);
  d.run(JudgeWindow{window});
  EXPECT_EQ(days(), "01 02 ");
  d.world.now += Seconds(3600);
  d.run(AddSnapshot{settled_day(kModel, 2, 5), true});
  v1::JudgedWindow later = window_of(kModel, day_us(2, 5) + kHourUs, 1, 0.1);
  *later.add_breaches() = breach;
  later.mutable_breaches(0)->set_until_us(day_us(2, 6));
  d.run(JudgeWindow{later});
  EXPECT_EQ(days(), "01 02 05 ") << "settled without what was known";
  v1::ResolveQuarantineRequest resolve;
  resolve.set_id(1);
  resolve.set_release(true);
  resolve.set_reason("the world");
  d.run(ResolveQuarantine{resolve});
  EXPECT_EQ(days(), "01 02 03 04 05 ");
}

TEST(Aliases, TheChampionMovesByARollout) {
  Driver d;
  d.add_job();
  d.trains(d.start(), evaluation_of(.53, 0));
  d.nodes_follow();
  d.trains(d.start(), evaluation_of(.50, .53));
  v1::SetAliasRequest set;
  set.set_model(kModel);
  set.set_alias("champion");
  set.set_version(2);
  set.set_expected(7);
  EXPECT_EQ(d.refuse(SetAlias{set}).code(), Code::kAborted);
  set.set_expected(1);
  d.run(SetAlias{set});
  EXPECT_EQ(d.model().aliases().at("champion"), 1u) << "not before the nodes have it";
  EXPECT_EQ(d.model().plan().versions_size(), 1);
  d.run(SetAlias{set});
  d.nodes_follow();
  EXPECT_EQ(d.model().aliases().at("champion"), 2u);

  set.set_alias("stable");
  set.clear_expected();
  d.run(SetAlias{set});
  EXPECT_EQ(d.model().aliases().at("stable"), 2u);

  v1::RollbackRequest back;
  back.set_model(kModel);
  back.set_reason("complaints");
  d.run(RollBack{back});
  EXPECT_EQ(d.model().aliases().at("champion"), 1u);
  EXPECT_TRUE(d.model().versions(1).barred());
  set.set_alias("champion");
  set.set_version(0);
  EXPECT_EQ(d.refuse(SetAlias{set}).code(), Code::kInvalidArgument);
}

TEST(State, SnapshotRoundTrip) {
  Replaying d;
  int64_t clock = day_us(2, 1);
  d.until_triggered(clock);
  d.start();
  v1::Snapshot snapshot = to_snapshot(d.state);
  v1::Snapshot parsed;
  ASSERT_TRUE(parsed.ParseFromString(snapshot.SerializeAsString()));
  State back = from_snapshot(parsed);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(to_snapshot(back), snapshot));
  EXPECT_EQ(back.runs_by_key, d.state.runs_by_key);
  EXPECT_EQ(active_runs(back), active_runs(d.state));
  EXPECT_EQ(back.flights, d.state.flights);
  // And the journal alone gives the same.
  State replayed;
  for (const auto& event : d.journal) apply(replayed, event);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(to_snapshot(replayed), snapshot));
}

}  // namespace
}  // namespace rekindle::core::testing
