// The hang doctor on made-up beats: who is named, for what, when; and who is let be.
#include "coordinator/attempts/hang.h"

#include <gmock/gmock.h>

#include <functional>

namespace rekindle::coordinator {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;

v1::Beat beat(v1::Phase phase, uint64_t step, uint64_t collective, uint64_t progress) {
  v1::Beat out;
  out.set_phase(phase);
  out.set_step(step);
  out.set_collective(collective);
  out.set_progress(progress);
  return out;
}

steady_clock::time_point at(double seconds) {
  return steady_clock::time_point() +
         std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds));
}

constexpr Micros kCold = Seconds(60), kWarm = Seconds(15);

// A healthy rank is at step 4 t and begins two collectives a step.
v1::Beat healthy(int second) {
  return beat(v1::PHASE_BACKWARD, 4 * second, 8 * second, 40 * second);
}

// How a rank fails at second 20: what its beats say from then on; nothing: it is silent.
using Failure = std::function<std::optional<v1::Beat>(int second)>;

struct Case {
  const char* name;
  std::vector<Failure> ranks;
  Diagnosis::Kind kind;
  int rank;
  double found_by;  // seconds after the fault
  const char* message;
};

std::optional<v1::Beat> silent(int) {
  return std::nullopt;
}
Failure standing(v1::Phase phase, uint64_t step, uint64_t collective) {
  return [=](int) { return beat(phase, step, collective, 800); };
}
std::optional<v1::Beat> working(int second) {
  return healthy(second);
}

class Doctor : public testing::TestWithParam<Case> {};

