#include "core/nodes.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/schedule.h"

namespace rekindle::core {
namespace {

bool closes(const v1::NodeState& node) {
  return node.cordoned() || node.suspected();
}

std::vector<std::string> reasons_of(const v1::NodeState& node) {
  std::vector<std::string> out;
  if (node.cordoned())
    out.push_back(
        fmt::format("{} by {}: {}", node.draining() ? "drained" : "cordoned", node.actor(), node.reason()));
  if (node.suspected())
    out.push_back(fmt::format("suspected: {}; `rekindle uncordon {}` takes it in again", node.suspicion(),
                              node.node()));
  return out;
}

void use(v1::NodeView& view, const State& state, const v1::Run& run, const v1::NodeShare& share) {
  view.add_runs(run.id());
  view.set_slots_used(view.slots_used() + share.ranks());
  view.set_gpus_used(view.gpus_used() + share.ranks() * gpus_per_rank(state, run));
}

v1::NodeView view_of(const v1::NodeState* kept, const place::Node& node) {
  v1::NodeView out;
  out.set_node(node.name);
  out.set_slots(node.room.slots);
  out.set_gpus(node.room.gpus);
  out.set_memory_bytes(node.room.memory);
  out.mutable_labels()->insert(node.labels.begin(), node.labels.end());
  if (!node.closed.empty()) out.add_reasons(node.closed);
  if (kept)
    out.set_faults(static_cast<uint32_t>(std::count_if(kept->endings().begin(), kept->endings().end(),
                                                       [](const auto& one) { return one.fault(); })));
  return out;
}

v1::NodeView::State state_of(const v1::NodeState* kept, const v1::NodeView& view) {
  if (kept && kept->draining()) return view.runs_size() > 0 ? v1::NodeView::DRAINING : v1::NodeView::DRAINED;
  if (kept && kept->cordoned()) return v1::NodeView::CORDONED;
  if (kept && kept->suspected()) return v1::NodeView::SUSPECTED;
  return view.reasons_size() > 0 ? v1::NodeView::UNREACHABLE : v1::NodeView::OPEN;
}

}  // namespace

const v1::NodeState* find_node(const State& state, const std::string& pool, const std::string& node) {
  auto found = state.nodes.find({pool, node});
  return found == state.nodes.end() ? nullptr : &found->second;
}

bool says_nothing(const v1::NodeState& node) {
  return !closes(node) && !node.draining() && node.endings().empty();
}

std::shared_ptr<const place::Cluster> closed_by(const State& state,
                                                std::shared_ptr<const place::Cluster> outside) {
  std::shared_ptr<place::Cluster> out;
  for (const auto& [key, kept] : state.nodes) {
    if (!closes(kept)) continue;
    if (!out) out = std::make_shared<place::Cluster>(*outside);
    auto pool = out->find(key.first);
    if (pool == out->end()) continue;
    for (place::Node& node : pool->second.nodes) {
      if (node.name != key.second) continue;
      const std::string words = fmt::format("{}", fmt::join(reasons_of(kept), "; "));
      node.closed = node.closed.empty() ? words : fmt::format("{}; {}", words, node.closed);
    }
  }
  return out ? out : outside;
}

const World& seen(const State& state, const World& world, World& room) {
  std::shared_ptr<const place::Cluster> cluster = closed_by(state, world.cluster);
  if (cluster == world.cluster) return world;
  room = world;
  room.outside = world.cluster;
  room.cluster = std::move(cluster);
  return room;
}

std::string drained_from(const State& state, const v1::Run& run, const v1::Attempt& attempt) {
  if (state.nodes.empty()) return {};
  for (const v1::NodeShare& share : shares_of(attempt))
    if (const v1::NodeState* kept = find_node(state, pool_of(state, run), share.node());
        kept && kept->draining())
      return share.node();
  return {};
}

std::string node_of_rank(const v1::Attempt& attempt, uint32_t rank) {
  for (const v1::NodeShare& share : shares_of(attempt)) {
    if (rank < share.ranks()) return share.node();
    rank -= share.ranks();
  }
  return {};
}

std::vector<v1::NodeView> node_views(const State& state, const place::Cluster& cluster) {
  std::map<std::pair<std::string, std::string>, v1::NodeView> views;
  std::vector<std::pair<std::string, std::string>> order;
  for (const auto& [name, pool] : cluster)
    for (const place::Node& node : pool.nodes) {
      order.emplace_back(name, node.name);
      views[order.back()] = view_of(find_node(state, name, node.name), node);
    }
  // What operators said of nodes that have left pools.yaml stands, and so do attempts there.
  const auto at = [&](const std::string& pool, const std::string& node) -> v1::NodeView& {
    auto [found, fresh] = views.try_emplace({pool, node});
    if (fresh) {
      order.push_back(found->first);
      found->second.set_node(node);
      found->second.set_state(v1::NodeView::REMOVED);
      found->second.add_reasons("no pool in pools.yaml has it any more");
    }
    return found->second;
  };
  for (const auto& [key, kept] : state.nodes) at(key.first, key.second);
  for (const RunId& id : state.working) {
    const v1::Run& run = state.runs.at(id);
    if (const v1::Attempt* attempt = live_attempt(run))
      for (const v1::NodeShare& share : shares_of(*attempt))
        use(at(pool_of(state, run), share.node()), state, run, share);
  }
  std::vector<v1::NodeView> out;
  for (const auto& key : order) {
    v1::NodeView& view = views.at(key);
    view.set_pool(key.first);
    if (view.state() != v1::NodeView::REMOVED)
      view.set_state(state_of(find_node(state, key.first, key.second), view));
    out.push_back(std::move(view));
  }
  return out;
}

}  // namespace rekindle::core
