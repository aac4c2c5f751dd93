// Placement over many random pools and queues: what holds of every pass, and of many passes in a row.
#include "core/place/plan.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/place/preempt.h"
#include "core/place/timeline.h"
#include "tests/core/random_pools.h"

namespace rekindle::core::place {
namespace {

using ::testing::ElementsAre;

// What stands on each node at a moment.
std::vector<Room> load_at(const Pool& pool, const std::vector<Held>& held, const std::vector<Gang>& gangs,
                          const std::vector<Verdict>& verdicts, int64_t at_us) {
  std::vector<Room> load(pool.nodes.size());
  auto put = [&](const std::vector<Share>& shares, const Room& rank, int64_t from_us, int64_t until_us) {
    if (at_us < from_us || at_us >= until_us) return;
    for (const Share& share : shares) {
      load[share.node].slots += share.ranks * rank.slots;
      load[share.node].gpus += share.ranks * rank.gpus;
      load[share.node].memory += share.ranks * rank.memory;
    }
  };
  for (const Held& one : held) put(one.shares, one.rank, kNow, one.until_us);
  for (size_t i = 0; i < verdicts.size(); ++i)
    if (verdicts[i].kind == Verdict::kStarts || verdicts[i].kind == Verdict::kReserved)
      put(verdicts[i].seat.shares, gangs[i].rank, verdicts[i].seat.start_us,
          later(verdicts[i].seat.start_us, gangs[i].limit_us));
  return load;
}

bool within(const Room& load, const Node& node) {
  return load.slots <= node.room.slots && load.gpus <= node.room.gpus &&
         (node.room.memory == 0 || load.memory <= node.room.memory);
}

std::vector<Held> random_held(Dice& dice, const Pool& pool) {
  std::vector<Held> held;
  for (int i = 0; i < 8; ++i) {
    Gang gang = random_gang(dice);
    gang.labels.clear();
    gang.earliest_us = 0;
    gang.limit_us = 0;
    Timeline timeline(pool, kNow);
    std::vector<Held> forever = held;
    for (Held& one : forever) one.until_us = kForever;
    timeline.hold(forever);
    const std::optional<Seat> seat = timeline.earliest(gang);
    if (!seat || seat->start_us > kNow) continue;
    held.push_back(
        {seat->shares, gang.rank, dice.chance(70) ? kNow + (1 + dice.below(50)) * kSecond : kUnknown});
  }
  return held;
}

std::vector<Verdict> plan_of(const Pool& pool, const std::vector<Held>& held, const std::vector<Gang>& gangs,
                             int64_t now_us = kNow, PlanOptions options = {.whole = true}) {
  size_t at = 0;
  return plan(
      pool, held, [&]() { return at < gangs.size() ? std::optional<Gang>(gangs[at++]) : std::nullopt; },
      now_us, options);
}

struct Scene {
  Pool pool;
  std::vector<Held> held;
  std::vector<Gang> gangs;
};
Scene random_scene(Dice& dice) {
  Scene scene;
  scene.pool = random_pool(dice);
  scene.held = random_held(dice, scene.pool);
  const uint32_t count = 1 + dice.below(15);
  for (uint32_t i = 0; i < count; ++i) scene.gangs.push_back(random_gang(dice));
  return scene;
}

// All or none, in the pool's order of nodes, where labels and the operator allow it.
void check_seat(const Scene& scene, const Gang& gang, const Verdict& verdict) {
  const uint32_t ranks = verdict.seat.ranks();
  ASSERT_GE(ranks, gang.min);
  ASSERT_LE(ranks, verdict.kind == Verdict::kStarts ? gang.max : gang.min);
  ASSERT_GE(verdict.seat.start_us, std::max(kNow, gang.earliest_us));
  for (size_t i = 0; i < verdict.seat.shares.size(); ++i) {
    const Share& share = verdict.seat.shares[i];
    ASSERT_GT(share.ranks, 0u);
    ASSERT_TRUE(scene.pool.nodes[share.node].closed.empty());
    ASSERT_TRUE(carries(scene.pool.nodes[share.node], gang.labels));
    if (i > 0) {
      ASSERT_LT(verdict.seat.shares[i - 1].node, share.node);
    }
  }
}

// Gangs that hold their room at a moment.
uint32_t gangs_at(const Scene& scene, const std::vector<Verdict>& verdicts, int64_t at_us) {
  uint32_t gangs = 0;
  for (const Held& one : scene.held) gangs += at_us < one.until_us;
  for (size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i].kind != Verdict::kStarts && verdicts[i].kind != Verdict::kReserved) continue;
    const int64_t start_us = verdicts[i].seat.start_us;
    gangs += at_us >= start_us && at_us < later(start_us, scene.gangs[i].limit_us);
  }
  return gangs;
}

