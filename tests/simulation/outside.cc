#include "tests/simulation/outside.h"

namespace rekindle::core::testing {
namespace {

constexpr int kNodes = 2;

}  // namespace

std::vector<Command> Outside::perform(const Effect& effect, const State& state, int64_t now_us) {
  if (const auto* wish = std::get_if<WritePlanAndLaunch>(&effect)) return launch(*wish, state, now_us);
  if (const auto* wish = std::get_if<WatchAttempt>(&effect)) return watch(*wish, now_us);
  if (const auto* wish = std::get_if<SignalAttempt>(&effect)) {
    Gang& gang = gangs_[{wish->run.value, wish->attempt}];
    if (!gang.started) problems_.push_back("a gang was signalled that never started");
    if (gang.ended) return {};
    const bool kill = wish->signal == v1::AttemptSignalled::KILL;
    // Some leave when asked, some do not listen.
    if (!kill && (gang.fate == Gang::Fate::kHang || dice_.chance(50))) return {};
    gang.ended = true;
    gang.end = kill ? v1::END_CRASH : v1::END_YIELDED;
    return {};
  }
  const auto& verify = std::get<VerifyArtifacts>(effect);
  const bool ok = healthy || !dice_.chance(10);
  return {ArtifactsVerified{verify.run, verify.manifest, ok, ok ? "" : "model.safetensors has another hash"}};
}

std::vector<Command> Outside::launch(const WritePlanAndLaunch& effect, const State& state, int64_t now_us) {
  for (const auto& [key, other] : gangs_)
    if (key.first == effect.run.value && key.second != effect.attempt && other.started && !other.ended)
      problems_.push_back(fmt::format("{}: attempt {} was launched while attempt {} lives", effect.run.value,
                                      effect.attempt, key.second));
  Gang& gang = gangs_[{effect.run.value, effect.attempt}];
  if (gang.started || gang.ended) return {};  // launching twice starts one gang
  if (!healthy && dice_.chance(5)) {
    gang.ended = true;
    gang.end = v1::END_LAUNCH_FAILED;
    return {};
  }
  const v1::Run& run = state.runs.at(effect.run);
  if (run.windows().until_us() > run.as_of_us() - 25 * kHourUs && run.task() == v1::Plan::TRAIN)
    problems_.push_back(fmt::format("{} trains on rows whose labels were not known", run.id()));
  gang.started = true;
  // Slurm keeps it for an hour, or tells nothing of it: neither is a failure.
  gang.seen_us =
      now_us + (!healthy && dice_.chance(20) ? static_cast<int64_t>(dice_.below(3600)) * 1'000'000 : 0);
  for (const v1::NodeShare& share : shares_of(*live_attempt(run))) gang.nodes.insert(share.node());
  gang.ends_us = now_us + static_cast<int64_t>(dice_.below(1800)) * 1'000'000;
  const uint64_t fate = healthy ? 0 : dice_.below(20);
  gang.fate = fate < 8    ? Gang::Fate::kFinish
              : fate < 10 ? Gang::Fate::kFinishBadly
              : fate < 11 ? Gang::Fate::kFinishTorn
              : fate < 14 ? Gang::Fate::kCrash
              : fate < 15 ? Gang::Fate::kMemory
              : fate < 17 ? Gang::Fate::kHang
              : fate < 19 ? Gang::Fate::kNodeLost
                          : Gang::Fate::kRefuse;
  return {};
}

std::vector<Command> Outside::watch(const WatchAttempt& effect, int64_t now_us) const {
  std::vector<Command> seen;
  auto found = gangs_.find({effect.run.value, effect.attempt});
  if (found == gangs_.end()) return seen;
  const Gang& gang = found->second;
  if (gang.started && now_us < gang.seen_us) return seen;
  if (gang.started) seen.push_back(GangStarted{effect.run, effect.attempt, {}});
  if (gang.ended)
    seen.push_back(AttemptEnded{effect.run, effect.attempt, gang.end, "", gang.outcome});
  else if (gang.started && gang.fate == Gang::Fate::kHang && now_us > gang.ends_us)
    seen.push_back(HangDetected{effect.run, effect.attempt, "rank 0 stuck"});
  return seen;
}

void Outside::end(Gang& gang, const std::string& run, uint32_t attempt) {
  gang.ended = true;
  switch (gang.fate) {
    case Gang::Fate::kFinish:
    case Gang::Fate::kFinishBadly: {
      const bool good = gang.fate == Gang::Fate::kFinish;
      const int64_t rows = dice_.chance(15) ? 100 : 6000;  // too few: held
      gang.end = v1::END_FINISHED;
      gang.outcome =
          finished(fmt::format("{}/{}", run, attempt), evaluation_of(good ? .50 : .56, .53, .55, rows));
      return;
    }
    case Gang::Fate::kFinishTorn:
      // The file is there, and names no candidate.
      gang.end = v1::END_FINISHED;
      gang.outcome = v1::Outcome();
      if (dice_.chance(50)) gang.outcome->set_kind(v1::Outcome::FINISHED);
      return;
    case Gang::Fate::kCrash:
      gang.end = v1::END_CRASH;
      return;
    case Gang::Fate::kMemory:
      gang.end = v1::END_OUT_OF_MEMORY;
      return;
    case Gang::Fate::kNodeLost:
      gang.end = v1::END_NODE_LOST;
      return;
    case Gang::Fate::kRefuse:
      gang.end = v1::END_DATA_REFUSED;
      return;
    case Gang::Fate::kHang:
      gang.ended = false;
      return;
  }
}

void Outside::pass(int64_t now_us) {
  for (auto& [key, gang] : gangs_) {
    // A hang that outlives the faults is seen and killed like any other.
    if (gang.started && !gang.ended && now_us > gang.ends_us) end(gang, key.first, key.second);
  }
  for (auto& [key, node] : nodes_) {
    if (healthy) {
      node.up = true;
      node.broken.clear();
    } else if (dice_.chance(4)) {
      node.up = !node.up;
      node.answered.clear();
      node.failed.clear();
    }
    if (!node.up) continue;
    for (const auto& planned : node.plan.versions()) {
      const uint64_t answers = dice_.below(40);
      node.answered[planned.version()] += answers;
      if (!healthy && planned.share() < 10000 && dice_.chance(5)) node.failed[planned.version()] += answers;
    }
  }
}

void Outside::clock_set(int64_t by_us) {
  for (auto& [key, gang] : gangs_) {
    gang.seen_us += by_us;
    gang.ends_us += by_us;
  }
}

void Outside::node_died(const std::string& node) {
  for (auto& [key, gang] : gangs_) {
    if (!gang.started || gang.ended || !gang.nodes.contains(node)) continue;
    gang.ended = true;
    gang.end = v1::END_NODE_LOST;
  }
}

std::map<RunId, int64_t> Outside::saved(int64_t now_us) const {
  std::map<RunId, int64_t> saved;
  for (const auto& [key, gang] : gangs_)
    if (gang.started && !gang.ended) saved[RunId(key.first)] = now_us - (gang.ends_us % 600'000'000);
  return saved;
}

void Outside::follow_plans(const State& state, bool all) {
  for (const auto& [name, model] : state.models)
    for (int i = 0; i < kNodes; ++i) {
      Node& node = nodes_[{i, name.value}];
      if (!node.up || (!all && dice_.chance(50))) continue;
      if (node.plan.revision() > model.plan().revision())
        problems_.push_back("a node saw a plan that the journal has forgotten");
      if (node.plan.revision() == model.plan().revision()) continue;
      node.plan = model.plan();
      if (healthy || !dice_.chance(5)) continue;
      for (const auto& planned : node.plan.versions())
        if (planned.version() == model.rollout().version()) node.broken.insert(planned.version());
    }
}

std::map<std::string, registry::ServingView> Outside::views(const State& state) const {
  std::map<std::string, registry::ServingView> views;
  for (const auto& [name, model] : state.models) {
    std::vector<v1::NodeReport> live;
    for (int i = 0; i < kNodes; ++i) {
      auto found = nodes_.find({i, name.value});
      if (found == nodes_.end() || !found->second.up) continue;
      const Node& node = found->second;
      v1::NodeReport report;
      report.set_node(fmt::format("node-{}", i));
      report.set_revision(node.plan.revision());
      for (const auto& planned : node.plan.versions()) {
        auto* health = report.add_versions();
        health->set_version(planned.version());
        const bool broken = node.broken.contains(planned.version());
        health->set_state(broken ? v1::VersionHealth::FAILED : v1::VersionHealth::READY);
        if (auto n = node.answered.find(planned.version()); n != node.answered.end())
          health->set_answered(n->second);
        if (auto n = node.failed.find(planned.version()); n != node.failed.end())
          health->set_failed(n->second);
      }
      live.push_back(std::move(report));
    }
    if (!live.empty()) views[name.value] = registry::view_of(live);
  }
  return views;
}

}  // namespace rekindle::core::testing
