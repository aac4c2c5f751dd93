#include "core/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "core/leaving.h"
#include "core/place/preempt.h"
#include "core/place/timeline.h"
#include "proto/time.h"

namespace rekindle::core {
namespace {

// Its end is overdue: soon, but nothing is built on it.
constexpr int64_t kSoonUs = 1'000'000;

// When an attempt has left for certain, as far as is known.
int64_t ends_us(const State& state, const v1::Run& run, const v1::Attempt& attempt, int64_t now_us) {
  int64_t ends = place::kUnknown;
  for (int64_t at : {leave_by_us(state, run, attempt), kill_us(state, run, attempt)})
    if (at != 0) ends = std::min(ends, at);
  if (attempt.kill_requested()) ends = now_us;
  return std::max(ends, now_us + kSoonUs);
}

std::string counted(uint32_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

place::Room rank_of(const State& state, const v1::Run& run) {
  return {1, gpus_per_rank(state, run), spec_of(state, run).train().ranks().memory()};
}

// Passes over the runs of one pool's queue, in order, and remembers which they were.
class QueueReader {
 public:
  QueueReader(const State& state, const place::Cluster& cluster, const std::string& pool, Time now,
              std::vector<Waiting>& refused)
      : state_(state),
        cluster_(cluster),
        pool_(cluster.at(pool)),
        now_(now),
        at_(state.queues.at(pool).begin()),
        end_(state.queues.at(pool).end()),
        refused_(refused) {}

  std::optional<place::Gang> next() {
    for (; at_ != end_; ++at_) {
      const v1::Run& run = state_.runs.at(at_->run);
      std::string missing = run.attempts().empty() && gpus_per_rank(state_, run) > 0
                                ? gpus_missing(spec_of(state_, run), cluster_)
                                : std::string();
      if (!missing.empty()) {
        refused_.push_back({at_->run, std::move(missing)});
        continue;
      }
      last = *at_;
      read.push_back(at_++->run);
      place::Gang gang = gang_of(state_, run);
      gang.barred = !not_in_its_name(state_, run, pool_, now_).empty();
      return gang;
    }
    exhausted = true;
    return std::nullopt;
  }

  std::vector<RunId> read;
  std::optional<QueueKey> last;  // of these
  bool exhausted = false;        // and nobody stands behind it

 private:
  const State& state_;
  const place::Cluster& cluster_;
  const place::Pool& pool_;
  Time now_;
  std::set<QueueKey>::const_iterator at_, end_;
  std::vector<Waiting>& refused_;
};

// The first of a queue that room alone keeps from starting now.
const v1::Run* head_of(const State& state, const std::set<QueueKey>& queue, const place::Pool& pool,
                       Time now) {
  for (const QueueKey& key : queue) {
    const v1::Run& run = state.runs.at(key.run);
    if (run.not_before_us() > to_micros(now) || !not_in_its_name(state, run, pool, now).empty()) continue;
    const place::Gang gang = gang_of(state, run);
    if (place::ranks_in(pool, gang, false) >= gang.min) return &run;
  }
  return nullptr;
}

void evict_for(const State& state, const std::string& name, const place::Pool& pool,
               const std::map<RunId, int64_t>& saved_us, Time now, std::vector<Eviction>& out) {
  const v1::Run* head = head_of(state, state.queues.at(name), pool, now);
  if (!head || !spec_of(state, *head).preempt()) return;
  std::vector<RunId> runs;
  const std::vector<place::Held> held = held_now(state, name, pool, now, &runs);
  std::vector<place::Victim> candidates;
  for (size_t i = 0; i < runs.size(); ++i) {
    const v1::Run& run = state.runs.at(runs[i]);
    const v1::Attempt& attempt = *live_attempt(run);
    if (!attempt.makes_way_for().empty()) return;
    const bool leaves = attempt.kill_requested() || run.cancel_requested() ||
                        (attempt.yield_requested() && !attempt.resize_requested());
    if (leaves || run.priority() >= head->priority()) continue;
    auto saved = saved_us.find(runs[i]);
    const int64_t since =
        saved == saved_us.end() ? attempt.placed_us() : std::max(saved->second, attempt.placed_us());
    candidates.push_back({i, place::lost_work(world_of(attempt), since, to_micros(now))});
  }
  if (candidates.empty()) return;
  const place::Gang gang = gang_of(state, *head);
  place::Timeline timeline(pool, to_micros(now));
  timeline.hold(held);
  const std::optional<place::Seat> seat = timeline.earliest(gang);
  if (seat && seat->start_us <= to_micros(now + kPatience)) return;
  for (size_t victim : place::victims(pool, held, candidates, gang))
    for (const place::Victim& candidate : candidates)
      if (candidate.held == victim) out.push_back({runs[victim], RunId(head->id()), candidate.lost});
}

}  // namespace

jobs::RankRange ranks_wanted(const State& state, const v1::Run& run) {
  if (run.task() == v1::Plan::SCORE) return {};
  return jobs::rank_range(spec_of(state, run).train().ranks());
}

uint32_t gpus_per_rank(const State& state, const v1::Run& run) {
  return run.task() == v1::Plan::SCORE ? 0 : spec_of(state, run).train().ranks().gpus();
}

std::string not_in_its_name(const State& state, const v1::Run& run, const place::Pool& pool, Time now) {
  if (!pool.owners) return {};
  const std::string& name = pool_of(state, run);
  const std::string fix = fmt::format("`rekindle credential set --pool {}`", name);
  const std::string& owner = run.submitted_by();
  if (owner.empty())
    return fmt::format(
        "pool {} launches runs in the name of whoever asked for them, and of this one it is not "
        "known who that was: cancel it and start it anew",
        name);
  const auto found = pool.owners->find(owner);
  if (found == pool.owners->end())
    return fmt::format("waits for a credential: '{}' has stored none for pool {}: {}", owner, name, fix);
  if (found->second > to_micros(now)) return {};
  return fmt::format("waits for a credential: that of '{}' for pool {} expired at {}: {}", owner, name,
                     format_time(time_from_micros(found->second)), fix);
}

place::Gang gang_of(const State& state, const v1::Run& run) {
  const v1::Ranks& asked = spec_of(state, run).train().ranks();
  const jobs::RankRange ranks = ranks_wanted(state, run);
  place::Gang gang;
  gang.min = ranks.min;
  gang.max = ranks.max;
  gang.rank = rank_of(state, run);
  gang.labels.insert(asked.nodes().begin(), asked.nodes().end());
  // Scoring has no time limit.
  if (run.task() == v1::Plan::TRAIN)
    gang.limit_us = from_proto(spec_of(state, run).train().limits().attempt()).count();
  gang.earliest_us = run.not_before_us();
  return gang;
}

std::vector<place::Held> held_now(const State& state, const std::string& pool, const place::Pool& nodes,
                                  Time now, std::vector<RunId>* runs) {
  std::unordered_map<std::string_view, uint32_t> index;
  for (uint32_t i = 0; i < nodes.nodes.size(); ++i) index.emplace(nodes.nodes[i].name, i);
  std::vector<place::Held> held;
  for (const RunId& id : state.working) {
    const v1::Run& run = state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    if (!attempt || pool_of(state, run) != pool) continue;
    place::Held one{{}, rank_of(state, run), ends_us(state, run, *attempt, to_micros(now))};
    // What is held on a node that the operator has taken away is in nobody's way.
    const auto hold = [&](std::string_view name, uint32_t ranks) {
      if (auto node = index.find(name); node != index.end()) one.shares.push_back({node->second, ranks});
    };
    for (const v1::NodeShare& share : attempt->shares()) hold(share.node(), share.ranks());
    if (attempt->shares().empty()) hold(place::kThisHost, world_of(*attempt));
    held.push_back(std::move(one));
    if (runs) runs->push_back(id);
  }
  return held;
}

Capacity capacity_of(const place::Cluster& cluster, const std::string& pool) {
  Capacity all;
  if (auto found = cluster.find(pool); found != cluster.end())
    for (const place::Node& node : found->second.nodes) {
      all.slots += node.room.slots;
      all.gpus += node.room.gpus;
    }
  return all;
}

Capacity used_now(const State& state, const std::string& pool) {
  Capacity used;
  for (const RunId& id : state.working) {
    const v1::Run& run = state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    if (!attempt || pool_of(state, run) != pool) continue;
    used.slots += attempt->slots();
    used.gpus += static_cast<uint32_t>(attempt->devices_size());
  }
  return used;
}

std::string gpus_missing(const v1::JobSpec& spec, const place::Cluster& cluster) {
  const std::string pool = spec.pool().empty() ? place::kLocal : spec.pool();
  const v1::Ranks& ranks = spec.train().ranks();
  const uint32_t need = jobs::rank_range(ranks).min * ranks.gpus(), all = capacity_of(cluster, pool).gpus;
  if (need <= all) return {};
  const std::string here = pool == place::kLocal ? "pool local, this host," : fmt::format("pool {}", pool);
  if (all == 0 && pool == place::kLocal)
    return fmt::format(
        "train.ranks.gpus asks for a GPU per rank, but {} has none: no NVIDIA device (/dev/nvidia0) was "
        "there "
        "when rekindled started; run the job on a host that has one, or write gpus: 0",
        here);
  return fmt::format("train.ranks asks for {} at once, but {} has {}: lower train.ranks",
                     counted(need, "GPU"), here, all);
}

Schedule schedule(const State& state, const place::Cluster& cluster, Time now,
                  const std::function<bool(const std::string& pool)>& rests) {
  Schedule plan;
  for (const auto& [name, queue] : state.queues) {
    auto pool = cluster.find(name);
    if (pool == cluster.end() || (rests && rests(name))) continue;
    QueueReader reader(state, cluster, name, now, plan.refused);
    const std::vector<place::Verdict> verdicts = place::plan(
        pool->second, held_now(state, name, pool->second, now), [&reader] { return reader.next(); },
        to_micros(now));
    const size_t placed = plan.place.size();
    for (size_t i = 0; i < verdicts.size(); ++i)
      if (verdicts[i].kind == place::Verdict::kStarts)
        plan.place.push_back({reader.read[i], verdicts[i].seat.shares});
    if (!reader.exhausted && plan.place.size() == placed) plan.stopped.emplace(name, reader.last);
  }
  return plan;
}

std::vector<Eviction> evictions(const State& state, const place::Cluster& cluster,
                                const std::map<RunId, int64_t>& saved_us, Time now) {
  std::vector<Eviction> out;
  for (const auto& [name, queue] : state.queues)
    if (auto pool = cluster.find(name); pool != cluster.end())
      evict_for(state, name, pool->second, saved_us, now, out);
  return out;
}

uint32_t ranks_possible(const State& state, const place::Cluster& cluster, const v1::Run& run) {
  const v1::Attempt* attempt = live_attempt(run);
  auto pool = cluster.find(pool_of(state, run));
  if (!attempt || pool == cluster.end()) return 0;
  // Room that comes free is no reason to move a gang: what counts is who holds what now.
  place::Timeline timeline(pool->second, 0);
  place::Seat own{0, {}};
  std::vector<RunId> runs;
  const std::vector<place::Held> held = held_now(state, pool->first, pool->second, Time(), &runs);
  for (size_t i = 0; i < held.size(); ++i) {
    timeline.take(held[i].shares, held[i].rank, 0, place::kForever);
    if (runs[i].value == run.id()) own.shares = held[i].shares;
  }
  place::Gang gang = gang_of(state, run);
  gang.limit_us = 0;
  timeline.widen(own, gang, true);
  return own.ranks();
}

std::optional<Growth> growth(const State& state, const place::Cluster& cluster) {
  const v1::Run* best = nullptr;
  for (const RunId& id : state.working) {
    const v1::Run& run = state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    if (!attempt) continue;
    if (attempt->resize_requested()) return std::nullopt;
    const bool settled = attempt->state() == v1::Attempt::STARTED && !attempt->yield_requested() &&
                         !attempt->kill_requested() && !run.cancel_requested();
    if (!settled || world_of(*attempt) >= ranks_wanted(state, run).max) continue;
    // Also one whose retry waits for its time: it will want its room back.
    auto pool = cluster.find(pool_of(state, run));
    auto queue = state.queues.find(pool_of(state, run));
    // A gang outside keeps its size: its new job would wait in that queue again.
    if (pool == cluster.end() || attempt->queues()) continue;
    const bool wanted = queue != state.queues.end() &&
                        std::any_of(queue->second.begin(), queue->second.end(), [&](const QueueKey& key) {
                          const place::Gang gang = gang_of(state, state.runs.at(key.run));
                          return place::ranks_in(pool->second, gang, false) >= gang.min;
                        });
    if (wanted || (best && !(queue_key(run) < queue_key(*best)))) continue;
    if (ranks_possible(state, cluster, run) > world_of(*attempt)) best = &run;
  }
  if (!best) return std::nullopt;
  return Growth{RunId(best->id()), world_of(*live_attempt(*best)), ranks_possible(state, cluster, *best),
                state.moved_us + Micros(kGrowAfter).count()};
}

}  // namespace rekindle::core
