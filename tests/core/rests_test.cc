// The memory of passes (State::rests) spares work and decides nothing: of two cores that are told the same,
// one of which forgets before each command, both write the same events.
#include <gtest/gtest.h>

#include "core/decide.h"
#include "core/invariants.h"
#include "core/place/plan.h"
#include "core/place/timeline.h"
#include "core/schedule.h"
#include "tests/core/builders.h"
#include "tests/core/random_pools.h"

namespace rekindle::core::testing {
namespace {

constexpr uint32_t kNodes = 5;

place::Cluster cluster_of(uint32_t nodes) {
  place::Cluster out = place::one_host(4);
  for (uint32_t i = 1; i < nodes; ++i)
    out[place::kLocal].nodes.push_back({fmt::format("n{}", i), {4, 0, 0}, {}, {}});
  return out;
}

std::vector<Apply> jobs() {
  std::vector<Apply> out;
  for (const uint32_t ranks : {1u, 2u, 6u, 16u})
    for (const int64_t limit : {0, 5, 60, 600})
      for (const int32_t priority : {0, 1}) {
        v1::JobSpec spec = task_of(fmt::format("r{}-l{}-p{}", ranks, limit, priority), ranks);
        spec.set_priority(priority);
        if (limit > 0) *spec.mutable_train()->mutable_limits()->mutable_attempt() = to_proto(Seconds(limit));
        out.push_back(apply_of(spec));
      }
  return out;
}

class Pair {
 public:
  explicit Pair(uint64_t seed) : dice_(seed) {
    world_.now = time_from_micros(day_us(2, 2));
    world_.cluster = std::make_shared<const place::Cluster>(cluster_of(kNodes));
    for (const Apply& job : jobs()) tell(job);
  }

