// Nodes: closed and opened by operators, emptied when they are drained, and suspected for their faults.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/decide/draft.h"
#include "core/nodes.h"
#include "core/schedule.h"

namespace rekindle::core {
namespace {

using Key = std::pair<std::string, std::string>;  // pool and node

// Every node of this name: in pools, and on record though no pool has it any more.
std::set<Key> nodes_named(const Draft& draft, const std::string& name, const std::string& pool) {
  std::set<Key> out;
  for (const auto& [of, nodes] : *draft.world.cluster)
    for (const place::Node& node : nodes.nodes)
      if (node.name == name && (pool.empty() || pool == of)) out.emplace(of, name);
  for (const auto& [key, kept] : draft.state.nodes)
    if (key.second == name && (pool.empty() || pool == key.first)) out.insert(key);
  return out;
}

v1::NodeState record_of(const Draft& draft, const Key& key) {
  if (const v1::NodeState* kept = find_node(draft.state, key.first, key.second)) return *kept;
  v1::NodeState fresh;
  fresh.set_pool(key.first);
  fresh.set_node(key.second);
  return fresh;
}

bool is_fault(v1::EndClass end) {
  return end == v1::END_CRASH || end == v1::END_HANG || end == v1::END_NODE_LOST;
}

// What it is called among the reasons.
std::string_view fault_word(v1::EndClass end) {
  return end == v1::END_CRASH ? "crash" : end == v1::END_HANG ? "hang" : "loss";
}

// A run that crashes wherever it is says nothing the second time; a host that goes away says it each time.
bool told_before(const v1::NodeState& node, const v1::Run& run, v1::EndClass end) {
  return end != v1::END_NODE_LOST &&
         std::any_of(node.endings().begin(), node.endings().end(), [&run](const v1::NodeEnding& one) {
           return one.fault() && one.run() == run.id() && one.end() != v1::END_NODE_LOST;
         });
}

void suspect(v1::NodeState& node, const place::Suspects& rule, int64_t now_us) {
  std::string faults;
  uint32_t count = 0;
  for (const v1::NodeEnding& one : node.endings()) {
    if (!one.fault()) continue;
    ++count;
    faults += fmt::format("{}{} in {}/{}", faults.empty() ? "" : ", ", fault_word(one.end()), one.run(),
                          one.attempt());
  }
  if (node.suspected() || count < rule.faults) return;
  node.set_suspected(true);
  node.set_suspected_us(now_us);
  node.set_suspicion(
      fmt::format("{} faults in its last {} attempts ({})", count, node.endings_size(), faults));
}

// `fault`: this node's own.
void remember(Draft& draft, const Key& key, const place::Suspects& rule, const v1::Run& run, uint32_t attempt,
              v1::EndClass end, bool fault) {
  v1::NodeState node = record_of(draft, key);
  if (!fault && node.endings().empty()) return;  // a record begins with a fault
  if (fault && told_before(node, run, end)) return;
  v1::NodeEnding& ending = *node.add_endings();
  ending.set_run(run.id());
  ending.set_attempt(attempt);
  ending.set_end(end);
  ending.set_fault(fault);
  ending.set_time_us(draft.now_us());
  const int most = static_cast<int>(std::max(rule.of, rule.faults));
  if (node.endings_size() > most) node.mutable_endings()->DeleteSubrange(0, node.endings_size() - most);
  const bool any = std::any_of(node.endings().begin(), node.endings().end(),
                               [](const v1::NodeEnding& one) { return one.fault(); });
  if (!any) node.clear_endings();
  suspect(node, rule, draft.now_us());
  *draft.add().mutable_node_changed() = std::move(node);
}

}  // namespace

Status decide_one(Draft& draft, const ChangeNode& command) {
  const v1::ChangeNodeRequest& request = command.request;
  const std::set<Key> named = nodes_named(draft, request.node(), request.pool());
  if (named.empty())
    return not_found(fmt::format("no node named '{}'{}: `rekindle nodes` lists them", request.node(),
                                 request.pool().empty() ? "" : fmt::format(" in pool {}", request.pool())));
  if (named.size() > 1)
    return failed_precondition(
        fmt::format("{} pools have a node named '{}': say --pool", named.size(), request.node()));
  v1::NodeState node = record_of(draft, *named.begin());
  const v1::NodeState before = node;
  if (request.change() == v1::ChangeNodeRequest::UNCORDON) {
    if (says_nothing(node)) return ok_status();
    node.Clear();
    node.set_pool(before.pool());
    node.set_node(before.node());
    *draft.add().mutable_node_changed() = std::move(node);
    return ok_status();
  }
  if (request.change() != v1::ChangeNodeRequest::CORDON && request.change() != v1::ChangeNodeRequest::DRAIN)
    return invalid_argument("change must be CORDON, UNCORDON or DRAIN");
  if (request.reason().empty())
    return invalid_argument("say why in --reason: whoever waits for the node is told");
  node.set_cordoned(true);
  node.set_draining(node.draining() || request.change() == v1::ChangeNodeRequest::DRAIN);
  node.set_reason(request.reason());
  const bool same =
      node.draining() == before.draining() && node.reason() == before.reason() && before.cordoned();
  if (same) return ok_status();
  node.set_actor(draft.actor);
  if (!before.cordoned()) node.set_since_us(draft.now_us());
  *draft.add().mutable_node_changed() = std::move(node);
  return ok_status();
}

void empty_drained(Draft& draft) {
  if (draft.state.nodes.empty()) return;
  for (const RunId& id : draft.state.working) {
    const v1::Run& run = draft.state.runs.at(id);
    const v1::Attempt* attempt = live_attempt(run);
    if (!attempt || attempt->kill_requested()) continue;
    if (attempt->yield_requested() && !attempt->resize_requested()) continue;
    const std::string node = drained_from(draft.state, run, *attempt);
    if (node.empty()) continue;
    const v1::NodeState& kept = *find_node(draft.state, pool_of(draft.state, run), node);
    request_yield(draft, run, *attempt,
                  fmt::format("node {} is drained by {}: {}", node, kept.actor(), kept.reason()));
  }
}

void remember_ending(Draft& draft, const v1::Run& run, const v1::Attempt& attempt, v1::EndClass end,
                     const std::string& culprit) {
  const bool good = end == v1::END_FINISHED || end == v1::END_YIELDED;
  if (!good && !is_fault(end)) return;  // the job's, or the operator's
  const std::string& pool = pool_of(draft.state, run);
  auto found = draft.world.cluster->find(pool);
  if (found == draft.world.cluster->end() || found->second.suspects.faults == 0) return;
  const std::vector<v1::NodeShare> shares = shares_of(attempt);
  // Where only one could have been it, it was that one; but who is lost is told by name.
  std::string blamed = culprit;
  if (blamed.empty() && shares.size() == 1 && end != v1::END_NODE_LOST) blamed = shares[0].node();
  for (const v1::NodeShare& share : shares)
    if (good || share.node() == blamed)
      remember(draft, {pool, share.node()}, found->second.suspects, run, attempt.number(), end, !good);
}

}  // namespace rekindle::core