void check_never_too_much(const Scene& scene, const std::vector<Verdict>& verdicts) {
  std::set<int64_t> moments = {kNow, kUnknown};
  for (const Verdict& verdict : verdicts) moments.insert(std::max(kNow, verdict.seat.start_us));
  for (int64_t moment : moments) {
    const auto load = load_at(scene.pool, scene.held, scene.gangs, verdicts, moment);
    for (size_t node = 0; node < load.size(); ++node)
      ASSERT_TRUE(within(load[node], scene.pool.nodes[node])) << "node " << node << " at " << moment;
    if (scene.pool.runs > 0) {
      ASSERT_LE(gangs_at(scene, verdicts, moment), scene.pool.runs) << "at " << moment;
    }
  }
}

// Whose start nobody knows is passed by nobody: what it could use is closed to those who come later.
void check_nobody_passes(const Scene& scene, const std::vector<Verdict>& verdicts) {
  for (size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i].kind != Verdict::kNoSeat) continue;
    for (size_t later = i + 1; later < verdicts.size(); ++later)
      for (const Share& share : verdicts[later].seat.shares) {
        ASSERT_FALSE(carries(scene.pool.nodes[share.node], scene.gangs[i].labels))
            << later << " uses a node that " << i << " waits for";
      }
  }
}

TEST(Place, EverySeatIsWholeAndNothingIsHandedOutTwice) {
  int starts = 0, reserved = 0, unknown = 0, no_seat = 0, impossible = 0, widened = 0;
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Dice dice(seed);
    const Scene scene = random_scene(dice);
    const std::vector<Verdict> verdicts = plan_of(scene.pool, scene.held, scene.gangs);
    ASSERT_EQ(verdicts.size(), scene.gangs.size());
    for (size_t i = 0; i < verdicts.size(); ++i) {
      const Verdict& verdict = verdicts[i];
      const bool possible = ranks_in(scene.pool, scene.gangs[i], false) >= scene.gangs[i].min;
      ASSERT_EQ(verdict.kind == Verdict::kImpossible, !possible);
      if (verdict.kind == Verdict::kNoSeat) ++no_seat;
      if (verdict.kind == Verdict::kImpossible) ++impossible;
      if (verdict.kind != Verdict::kStarts && verdict.kind != Verdict::kReserved) continue;
      check_seat(scene, scene.gangs[i], verdict);
      starts += verdict.kind == Verdict::kStarts;
      widened += verdict.kind == Verdict::kStarts && verdict.seat.ranks() > scene.gangs[i].min;
      reserved += verdict.kind == Verdict::kReserved && verdict.seat.start_us < kUnknown;
      unknown += verdict.seat.start_us == kUnknown;
    }
    check_never_too_much(scene, verdicts);
    check_nobody_passes(scene, verdicts);
  }
  for (int count : {starts, reserved, unknown, no_seat, impossible, widened}) EXPECT_GT(count, 200);
}