TEST_P(Doctor, NamesTheRankWhatItDidAndWhoWaits) {
  const Case& c = GetParam();
  HangWatch watch(static_cast<uint32_t>(c.ranks.size()), kCold, kWarm, at(0));
  std::optional<Diagnosis> found;
  double now = 0;
  for (int tick = 1; !found && tick < 2000; ++tick) {
    now = tick * 0.05;
    if (tick % 20 == 0) {
      const int second = tick / 20;
      for (uint32_t rank = 0; rank < c.ranks.size(); ++rank) {
        const auto said = second < 20 ? std::optional(healthy(second)) : c.ranks[rank](second);
        if (said) watch.beat(rank, *said, at(now));
      }
    }
    found = watch.check(at(now));
    // Beats met it healthy at 19 s: the fault may be as old as that.
    if (found) EXPECT_GT(now, 19 + 8.9) << "too hasty";
  }
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->kind, c.kind) << found->message;
  EXPECT_EQ(found->rank, c.rank) << found->message;
  EXPECT_EQ(found->message, c.message);
  EXPECT_LE(now, 19 + c.found_by);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Doctor,
    testing::Values(
        Case{"stopped",
             {standing(v1::PHASE_REDUCE, 76, 154), silent, standing(v1::PHASE_REDUCE, 76, 154)},
             Diagnosis::kStopped,
             1,
             15,
             "rank 1 stopped beating 10s ago, last heard in backward at step 76 (collective 152); ranks 0, 2 "
             "wait in "
             "collective 154 at step 76"},
        Case{"alone_and_stopped",
             {silent},
             Diagnosis::kStopped,
             0,
             15,
             "rank 0 stopped beating 10s ago, last heard in backward at step 76 (collective 152)"},
        Case{"busy",
             {standing(v1::PHASE_REDUCE, 76, 154), standing(v1::PHASE_FORWARD, 76, 153)},
             Diagnosis::kStuck,
             1,
             15,
             "rank 1 has made no progress for 15s in forward at step 76 (collective 153); rank 0 waits in "
             "collective 154 at step 76"},
        Case{"busy_before_any_collective_of_the_step",
             {standing(v1::PHASE_BACKWARD, 76, 153), standing(v1::PHASE_DATA, 76, 153)},
             Diagnosis::kStuck,
             1,
             15,
             "rank 1 has made no progress for 15s in data at step 76 (collective 153); rank 0 is in backward "
             "at "
             "step 76 (collective 153)"},
        Case{"alone_and_busy",
             {standing(v1::PHASE_OPTIMIZER, 76, 153)},
             Diagnosis::kStuck,
             0,
             15,
             "rank 0 has made no progress for 15s in the optimizer at step 76 (collective 153)"},
        Case{"all_in_one_collective",
             {standing(v1::PHASE_REDUCE, 76, 154), standing(v1::PHASE_REDUCE, 76, 154)},
             Diagnosis::kDeadlock,
             -1,
             15,
             "no rank has made progress for 15s: all wait in collective 154 at step 76"},
        Case{"a_checkpoint_that_does_not_end",
             {standing(v1::PHASE_CHECKPOINT, 76, 153), standing(v1::PHASE_REDUCE, 76, 154),
              standing(v1::PHASE_REDUCE, 76, 155)},
             Diagnosis::kStuck,
             0,
             15,
             "rank 0 has made no progress for 15s in a checkpoint at step 76 (collective 153); rank 1 waits "
             "in "
             "collective 154 at step 76; rank 2 waits in collective 155 at step 76"},
        Case{"silent_ones_come_before_standing_ones",
             {standing(v1::PHASE_FORWARD, 76, 150), silent},
             Diagnosis::kStopped,
             1,
             15,
             "rank 1 stopped beating 10s ago, last heard in backward at step 76 (collective 152); rank 0 is "
             "in forward at "
             "step 76 (collective 150)"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(DoctorLets, WhoMovesBe) {
  HangWatch watch(2, kCold, kWarm, at(0));
  for (int second = 1; second < 300; ++second) {
    watch.beat(0, healthy(second), at(second));
    watch.beat(1, healthy(second), at(second + 0.4));
    ASSERT_FALSE(watch.check(at(second + 0.5)).has_value()) << second;
  }
}

TEST(DoctorLets, WhoWaitsForOneThatMovesBe) {
  HangWatch watch(2, kCold, kWarm, at(0));
  for (int second = 1; second < 300; ++second) {
    watch.beat(0, beat(v1::PHASE_PUBLISH, 80, 200, 500 + second), at(second));
    watch.beat(1, beat(v1::PHASE_END, 80, 201, 700), at(second));
    ASSERT_FALSE(watch.check(at(second)).has_value()) << second;
  }
}

TEST(DoctorLets, RanksBeThatBeatALittleLate) {
  // A loaded host: beats come every two seconds, and the limit is the shortest that a spec may say.
  HangWatch watch(1, kCold, Seconds(1), at(0));
  for (int second = 2; second < 300; second += 2) {
    for (double now : {second - 1.0, second - 0.1}) {
      auto found = watch.check(at(now));
      ASSERT_FALSE(found.has_value()) << found->message;
    }
    watch.beat(0, healthy(second), at(second));
  }
}

TEST(DoctorLets, APauseOfTheWatcherIsNobodysFault) {
  HangWatch watch(2, kCold, kWarm, at(0));
  for (uint32_t rank : {0, 1}) watch.beat(rank, healthy(1), at(1));
  EXPECT_FALSE(watch.check(at(1)).has_value());
  EXPECT_FALSE(watch.check(at(1000)).has_value());
  EXPECT_FALSE(watch.check(at(1001)).has_value());
}

TEST(DoctorLets, AScriptSayItselfHowFarItIs) {
  HangWatch silent_script(1, kCold, kWarm, at(0)), regular(1, kCold, kWarm, at(0));
  std::optional<Diagnosis> found;
  int found_at = 0;
  for (int second = 1; second < 4000 && !found; ++second) {
    silent_script.beat(0, beat(v1::PHASE_COMMAND, 0, 0, 1), at(second));
    ASSERT_FALSE(silent_script.check(at(second)).has_value());
    // Reports every 50 s until 1,000 s, then never again.
    const auto steps = static_cast<uint64_t>(std::min(second, 1000) / 50);
    regular.beat(0, beat(v1::PHASE_COMMAND, steps, 0, steps), at(second));
    found = regular.check(at(second));
    found_at = second;
  }
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found_at, 1000 + 10 * 50) << "ten times its longest pause";
}

TEST(DoctorKnows, AScriptWhoseFirstRankAloneReports) {
  HangWatch watch(2, kCold, kWarm, at(0));
  std::optional<Diagnosis> found;
  for (int second = 1; second < 1000 && !found; ++second) {
    const auto steps = static_cast<uint64_t>(std::min(second, 100));
    watch.beat(0, beat(v1::PHASE_COMMAND, steps, 0, steps), at(second));
    watch.beat(1, beat(v1::PHASE_COMMAND, 0, 0, 1), at(second));
    found = watch.check(at(second));
  }
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(
      found->message,
      "rank 0 has made no progress for 61s in its command at step 100; rank 1 is in its command at step 0");
}

TEST(DoctorLets, AScriptWhoseOtherRanksNeverReport) {
  HangWatch watch(2, kCold, kWarm, at(0));
  // As the gang beats for every rank: before the script it prepares code, environment and rows.
  for (uint32_t rank : {0, 1}) {
    watch.beat(rank, beat(v1::PHASE_START, 0, 0, 1), at(1));
    watch.beat(rank, beat(v1::PHASE_DATA, 0, 0, 2), at(2));
  }
  for (int second = 3; second < 4000; ++second) {
    const auto steps = static_cast<uint64_t>(second);
    watch.beat(0, beat(v1::PHASE_COMMAND, steps, 0, steps), at(second));
    watch.beat(1, beat(v1::PHASE_COMMAND, 0, 0, 2), at(second));
    ASSERT_FALSE(watch.check(at(second)).has_value()) << second;
  }
}

TEST(DoctorKnows, TheColdLimit) {
  HangWatch cold(2, kCold, kWarm, at(0));
  int cold_at = 0;
  for (int second = 1; second < 100 && cold_at == 0; ++second) {
    for (uint32_t rank : {0, 1}) cold.beat(rank, beat(v1::PHASE_DATA, 0, 0, 1), at(second));
    if (cold.check(at(second))) cold_at = second;
  }
  EXPECT_EQ(cold_at, 60);
}

TEST(DoctorKnows, ARankThatNeverCame) {
  HangWatch watch(3, kCold, kWarm, at(0));
  std::optional<Diagnosis> found;
  for (int tick = 1; tick < 2000 && !found; ++tick) {
    if (tick % 20 == 0)
      for (uint32_t rank : {0, 2}) watch.beat(rank, beat(v1::PHASE_START, 0, 1, 1), at(tick / 20));
    found = watch.check(at(tick * 0.05));
  }
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->kind, Diagnosis::kAbsent);
  EXPECT_EQ(found->message,
            "rank 1 has not begun to report within 1m; ranks 0, 2 wait in collective 1 at step 0");
}