  void step() {
    world_.now += Micros(dice_.below(700'000));
    const uint32_t what = dice_.below(100);
    if (what < 55) {
      v1::StartRunRequest request;
      request.set_job(jobs_[dice_.below(static_cast<uint32_t>(jobs_.size()))].spec.name());
      spared += state_.rests.contains(place::kLocal);
      tell(StartRun{request});
    } else if (what < 70 && !state_.working.empty()) {
      end_one();
    } else if (what < 78 && !state_.working.empty()) {
      const v1::Run& run = some(state_.working);
      tell(GangStarted{RunId(run.id()), static_cast<uint32_t>(run.attempts_size()), {}});
    } else if (what < 82) {
      cancel_one();
    } else if (what < 84) {
      v1::ChangeNodeRequest request;
      request.set_pool(place::kLocal);
      request.set_node("n1");
      request.set_reason("a test");
      request.set_change(dice_.chance(50) ? v1::ChangeNodeRequest::CORDON : v1::ChangeNodeRequest::UNCORDON);
      tell(ChangeNode{request});
    } else if (what < 86) {
      world_.cluster = std::make_shared<const place::Cluster>(cluster_of(kNodes - dice_.below(2)));
      tell(Tick{});
    } else {
      tell(Tick{});
    }
  }

  int spared = 0, placed = 0;

 private:
  const v1::Run& some(const std::set<RunId>& runs) {
    return state_.runs.at(*std::next(runs.begin(), dice_.below(static_cast<uint32_t>(runs.size()))));
  }
  void end_one() {
    const v1::Run& run = some(state_.working);
    AttemptEnded ended{
        RunId(run.id()), static_cast<uint32_t>(run.attempts_size()), v1::END_CRASH, "", {}, ""};
    if (dice_.chance(70)) {
      ended.end = v1::END_FINISHED;
      ended.outcome.emplace().set_kind(v1::Outcome::FINISHED);
    }
    tell(ended);
  }
  void cancel_one() {
    const std::set<RunId> active = active_runs(state_);
    if (active.empty()) return;
    v1::CancelRunRequest request;
    request.set_id(some(active).id());
    tell(CancelRun{request});
  }

  void tell(const Command& command) {
    forgetful_.rests.clear();
    const Result<Decision> one = advance(state_, world_, command);
    const Result<Decision> other = advance(forgetful_, world_, command);
    ASSERT_EQ(one.status().to_string(), other.status().to_string());
    if (!one.ok()) return;
    ASSERT_EQ(one->events.size(), other->events.size());
    for (size_t i = 0; i < one->events.size(); ++i) {
      ASSERT_EQ(one->events[i].ShortDebugString(), other->events[i].ShortDebugString());
      placed += one->events[i].has_attempt_placed();
    }
  }

  place::Dice dice_;
  World world_;
  State state_, forgetful_;
  std::vector<Apply> jobs_ = jobs();
};

TEST(Rests, DecideNothing) {
  int spared = 0, placed = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Pair pair(seed);
    for (int i = 0; i < 700 && !::testing::Test::HasFatalFailure(); ++i) pair.step();
    spared += pair.spared;
    placed += pair.placed;
  }
  EXPECT_GT(spared, 500);
  EXPECT_GT(placed, 500);
}

TEST(Rests, WithinAPassEachGetsTheSeatThatItWouldGetWithoutThem) {
  int waited = 0, never = 0;
  for (uint64_t seed = 1; seed <= 4'000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    place::Dice dice(seed);
    const place::Pool pool = place::random_pool(dice);
    // Few shapes, many of each.
    std::vector<place::Gang> shapes, gangs;
    for (int i = 0; i < 4; ++i) shapes.push_back(place::random_gang(dice));
    for (int i = 0; i < 20; ++i) {
      gangs.push_back(shapes[dice.below(4)]);
      if (dice.chance(30)) gangs.back().min = gangs.back().max = 1 + dice.below(8);
    }
    size_t at = 0;
    const auto next = [&] { return at < gangs.size() ? std::optional(gangs[at++]) : std::nullopt; };
    const std::vector<place::Verdict> verdicts = place::plan(pool, {}, next, place::kNow, {.whole = true});
    place::Timeline timeline(pool, place::kNow);
    ASSERT_EQ(verdicts.size(), gangs.size());
    for (size_t i = 0; i < gangs.size(); ++i) {
      const place::Gang& gang = gangs[i];
      if (verdicts[i].kind == place::Verdict::kImpossible) continue;
      const std::optional<place::Seat> seat = timeline.earliest(gang);
      ASSERT_EQ(seat.has_value(), verdicts[i].kind != place::Verdict::kNoSeat) << "gang " << i;
      never += !seat;
      if (!seat) {
        timeline.close_for(gang);
        continue;
      }
      ASSERT_EQ(seat->start_us, verdicts[i].seat.start_us) << "gang " << i;
      waited += seat->start_us > place::kNow;
      if (gang.max == gang.min) {
        ASSERT_EQ(seat->shares, verdicts[i].seat.shares) << "gang " << i;
      }
      const int64_t from_us = seat->start_us < place::kUnknown ? seat->start_us : place::kNow;
      const int64_t until_us = place::later(seat->start_us, gang.limit_us);
      timeline.take(seat->shares, gang.rank, from_us, until_us);
      timeline.admit(from_us, until_us);
    }
  }
  EXPECT_GT(waited, 1'000);
  EXPECT_GT(never, 1'000);
}

// Of 300 that wait 200 are looked at: who is put behind them is not, and who is put before them is.
TEST(Rests, WhoIsPutBeforeThoseLookedAtIsPlacedAtOnce) {
  World world;
  world.now = time_from_micros(day_us(2, 2));
  world.cluster = std::make_shared<const place::Cluster>(place::one_host(2));
  State state;
  v1::JobSpec urgent = task_of("urgent", 1);
  urgent.set_priority(5);
  for (const v1::JobSpec& spec : {task_of("one", 1), task_of("two", 2), urgent})
    ASSERT_TRUE(advance(state, world, apply_of(spec)).ok());
  const auto start = [&](const std::string& job, uint32_t count) {
    v1::StartRunsRequest request;
    request.mutable_run()->set_job(job);
    request.set_count(count);
    const Result<Decision> decision = advance(state, world, StartRuns{request});
    EXPECT_TRUE(decision.ok());
    return decision.ok() ? find_run(state, decision->ids.front())->state() : v1::RUN_STATE_UNSPECIFIED;
  };
  EXPECT_EQ(start("one", 1), v1::RUNNING);
  EXPECT_EQ(start("two", 300), v1::QUEUED);
  ASSERT_TRUE(state.rests.contains(place::kLocal));
  EXPECT_EQ(start("two", 1), v1::QUEUED);
  EXPECT_TRUE(state.rests.contains(place::kLocal)) << "it stands behind: what was found holds on";
  EXPECT_EQ(start("urgent", 1), v1::RUNNING);
}

}  // namespace
}  // namespace rekindle::core::testing