// The heart of it: who comes later changes nothing for those before, and starts nothing at their cost.
TEST(Place, NoGangDelaysOneBeforeIt) {
  for (uint64_t seed = 1; seed <= 10000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Dice dice(seed);
    const Scene scene = random_scene(dice);
    const std::vector<Verdict> all = plan_of(scene.pool, scene.held, scene.gangs);
    std::vector<Gang> fewer(scene.gangs.begin(),
                            scene.gangs.begin() + static_cast<ptrdiff_t>(1 + dice.below(scene.gangs.size())));
    const std::vector<Verdict> before = plan_of(scene.pool, scene.held, fewer);
    for (size_t i = 0; i < before.size(); ++i) {
      ASSERT_EQ(all[i].kind, before[i].kind) << i;
      ASSERT_EQ(all[i].seat.start_us, before[i].seat.start_us) << i;
    }
    // Those that were let start are not in the way of any reservation, however long they stay.
    Scene then{scene.pool, scene.held, {}};
    std::vector<int64_t> promised;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].kind == Verdict::kStarts)
        then.held.push_back({all[i].seat.shares, scene.gangs[i].rank,
                             std::min(kUnknown, later(kNow, scene.gangs[i].limit_us))});
      if (all[i].kind == Verdict::kReserved && all[i].seat.start_us < kUnknown) {
        then.gangs.push_back(scene.gangs[i]);
        promised.push_back(all[i].seat.start_us);
      }
    }
    const std::vector<Verdict> again = plan_of(then.pool, then.held, then.gangs);
    if (!promised.empty()) {
      ASSERT_LE(again[0].seat.start_us, promised[0]) << "the head's reservation moved";
    }
  }
}

// Nothing lies idle that the head could use, and the seat is the earliest there is: no moment before it does.
TEST(Place, SeatsAreTheEarliest) {
  for (uint64_t seed = 1; seed <= 5000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Dice dice(seed);
    const Scene scene = random_scene(dice);
    const Gang& head = scene.gangs[0];
    const std::vector<Verdict> verdicts = plan_of(scene.pool, scene.held, {head});
    if (verdicts[0].kind == Verdict::kImpossible) continue;
    ASSERT_NE(verdicts[0].kind, Verdict::kNoSeat) << "all that is held ends by kUnknown";
    for (int64_t at = kNow; at < std::min(verdicts[0].seat.start_us, kNow + 120 * kSecond); at += kSecond) {
      if (at < head.earliest_us) continue;
      // Held room only ever comes free, so what counts is the beginning.
      if (scene.pool.runs > 0 && gangs_at(scene, {}, at) >= scene.pool.runs) continue;
      const auto load = load_at(scene.pool, scene.held, {}, {}, at);
      uint64_t ranks = 0;
      for (size_t node = 0; node < load.size(); ++node) {
        Node left = scene.pool.nodes[node];
        if (!left.closed.empty()) continue;
        const bool measured = left.room.memory > 0;
        left.room = {left.room.slots - load[node].slots, left.room.gpus - load[node].gpus,
                     measured ? left.room.memory - load[node].memory : 0};
        if (measured && left.room.memory == 0 && head.rank.memory > 0) continue;
        ranks += ranks_in(left, head);
      }
      ASSERT_LT(ranks, head.min) << "it could have begun at " << at;
    }
  }
}

Pool nodes(std::vector<uint32_t> slots) {
  Pool pool;
  for (uint32_t count : slots)
    pool.nodes.push_back({fmt::format("n{}", pool.nodes.size()), {count, 0, 0}, {}, {}});
  return pool;
}
Gang of(uint32_t ranks, int64_t seconds = 0) {
  Gang gang;
  gang.min = gang.max = ranks;
  gang.limit_us = seconds * kSecond;
  return gang;
}

TEST(Place, FewNodesAndTheTightestThatFits) {
  const auto seat = [](const Pool& pool, const Gang& gang) {
    return plan_of(pool, {}, {gang})[0].seat.shares;
  };
  EXPECT_THAT(seat(nodes({8, 4, 2}), of(2)), ElementsAre(Share{2, 2}));
  EXPECT_THAT(seat(nodes({8, 4, 4}), of(3)), ElementsAre(Share{1, 3})) << "equally tight: the pool's order";
  EXPECT_THAT(seat(nodes({2, 8, 4}), of(10)), ElementsAre(Share{0, 2}, Share{1, 8})) << "ranks in node order";
  EXPECT_THAT(seat(nodes({1, 4, 1, 8}), of(12)), ElementsAre(Share{1, 4}, Share{3, 8}));
}

