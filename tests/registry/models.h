// Models with versions, and what their nodes report.
#pragma once

#include <fmt/format.h>

#include <string>

#include "base/hash.h"
#include "proto/time.h"
#include "registry/aliases.h"
#include "registry/rollout.h"

namespace rekindle::registry {

constexpr int64_t kDayUs = 86'400'000'000;

inline v1::JobSpec spec(double canary = 0.1) {
  v1::JobSpec spec;
  auto* serve = spec.mutable_serve();
  serve->set_canary(canary);
  *serve->mutable_bake() = to_proto(Seconds(86400));
  serve->set_max_errors(0.01);
  *serve->mutable_max_latency() = to_proto(std::chrono::milliseconds(250));
  serve->set_min_requests(20);
  *spec.mutable_data()->mutable_slot() = to_proto(Seconds(3600));
  return spec;
}

inline void record(v1::ModelState& model, const RolloutStep& step) {
  if (step.superseded) *model.mutable_rollout() = *step.superseded;
  for (const auto& changed : step.versions)
    for (auto& version : *model.mutable_versions())
      if (version.number() == changed.number()) version = changed;
  if (step.moved) apply_move(model, *step.moved);
  if (step.rollout) *model.mutable_rollout() = *step.rollout;
  if (step.plan) *model.mutable_plan() = *step.plan;
}

// A model with `versions` versions whose champion, in full service, is the last but one (or none).
inline v1::ModelState model_of(int versions) {
  v1::ModelState model;
  model.set_name("m");
  for (int i = 1; i <= versions; ++i) {
    auto* version = model.add_versions();
    version->set_model("m");
    version->set_number(i);
    version->set_manifest(sha256_hex(fmt::format("v{}", i)));
    if (i == versions) break;
    record(model, begin_rollout(model, spec(), i, Reach::kAllAtOnce, "test", {1, 1, false, true}));
    record(model, advance_rollout(model, spec(), {}, {1, 1, false, true}));
  }
  return model;
}

inline std::string shares(const v1::ServingPlan& plan) {
  std::string text;
  for (const auto& v : plan.versions())
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", v.version(),
                        v.role() == v1::LIVE ? fmt::format("{}", v.share()) : "pinned");
  return text;
}

inline ServingView view(const v1::ModelState& model, uint64_t answered = 0, uint64_t failed = 0,
                        double p99 = 5) {
  ServingView view;
  view.nodes = 2;
  view.revision = model.plan().revision();
  for (const auto& v : model.plan().versions())
    view.versions[v.version()] = {2, 0, "", answered, failed, p99};
  return view;
}

}  // namespace rekindle::registry
