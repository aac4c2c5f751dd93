#include "core/queue.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/leaving.h"
#include "proto/time.h"

namespace rekindle::core {
namespace {

std::string counted(uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string text_of(const place::Gang& gang) {
  const uint32_t gpus = gang.min * gang.rank.gpus;
  return gpus == 0 ? counted(gang.min, "slot")
                   : fmt::format("{} and {}", counted(gang.min, "slot"), counted(gpus, "GPU"));
}

std::string where(const std::string& pool) {
  return pool == place::kLocal ? std::string("this host") : fmt::format("pool {}", pool);
}

// What no passing of time mends; empty: the pool could hold it.
std::string impossible(const State& state, const v1::Run& run, const place::Cluster& cluster, Time now) {
  const std::string& name = pool_of(state, run);
  auto found = cluster.find(name);
  if (found == cluster.end())
    return fmt::format("its pool '{}' is not there: `rekindle pools` lists those that are", name);
  if (std::string missing = run.task() == v1::Plan::SCORE ? "" : gpus_missing(spec_of(state, run), cluster);
      !missing.empty())
    return missing;
  const place::Pool& pool = found->second;
  if (std::string lacking = not_in_its_name(state, run, pool, now); !lacking.empty()) return lacking;
  const place::Gang gang = gang_of(state, run);
  const uint32_t ever = place::ranks_in(pool, gang, true), open = place::ranks_in(pool, gang, false);
  if (open >= gang.min) return {};
  if (ever >= gang.min) {
    std::string closed;
    for (const place::Node& node : pool.nodes)
      if (!node.closed.empty())
        closed += fmt::format("{}{}: {}", closed.empty() ? "" : ", ", node.name, node.closed);
    return fmt::format("needs {} at once; {} of {} that {} could give are on closed nodes ({})",
                       text_of(gang), ever - open, ever, where(name), closed);
  }
  if (!gang.labels.empty()) {
    std::string labels;
    for (const auto& [key, value] : gang.labels)
      labels += fmt::format("{}{}={}", labels.empty() ? "" : ", ", key, value);
    return fmt::format(
        "needs {} at once on nodes with {}; {} has room for {} of its ranks there: change "
        "train.ranks",
        text_of(gang), labels, where(name), ever);
  }
  const uint32_t slots = capacity_of(cluster, name).slots;
  if (slots >= gang.min)
    return fmt::format("needs {} at once with {} bytes for each rank; {} has room for {}: lower train.ranks",
                       text_of(gang), gang.rank.memory, where(name), ever);
  return fmt::format("needs {} at once, {} has {}: lower train.ranks or give {}", counted(gang.min, "slot"),
                     where(name), slots,
                     name == place::kLocal ? "the daemon more --slots" : "the pool more nodes");
}

// Of all that is free now, on closed nodes too: what a person sees.
std::string lack(const place::Gang& gang, Capacity free, Capacity all) {
  const uint32_t gpus = gang.min * gang.rank.gpus;
  if (gang.min > free.slots)
    return fmt::format("waits for {}: {} of {} are free", counted(gang.min, "slot"), free.slots, all.slots);
  if (gpus > free.gpus)
    return fmt::format("waits for {}: {} of {} are free", counted(gpus, "GPU"), free.gpus, all.gpus);
  return fmt::format("waits for {} where its ranks fit: {} of {} slots are free", text_of(gang), free.slots,
                     all.slots);
}

// One look at a pool: verdicts for the first of its queue, and what the rest is told.
class Look {
 public:
  Look(const State& state, const place::Cluster& cluster, const std::string& name, Time now)
      : state_(state), cluster_(cluster), name_(name), now_(now) {
    auto queue = state.queues.find(name);
    if (queue != state.queues.end()) queue_ = &queue->second;
    all_ = capacity_of(cluster, name);
    const Capacity used = used_now(state, name);
    free_ = {all_.slots - std::min(all_.slots, used.slots), all_.gpus - std::min(all_.gpus, used.gpus)};
    if (auto pool = cluster.find(name); pool != cluster.end()) runs_most_ = pool->second.runs;
    if (runs_most_ > 0) runs_ = static_cast<uint32_t>(held_now(state, name, cluster.at(name), now).size());
  }

  // Calls `tell` for each queued run that is wanted and does not start at once, until it says false. The
  // others are only counted: a queue may be long.
  template <typename Wanted, typename Tell>
  void each(Wanted wanted, Tell tell) {
    if (!queue_) return;
    const std::vector<place::Verdict> verdicts = verdicts_of_first();
    uint32_t position = 0;
    for (size_t i = 0; const QueueKey& key : *queue_) {
      const place::Verdict* verdict = i < verdicts.size() ? &verdicts[i] : nullptr;
      ++i;
      if (verdict && verdict->kind == place::Verdict::kStarts) continue;
      ++position;
      const bool told = wanted(key.run);
      if (!told && (head_ || !verdict)) continue;
      v1::QueuePlace place = place_of(state_.runs.at(key.run), verdict);
      place.set_position(position);
      if (told && !tell(key.run, std::move(place))) return;
    }
  }

 private:
  std::vector<place::Verdict> verdicts_of_first() {
    auto pool = cluster_.find(name_);
    if (pool == cluster_.end()) return {};
    auto at = queue_->begin();
    place::PlanOptions options;
    options.whole = true;
    return place::plan(
        pool->second, held_now(state_, name_, pool->second, now_),
        [&]() {
          if (at == queue_->end()) return std::optional<place::Gang>();
          const v1::Run& run = state_.runs.at(at++->run);
          place::Gang gang = gang_of(state_, run);
          gang.barred = !not_in_its_name(state_, run, pool->second, now_).empty();
          return std::optional(gang);
        },
        to_micros(now_), options);
  }

  v1::QueuePlace place_of(const v1::Run& run, const place::Verdict* verdict) {
    v1::QueuePlace out;
    const place::Gang gang = gang_of(state_, run);
    out.set_run(run.id());
    out.set_pool(name_);
    out.set_queued(static_cast<uint32_t>(queue_->size()));
    out.set_ranks(gang.min);
    out.set_priority(run.priority());
    out.set_waits_since_us(run.queued_us());
    if (verdict && verdict->kind == place::Verdict::kReserved && verdict->seat.start_us < place::kUnknown) {
      out.set_start_us(verdict->seat.start_us);
      for (const place::Share& share : verdict->seat.shares) {
        v1::NodeShare& one = *out.add_shares();
        one.set_node(cluster_.at(name_).nodes[share.node].name);
        one.set_ranks(share.ranks);
      }
    }
    out.set_reason(reason_of(run, gang, out.start_us()));
    return out;
  }

  std::string reason_of(const v1::Run& run, const place::Gang& gang, int64_t start_us) {
    if (run.not_before_us() > to_micros(now_))
      return fmt::format("{}; not before {}", run.reason().empty() ? "a retry" : run.reason(),
                         format_time(time_from_micros(run.not_before_us())));
    if (std::string never = impossible(state_, run, cluster_, now_); !never.empty()) return never;
    std::string text =
        runs_most_ > 0 && runs_ >= runs_most_ ? no_place()
        : head_ ? fmt::format("behind {}, which waits for {}", head_->id(), text_of(gang_of(state_, *head_)))
                : lack(gang, free_, all_);
    if (!head_) head_ = &run;
    if (start_us != 0)
      text += fmt::format("; expected to start by {}", format_time(time_from_micros(start_us)));
    return text;
  }

  std::string no_place() const {
    return fmt::format("waits for a run of its pool to end: limits.runs allows {} at once{}", runs_most_,
                       head_ ? fmt::format("; {} stands before it", head_->id()) : "");
  }

  const State& state_;
  const place::Cluster& cluster_;
  const std::string& name_;
  Time now_;
  const std::set<QueueKey>* queue_ = nullptr;
  Capacity all_, free_;
  uint32_t runs_ = 0, runs_most_ = 0;
  const v1::Run* head_ = nullptr;  // the first that room alone keeps waiting
};

// Attempts that nobody knows the end of: why nobody can say when a run starts.
std::vector<std::string> without_limit(const State& state, const std::string& pool) {
  std::vector<std::string> runs;
  for (const RunId& id : state.working) {
    const v1::Run& run = state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    if (attempt && pool_of(state, run) == pool && leave_by_us(state, run, *attempt) == 0)
      runs.push_back(id.value);
  }
  return runs;
}

// What a person could do about it.
void add_advice(const State& state, const v1::Run& run, const v1::QueuePlace& place,
                v1::WhyNotResponse& out) {
  if (run.not_before_us() != 0 || place.shares_size() > 0) return;
  const std::vector<std::string> unlimited = without_limit(state, place.pool());
  if (place.start_us() == 0 && !unlimited.empty())
    out.add_reasons(fmt::format("nobody can say when it starts: {} {} no time limit (train.limits.attempt)",
                                unlimited.size() == 1
                                    ? unlimited[0]
                                    : fmt::format("{} and {} more", unlimited[0], unlimited.size() - 1),
                                unlimited.size() == 1 ? "has" : "have"));
  if (place.position() > 1 && gang_of(state, run).limit_us == 0)
    out.add_reasons("with a train.limits.attempt it could fill gaps before runs that stand before it");
}

v1::NodeUse use_of(const place::Node& node) {
  v1::NodeUse use;
  use.set_node(node.name);
  use.set_slots(node.room.slots);
  use.set_gpus(node.room.gpus);
  use.set_memory_bytes(node.room.memory);
  use.set_closed(node.closed);
  return use;
}

}  // namespace

std::vector<v1::QueuePlace> queue_places(const State& state, const place::Cluster& cluster,
                                         const std::string& pool, Time now, size_t most) {
  std::vector<v1::QueuePlace> out;
  if (most == 0) return out;
  Look(state, cluster, pool, now)
      .each([](const RunId&) { return true; },
            [&](const RunId&, v1::QueuePlace place) {
              out.push_back(std::move(place));
              return out.size() < most;
            });
  return out;
}

std::map<RunId, v1::QueuePlace> places_of(const State& state, const place::Cluster& cluster,
                                          const std::set<RunId>& runs, Time now) {
  std::map<std::string, size_t> wanted;
  for (const RunId& id : runs)
    if (auto run = state.runs.find(id); run != state.runs.end() && run->second.state() == v1::QUEUED)
      ++wanted[pool_of(state, run->second)];
  std::map<RunId, v1::QueuePlace> out;
  for (const auto& [pool, left] : wanted)
    Look(state, cluster, pool, now)
        .each([&](const RunId& id) { return runs.contains(id); },
              [&, left = left](const RunId& id, v1::QueuePlace place) mutable {
                out.emplace(id, std::move(place));
                return --left > 0;
              });
  return out;
}

v1::WhyNotResponse why_not(const State& state, const place::Cluster& cluster, const v1::Run& run, Time now) {
  v1::WhyNotResponse out;
  *out.mutable_run() = whole(state, run);
  if (run.state() != v1::QUEUED) {
    const std::string name = v1::RunState_Name(run.state());
    out.add_reasons(fmt::format("it does not wait in a queue: it is {}{}{}", name,
                                run.reason().empty() ? "" : ": ", run.reason()));
    return out;
  }
  const std::map<RunId, v1::QueuePlace> places = places_of(state, cluster, {RunId(run.id())}, now);
  if (places.empty()) {
    out.add_reasons("it is about to start");
    return out;
  }
  *out.mutable_place() = places.begin()->second;
  out.add_reasons(out.place().reason());
  add_advice(state, run, out.place(), out);
  return out;
}

v1::TopResponse top(const State& state, const place::Cluster& cluster, Time now, size_t waiting_most) {
  v1::TopResponse out;
  std::map<std::string, v1::PoolUse*> pools;
  for (const auto& [name, pool] : cluster) {
    v1::PoolUse& use = *(pools[name] = out.add_pools());
    use.set_pool(name);
    for (const place::Node& node : pool.nodes) *use.add_nodes() = use_of(node);
  }
  for (const auto& [name, queue] : state.queues) {
    auto [found, fresh] = pools.emplace(name, nullptr);
    if (fresh) (found->second = out.add_pools())->set_pool(name);
    found->second->set_queued(static_cast<uint32_t>(queue.size()));
    for (v1::QueuePlace& place : queue_places(state, cluster, name, now, waiting_most))
      *found->second->add_waiting() = std::move(place);
  }
  for (const RunId& id : state.working) {
    const v1::Run& run = state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    if (!attempt) continue;
    *out.add_running() = whole(state, run);
    auto pool = pools.find(pool_of(state, run));
    if (pool == pools.end()) continue;
    for (const v1::NodeShare& share : shares_of(*attempt))
      for (v1::NodeUse& node : *pool->second->mutable_nodes())
        if (node.node() == share.node()) {
          node.set_slots_used(node.slots_used() + share.ranks());
          node.set_gpus_used(node.gpus_used() + static_cast<uint32_t>(share.devices_size()));
          node.set_memory_used(node.memory_used() + share.ranks() * gang_of(state, run).rank.memory);
        }
  }
  return out;
}

}  // namespace rekindle::core