TEST(Place, ShortRunsFillTheGapBeforeTheHead) {
  const Pool pool = nodes({4});
  const std::vector<Held> held = {{{{0, 3}}, {1, 0, 0}, kNow + 100 * kSecond}};
  const auto verdicts = plan_of(pool, held, {of(4, 50), of(1, 101), of(1, 100), of(1, 100)});
  EXPECT_EQ(verdicts[0].kind, Verdict::kReserved);
  EXPECT_EQ(verdicts[0].seat.start_us, kNow + 100 * kSecond);
  EXPECT_EQ(verdicts[1].kind, Verdict::kReserved) << "a second too long";
  EXPECT_EQ(verdicts[1].seat.start_us, kNow + 150 * kSecond);
  EXPECT_EQ(verdicts[2].kind, Verdict::kStarts);
  EXPECT_EQ(verdicts[3].seat.start_us, kNow + 150 * kSecond);
}

TEST(Place, WithoutLimitsNobodyPassesTheHead) {
  const Pool pool = nodes({2, 2});
  const std::vector<Held> held = {{{{0, 1}}, {1, 0, 0}, kUnknown}};
  const auto verdicts = plan_of(pool, held, {of(4), of(1, 1), of(1)});
  EXPECT_EQ(verdicts[0].seat.start_us, kUnknown);
  EXPECT_EQ(verdicts[1].kind, Verdict::kNoSeat) << "the head may start at any moment";
  EXPECT_EQ(verdicts[2].kind, Verdict::kNoSeat);
  // A head of two ranks waits for nobody; and what it cannot use is open to others.
  EXPECT_EQ(plan_of(pool, held, {of(2), of(1)})[1].kind, Verdict::kStarts);
}

TEST(Place, ElasticGangsLeaveTheHeadWhatItCouldStartWith) {
  Gang elastic = of(1);
  elastic.max = 4;
  const Pool pool = nodes({4});
  EXPECT_EQ(plan_of(pool, {}, {elastic, of(4)})[0].seat.ranks(), 4u) << "the head waits for its end anyway";
  const std::vector<Held> held = {{{{0, 1}}, {1, 0, 0}, kUnknown}};
  EXPECT_EQ(plan_of(pool, held, {elastic, of(3)})[0].seat.ranks(), 1u) << "the head waits for another's end";
  EXPECT_EQ(plan_of(pool, held, {elastic, of(2)})[0].seat.ranks(), 1u);
}

TEST(Place, AnElasticGangTakesNothingOfThoseBeforeIt) {
  Pool pool = nodes({1, 4});
  pool.nodes[1].labels["gpu"] = "h100";
  const std::vector<Held> held = {{{{1, 1}}, {1, 0, 0}, kForever}};
  Gang head = of(4), elastic = of(1);
  head.labels["gpu"] = "h100";
  elastic.max = 4;
  const auto verdicts = plan_of(pool, held, {head, elastic});
  EXPECT_EQ(verdicts[0].kind, Verdict::kNoSeat);
  EXPECT_THAT(verdicts[1].seat.shares, ElementsAre(Share{0, 1}));
}

TEST(Place, ANodeThatShrankIsFullAndOthersAreUsed) {
  const Pool pool = nodes({2, 2});
  const std::vector<Held> held = {{{{0, 5}}, {1, 0, 0}, kUnknown}};
  const auto verdicts = plan_of(pool, held, {of(2)});
  EXPECT_THAT(verdicts[0].seat.shares, ElementsAre(Share{1, 2}));
}

TEST(Place, APoolTakesNoMoreGangsThanItMay) {
  Pool pool = nodes({8});
  pool.runs = 2;
  const std::vector<Held> held = {{{{0, 1}}, {1, 0, 0}, kNow + 100 * kSecond}};
  auto verdicts = plan_of(pool, held, {of(1, 50), of(1, 10), of(1, 10)});
  EXPECT_EQ(verdicts[0].kind, Verdict::kStarts);
  EXPECT_EQ(verdicts[1].seat.start_us, kNow + 50 * kSecond) << "there is room, but no place";
  EXPECT_EQ(verdicts[2].seat.start_us, kNow + 60 * kSecond);
  // The first that waits for room has a place kept for when the room comes.
  verdicts = plan_of(pool, held, {of(8, 10), of(1, 200), of(1, 100)});
  EXPECT_EQ(verdicts[0].seat.start_us, kNow + 100 * kSecond);
  EXPECT_EQ(verdicts[1].seat.start_us, kNow + 110 * kSecond);
  EXPECT_EQ(verdicts[2].kind, Verdict::kStarts);
  pool.runs = 1;
  EXPECT_TRUE(plan_of(pool, held, {of(1)}, kNow, {}).empty()) << "nothing can start: nobody is looked at";
  EXPECT_THAT(victims(pool, held, {{0, 5}}, of(1)), ElementsAre(0u)) << "a place is made as room is";
}

