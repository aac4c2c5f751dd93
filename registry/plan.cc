// Composition of the serving plan and the merged view of what nodes report about it.
#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <cmath>

#include "proto/time.h"
#include "registry/aliases.h"
#include "registry/rollout.h"

namespace rekindle::registry {
namespace {

constexpr uint32_t kWhole = 10000;

uint32_t canary_share(const v1::JobSpec& spec) {
  double parts = std::round(spec.serve().canary() * kWhole);
  return static_cast<uint32_t>(std::clamp(parts, 1.0, kWhole - 1.0));
}

std::map<uint64_t, uint32_t> live_shares(const v1::ModelState& model, const v1::JobSpec& spec,
                                         const v1::Rollout& rollout) {
  switch (rollout.state()) {
    case v1::Rollout::LOADING_CANARY:
    case v1::Rollout::BAKING: {
      uint32_t share = canary_share(spec);
      return {{rollout.from(), kWhole - share}, {rollout.version(), share}};
    }
    case v1::Rollout::LOADING_ALL:
      return {{rollout.version(), kWhole}};
    default:
      break;
  }
  uint64_t version = champion(model);
  if (version == 0) return {};
  return {{version, kWhole}};
}

}  // namespace

v1::ServingPlan compose_plan(const v1::ModelState& model, const v1::JobSpec& spec,
                             const v1::Rollout& rollout) {
  std::map<uint64_t, uint32_t> shares = live_shares(model, spec, rollout);
  for (uint64_t pinned : model.pinned()) shares.try_emplace(pinned, 0);

  v1::ServingPlan plan;
  plan.set_model(model.name());
  plan.set_revision(model.plan().revision());
  plan.set_slot_us(from_proto(spec.data().slot()).count());
  // Another salt for each rollout, so that it is not always the same requests that meet the canary; no
  // randomness, so that a replay repeats itself.
  plan.set_salt(fmt::format("{}/{}", model.name(), rollout.version()));
  for (const auto& [number, share] : shares) {
    const v1::Version* version = find_version(model, number);
    if (!version) continue;
    auto* planned = plan.add_versions();
    planned->set_version(number);
    planned->set_role(share > 0 ? v1::LIVE : v1::PINNED);
    planned->set_share(share);
    planned->set_manifest(version->manifest());
  }
  return plan;
}

std::optional<v1::ServingPlan> changed_plan(const v1::ModelState& model, const v1::JobSpec& spec,
                                            const v1::Rollout& rollout) {
  v1::ServingPlan plan = compose_plan(model, spec, rollout);
  if (plan.versions().empty() && model.plan().versions().empty()) return std::nullopt;
  if (google::protobuf::util::MessageDifferencer::Equals(plan, model.plan())) return std::nullopt;
  plan.set_revision(model.plan().revision() + 1);
  return plan;
}

bool ServingView::ready(uint64_t version) const {
  auto found = versions.find(version);
  return nodes > 0 && found != versions.end() && found->second.ready_nodes == nodes;
}

ServingView view_of(const std::vector<v1::NodeReport>& live) {
  ServingView view;
  for (const auto& report : live) {
    view.revision = view.nodes == 0 ? report.revision() : std::min(view.revision, report.revision());
    ++view.nodes;
    for (const auto& health : report.versions()) {
      VersionView& version = view.versions[health.version()];
      if (health.state() == v1::VersionHealth::READY) ++version.ready_nodes;
      if (health.state() == v1::VersionHealth::FAILED) {
        ++version.failed_nodes;
        version.failure = fmt::format("node {}: {}", report.node(), health.message());
      }
      version.answered += health.answered();
      version.failed += health.failed();
      version.latency_p99_ms = std::max(version.latency_p99_ms, health.latency_p99_ms());
    }
  }
  return view;
}

}  // namespace rekindle::registry