TEST(DoctorKnows, SilenceAlsoByAShortLimit) {
  HangWatch watch(2, kCold, Seconds(1), at(0));
  for (uint32_t rank : {0, 1}) watch.beat(rank, beat(v1::PHASE_BACKWARD, 3, 7 - rank, 9), at(1));
  std::optional<Diagnosis> found;
  for (int tick = 20; tick < 2000 && !found; ++tick) found = watch.check(at(tick * 0.05));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->message,
            "rank 1 stopped beating 3s ago, last heard in backward at step 3 (collective 6); rank 0 waits in "
            "collective 7 at step 3");
}

TEST(DoctorKnows, ManyRanksAreListedBriefly) {
  HangWatch watch(40, kCold, kWarm, at(0));
  for (int second = 1; second <= 3; ++second)
    for (uint32_t rank = 0; rank < 40; ++rank) watch.beat(rank, healthy(second), at(second));
  std::optional<Diagnosis> found;
  for (int second = 4; second < 100 && !found; ++second) {
    for (uint32_t rank = 0; rank < 39; ++rank)
      watch.beat(rank, beat(v1::PHASE_REDUCE, 12, 30, 130), at(second));
    found = watch.check(at(second));
  }
  ASSERT_TRUE(found.has_value());
  EXPECT_THAT(found->message, HasSubstr("rank 39 stopped beating"));
  EXPECT_THAT(found->message, HasSubstr("14, 15 and 23 more wait in collective 30 at step 12"));
}

// --- Stragglers

// Beats of ranks of which one is at work of its own for `own` of 10 beats and the others for `peers`.
std::optional<Diagnosis> after_beats(int own, int peers, int seconds, v1::Phase work = v1::PHASE_DATA) {
  HangWatch watch(3, kCold, kWarm, at(0));
  for (int second = 1; second <= seconds; ++second)
    for (uint32_t rank = 0; rank < 3; ++rank) {
      const bool works = second % 10 < (rank == 2 ? own : peers);
      watch.beat(rank, beat(works ? work : v1::PHASE_REDUCE, second, second, second), at(second));
      EXPECT_FALSE(watch.check(at(second)).has_value());
    }
  return watch.slowest();
}

TEST(DoctorTells, OfARankThatIsSeveralTimesSlower) {
  auto slow = after_beats(8, 2, 60);
  ASSERT_TRUE(slow.has_value());
  EXPECT_EQ(slow->kind, Diagnosis::kSlow);
  EXPECT_EQ(slow->rank, 2);
  EXPECT_EQ(
      slow->message,
      "rank 2 is slow: it works about 4 times as long on a step as its peers, mostly in data; they wait "
      "for it");
  EXPECT_THAT(after_beats(9, 1, 500, v1::PHASE_FORWARD)->message, HasSubstr("mostly in forward"));
  EXPECT_FALSE(after_beats(8, 2, 20).has_value()) << "too few beats";
  EXPECT_FALSE(after_beats(5, 3, 500).has_value()) << "not slow enough";
  EXPECT_FALSE(after_beats(2, 0, 500).has_value()) << "ranks that hardly work at all";
  EXPECT_FALSE(after_beats(9, 9, 500).has_value());
}

TEST(DoctorTells, NoLongerOfOneThatRecovered) {
  HangWatch watch(2, kCold, kWarm, at(0));
  auto pass = [&](int from, int until, int own) {
    for (int second = from; second < until; ++second) {
      watch.beat(0, beat(second % 10 < 1 ? v1::PHASE_FORWARD : v1::PHASE_REDUCE, second, second, second),
                 at(second));
      watch.beat(1, beat(second % 10 < own ? v1::PHASE_FORWARD : v1::PHASE_REDUCE, second, second, second),
                 at(second));
    }
  };
  pass(1, 100, 9);
  EXPECT_TRUE(watch.slowest().has_value());
  pass(100, 600, 1);
  EXPECT_FALSE(watch.slowest().has_value());
}

}  // namespace
}  // namespace rekindle::coordinator