TEST(Place, BehindTheDepthNothingStarts) {
  const Pool pool = nodes({4});
  const std::vector<Held> held = {{{{0, 3}}, {1, 0, 0}, kNow + 100 * kSecond}};
  std::vector<Gang> gangs(5, of(4, 50));
  gangs.push_back(of(1, 10));
  EXPECT_EQ(plan_of(pool, held, gangs, kNow, {.waiting_most = 5}).size(), 5u);
  EXPECT_EQ(plan_of(pool, held, gangs, kNow, {.waiting_most = 6}).back().kind, Verdict::kStarts);
  const std::vector<Held> full = {{{{0, 4}}, {1, 0, 0}, kUnknown}};
  EXPECT_TRUE(plan_of(pool, full, gangs, kNow, {}).empty()) << "nothing can start: nobody is looked at";
}

// --- Many passes in a row: arrivals, early ends, time limits that are kept.

struct Job {
  Gang gang;
  int64_t arrives_us = 0;
  int64_t runs_us = 0;  // at most its limit
  int64_t promised_us = kForever;
  int64_t started_us = -1;
  std::vector<Share> shares;
};

// A job's start is promised while it is the first that waits; the promise is never broken, and everybody's
// turn comes though short and small ones keep arriving.
void live(uint64_t seed) {
  Dice dice(seed);
  Pool pool = nodes({1 + dice.below(6), 1 + dice.below(6), 1 + dice.below(6)});
  if (dice.chance(50)) pool.runs = 1 + dice.below(4);
  uint32_t slots = 0;
  for (const Node& node : pool.nodes) slots += node.room.slots;
  std::vector<Job> jobs;
  int64_t arrives_us = kNow;
  for (int i = 0; i < 200; ++i) {
    Job job;
    job.gang = of(1 + dice.below(dice.chance(20) ? slots : std::min(slots, 2u)), 1 + dice.below(60));
    job.runs_us = dice.chance(40) ? job.gang.limit_us : 1 + dice.below(60) * job.gang.limit_us / 60;
    job.arrives_us = arrives_us += dice.below(12) * kSecond;
    jobs.push_back(std::move(job));
  }
  int64_t now_us = kNow, work_us = 0;
  for (const Job& job : jobs) work_us += job.gang.limit_us;
  for (size_t done = 0; done < jobs.size();) {
    std::vector<Held> held;
    std::vector<size_t> queue;
    for (size_t i = 0; i < jobs.size(); ++i) {
      if (jobs[i].started_us >= 0 && jobs[i].started_us + jobs[i].runs_us > now_us)
        held.push_back({jobs[i].shares, {1, 0, 0}, jobs[i].started_us + jobs[i].gang.limit_us});
      if (jobs[i].started_us < 0 && jobs[i].arrives_us <= now_us) queue.push_back(i);
    }
    std::vector<Gang> gangs;
    for (size_t i : queue) gangs.push_back(jobs[i].gang);
    const std::vector<Verdict> verdicts = plan_of(pool, held, gangs, now_us, {.whole = dice.chance(50)});
    bool head = true;
    for (size_t i = 0; i < verdicts.size(); ++i) {
      Job& job = jobs[queue[i]];
      ASSERT_TRUE(verdicts[i].kind == Verdict::kStarts || verdicts[i].kind == Verdict::kReserved);
      ASSERT_LE(verdicts[i].seat.start_us, job.promised_us) << "job " << queue[i] << " at " << now_us;
      if (verdicts[i].kind == Verdict::kStarts) {
        job.started_us = now_us;
        job.shares = verdicts[i].seat.shares;
      } else if (std::exchange(head, false)) {
        job.promised_us = verdicts[i].seat.start_us;
      }
    }
    // The next thing that happens.
    int64_t next_us = kForever;
    done = 0;
    for (const Job& job : jobs) {
      const int64_t ends_us = job.started_us < 0 ? kForever : job.started_us + job.runs_us;
      if (job.arrives_us > now_us) next_us = std::min(next_us, job.arrives_us);
      if (job.started_us >= 0 && ends_us > now_us) next_us = std::min(next_us, ends_us);
      done += job.started_us >= 0 && ends_us <= now_us;
    }
    if (done == jobs.size()) break;
    ASSERT_LT(next_us, kForever) << "everything waits and nothing runs";
    now_us = next_us;
    ASSERT_LT(now_us, arrives_us + work_us + kSecond) << "it takes longer than one after the other";
  }
  // Nobody waits longer than for all that came before it, one after the other.
  int64_t before_us = 0;
  for (const Job& job : jobs) {
    ASSERT_LE(job.started_us - job.arrives_us, before_us);
    before_us += job.gang.limit_us;
  }
}

