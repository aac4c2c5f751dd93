#include "core/invariants.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "base/hash.h"
#include "registry/aliases.h"

namespace rekindle::core {
namespace {

using Broken = std::vector<std::string>;

void check_run(const State& state, const RunId& id, const v1::Run& run, Broken& broken) {
  auto wrong = [&](const std::string& what) { broken.push_back(fmt::format("run {}: {}", id.value, what)); };
  if (run.id() != id.value) wrong("is filed under another id");
  if (run.has_spec() || !state.specs.has(run.kept_spec())) return wrong("its spec is not kept apart");
  int live = 0;
  for (int i = 0; i < run.attempts_size(); ++i) {
    if (run.attempts(i).number() != static_cast<uint32_t>(i) + 1)
      wrong("its attempts are not numbered from 1");
    if (run.attempts(i).state() != v1::Attempt::ENDED) ++live;
  }
  if (live > 1) wrong("two attempts are alive at once");
  if ((run.state() == v1::RUNNING) != (live == 1)) wrong("an attempt is alive exactly while it is RUNNING");
  const bool has_candidate = run.state() == v1::JUDGING || run.state() == v1::HELD ||
                             run.state() == v1::PUBLISHED || run.state() == v1::REJECTED;
  if (has_candidate && !is_sha256_hex(run.outcome().manifest()))
    wrong("it is to be judged without a candidate");
  if (has_candidate && !run.publish()) wrong("it is to be judged though nothing is to be published");
  if (terminal(run.state()) != (run.ended_us() != 0)) wrong("its end has no time, or a time but no end");
  if (terminal(run.state()) && run.reason().empty()) wrong("it ended without a reason");
  if (run.state() == v1::HELD && run.reason().empty()) wrong("it is held without a reason");

  const v1::ModelState* model = find_model(state, run.job());
  if (!model) return wrong("its model does not exist");
  int versions = 0;
  for (const auto& version : model->versions())
    if (version.run() == run.id()) ++versions;
  if (versions != (run.state() == v1::PUBLISHED ? 1 : 0))
    wrong("a run makes one version exactly when it is PUBLISHED");
  if (run.state() == v1::PUBLISHED) {
    const v1::Version* version = registry::find_version(*model, run.version());
    if (!version || version->manifest() != run.outcome().manifest())
      wrong("its version is not its candidate");
    if (run.verdict().kind() != v1::Verdict::PASS) wrong("it was published without a passing verdict");
  }
}

// What is held of each node.
struct Use {
  uint64_t slots = 0, memory = 0;
  std::set<uint32_t> devices;
};
using Uses = std::map<std::pair<std::string, std::string>, Use>;  // by pool and node

void check_placement(const State& state, const v1::Run& run, const v1::Attempt& attempt, Uses& uses,
                     Broken& broken) {
  auto wrong = [&](const std::string& what) {
    broken.push_back(fmt::format("run {}, attempt {}: {}", run.id(), attempt.number(), what));
  };
  uint32_t placed = 0;
  for (const v1::NodeShare& share : shares_of(attempt)) {
    Use& use = uses[{pool_of(state, run), share.node()}];
    placed += share.ranks();
    use.slots += share.ranks();
    use.memory += share.ranks() * gang_of(state, run).rank.memory;
    for (uint32_t device : share.devices())
      if (!use.devices.insert(device).second)
        wrong(fmt::format("holds GPU {} of {}, which another holds", device, share.node()));
  }
  if (attempt.world() == 0) return;  // journals of old
  if (placed != attempt.world()) wrong("its shares are not all of its ranks");
  const jobs::RankRange ranks = ranks_wanted(state, run);
  if (attempt.world() < ranks.min || attempt.world() > ranks.max)
    wrong(fmt::format("has {} ranks, {} to {} were asked for", attempt.world(), ranks.min, ranks.max));
  if (attempt.slots() != attempt.world()) wrong("holds other than a slot per rank");
  if (static_cast<uint32_t>(attempt.devices_size()) != attempt.world() * gpus_per_rank(state, run))
    wrong("holds other GPUs than its ranks use");
}

void check_pools(const State& state, const place::Cluster& cluster, Broken& broken) {
  std::map<std::string, uint32_t> runs;
  for (const RunId& id : state.working)
    if (const v1::Run& run = state.runs.at(id); live_attempt(run)) ++runs[pool_of(state, run)];
  for (const auto& [name, pool] : cluster)
    if (pool.runs > 0 && runs[name] > pool.runs)
      broken.push_back(
          fmt::format("pool {} has {} runs at once, it may have {}", name, runs[name], pool.runs));
}

void check_nodes(const place::Cluster& cluster, const Uses& uses, Broken& broken) {
  for (const auto& [name, pool] : cluster)
    for (const place::Node& node : pool.nodes) {
      auto use = uses.find({name, node.name});
      if (use == uses.end()) continue;
      auto wrong = [&](const std::string& what) {
        broken.push_back(fmt::format("node {} of pool {}: {}", node.name, name, what));
      };
      if (use->second.slots > node.room.slots)
        wrong(fmt::format("{} slots are allocated, there are {}", use->second.slots, node.room.slots));
      if (node.room.memory > 0 && use->second.memory > node.room.memory)
        wrong(fmt::format("{} bytes are allocated, there are {}", use->second.memory, node.room.memory));
      for (uint32_t device : use->second.devices)
        if (device >= node.room.gpus)
          wrong(fmt::format("GPU {} is held, there are {}", device, node.room.gpus));
    }
}

// The sets that apply keeps are those that the runs themselves say.
void check_filing(const State& state, Broken& broken) {
  State fresh;
  fresh.specs = state.specs;
  for (const auto& [id, run] : state.runs) file_run(fresh, run);
  auto keys = [](const State& of) {
    std::vector<std::string> all;
    for (const auto& [pool, queue] : of.queues)
      for (const QueueKey& key : queue)
        all.push_back(fmt::format("{}/{}/{}/{}", pool, key.priority, key.turn_us, key.run.value));
    return all;
  };
  if (fresh.held != state.held) broken.push_back("the index of held runs disagrees with the runs");
  if (fresh.flights != state.flights)
    broken.push_back("the index of runs that may publish disagrees with the runs");
  if (fresh.working != state.working) broken.push_back("the index of working runs disagrees with the runs");
  if (fresh.delayed != state.delayed) broken.push_back("the index of delayed runs disagrees with the runs");
  if (fresh.over != state.over) broken.push_back("the index of runs that are over disagrees with the runs");
  if (keys(fresh) != keys(state)) broken.push_back("the queues disagree with the runs");
}

void check_plan(const v1::ModelState& model, Broken& broken) {
  auto wrong = [&](const std::string& what) {
    broken.push_back(fmt::format("model {}: {}", model.name(), what));
  };
  uint32_t shares = 0;
  bool live = false;
  for (const auto& planned : model.plan().versions()) {
    const v1::Version* version = registry::find_version(model, planned.version());
    if (!version || version->manifest() != planned.manifest())
      wrong("its plan names a version that was not published");
    if ((planned.role() == v1::LIVE) != (planned.share() > 0))
      wrong("a version has a share exactly when it is live");
    if (version && version->barred() && planned.role() == v1::LIVE) wrong("a barred version gets traffic");
    live = live || planned.role() == v1::LIVE;
    shares += planned.share();
  }
  if (live && shares != 10000) wrong(fmt::format("live shares sum to {}", shares));
  if (!live && registry::champion(model) != 0) wrong("it has a champion that gets no traffic");
}

void check_model(const State& state, const JobName& name, const v1::ModelState& model, Broken& broken) {
  auto wrong = [&](const std::string& what) {
    broken.push_back(fmt::format("model {}: {}", name.value, what));
  };
  if (model.name() != name.value) wrong("is filed under another name");
  uint64_t number = 0;
  for (const v1::Version& version : model.versions()) {
    ++number;
    // A restored state has passed some numbers over.
    if (version.number() > number && number < model.next_version()) number = version.number();
    if (version.number() != number) wrong("versions are not numbered from 1");
  }
  for (const auto& [alias, to] : model.aliases())
    if (!registry::find_version(model, to)) wrong(fmt::format("alias {} points at no version", alias));
  std::map<std::string, uint64_t> replayed;
  for (const auto& move : model.history()) {
    if (replayed[move.alias()] != move.from())
      wrong(fmt::format("history of alias {} has a gap", move.alias()));
    replayed[move.alias()] = move.to();
  }
  for (const auto& [alias, to] : replayed)
    if (registry::alias_target(model, alias) != to)
      wrong(fmt::format("history of alias {} ends elsewhere", alias));
  const uint64_t champion = registry::champion(model);
  const v1::Version* serving = registry::find_version(model, champion);
  if (serving && serving->barred()) wrong("a barred version is champion");
  if (registry::active(model.rollout())) {
    const v1::Version* version = registry::find_version(model, model.rollout().version());
    if (!version) wrong("a rollout is under way of a version that does not exist");
    if (version && version->barred()) wrong("a barred version is being rolled out");
    if (model.rollout().revision() > model.plan().revision())
      wrong("a rollout waits for a plan that was not made");
  }
  const std::string& flight = model.decision().active_run();
  const v1::Run* run = flight.empty() ? nullptr : find_run(state, flight);
  if (!flight.empty() && (!run || terminal(run->state()))) wrong("the policy waits for a run that is over");
  check_plan(model, broken);
}

}  // namespace

std::vector<std::string> broken_invariants(const State& state, const place::Cluster& cluster) {
  Broken broken;
  Uses uses;
  for (const auto& [id, run] : state.runs) {
    check_run(state, id, run, broken);
    if (const v1::Attempt* attempt = live_attempt(run)) check_placement(state, run, *attempt, uses, broken);
    if (!run.idempotency_key().empty()) {
      const v1::Run* known = run_with_key(state, run.idempotency_key());
      if (!known || known->id() != id.value)
        broken.push_back(fmt::format("idempotency key '{}' names two runs", run.idempotency_key()));
    }
  }
  check_nodes(cluster, uses, broken);
  check_pools(state, cluster, broken);
  check_filing(state, broken);
  for (const auto& [name, job] : state.jobs)
    if (!state.models.contains(name)) broken.push_back(fmt::format("job {} has no model", name.value));
  for (const auto& [name, model] : state.models) check_model(state, name, model, broken);
  return broken;
}

}  // namespace rekindle::core