TEST(Place, PromisesAreKeptAndNobodyStarves) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    live(seed);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

// --- Preemption

TEST(Preempt, TheLeastWorkIsLostAndNobodyIsAskedInVain) {
  int asked = 0;
  for (uint64_t seed = 1; seed <= 20000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Dice dice(seed);
    const Pool pool = random_pool(dice);
    const std::vector<Held> held = random_held(dice, pool);
    const Gang gang = random_gang(dice);
    std::vector<Victim> candidates;
    for (size_t i = 0; i < held.size(); ++i)
      if (dice.chance(70)) candidates.push_back({i, static_cast<double>(dice.below(1000))});
    const auto fits_without = [&](const std::set<size_t>& gone) {
      std::vector<Held> left;
      for (size_t i = 0; i < held.size(); ++i)
        if (!gone.contains(i)) left.push_back(held[i]);
      Gang now = gang;
      now.earliest_us = 0;
      const std::vector<Verdict> verdicts = plan_of(pool, left, {now});
      return verdicts[0].kind == Verdict::kStarts;
    };
    const std::vector<size_t> chosen = victims(pool, held, candidates, gang);
    std::set<size_t> all, gone(chosen.begin(), chosen.end());
    for (const Victim& candidate : candidates) all.insert(candidate.held);
    for (size_t one : chosen) ASSERT_TRUE(all.contains(one));
    if (chosen.empty()) {
      ASSERT_TRUE(fits_without({}) || !fits_without(all));
      continue;
    }
    ++asked;
    ASSERT_TRUE(fits_without(gone));
    for (size_t one : chosen) {
      std::set<size_t> fewer = gone;
      fewer.erase(one);
      ASSERT_FALSE(fits_without(fewer)) << one << " was asked in vain";
    }
    // No other one alone is cheaper.
    double price = 0;
    for (const Victim& candidate : candidates)
      if (gone.contains(candidate.held)) price += candidate.lost;
    for (const Victim& candidate : candidates)
      if (candidate.lost < price) {
        ASSERT_FALSE(fits_without({candidate.held})) << candidate.held << " would have been cheaper";
      }
  }
  EXPECT_GT(asked, 1000);
}

TEST(Preempt, RanksAndTimeSinceTheCheckpointMakeThePrice) {
  EXPECT_DOUBLE_EQ(lost_work(4, kNow, kNow + 30 * kSecond), 120);
  EXPECT_DOUBLE_EQ(lost_work(4, kNow + kSecond, kNow), 0) << "a clock that was set back loses nothing";
  const Pool pool = nodes({4, 4});
  const std::vector<Held> held = {
      {{{0, 4}}, {1, 0, 0}, kUnknown}, {{{1, 2}}, {1, 0, 0}, kUnknown}, {{{1, 2}}, {1, 0, 0}, kUnknown}};
  EXPECT_THAT(victims(pool, held, {{0, 400}, {1, 120}, {2, 60}}, of(2)), ElementsAre(2u));
  EXPECT_THAT(victims(pool, held, {{0, 400}, {1, 120}, {2, 60}}, of(4)),
              ::testing::UnorderedElementsAre(1u, 2u));
  EXPECT_THAT(victims(pool, held, {{0, 400}}, of(5)), ::testing::IsEmpty()) << "nobody is asked for nothing";
}

}  // namespace
}  // namespace rekindle::core::place
