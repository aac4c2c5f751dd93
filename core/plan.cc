#include "core/plan.h"

#include <fmt/format.h>

#include "core/leaving.h"
#include "core/schedule.h"
#include "proto/candidates.h"
#include "registry/aliases.h"

namespace rekindle::core {
namespace {

void fill_placement(const State& state, const v1::Run& run, const v1::Attempt& attempt, v1::Plan& plan) {
  plan.set_world(world_of(attempt));
  plan.set_gpus_per_rank(gpus_per_rank(state, run));
  for (uint32_t device : attempt.devices()) plan.add_devices(std::to_string(device));
  const bool elsewhere = attempt.shares_size() > 1 ||
                         (attempt.shares_size() == 1 && attempt.shares(0).node() != place::kThisHost);
  if (elsewhere) *plan.mutable_shares() = attempt.shares();
  plan.set_leave_by_us(leave_by_us(state, run, attempt));
  const jobs::RankRange ranks = ranks_wanted(state, run);
  if (!ranks.elastic()) return;
  plan.mutable_target()->set_min(ranks.min);
  plan.mutable_target()->set_max(ranks.max);
}

// A first version has no champion to start from: it begins from scratch. A version that was named and is not
// there keeps its number without a manifest: the trainer refuses it.
v1::Beginning beginning(const v1::Start& start, const v1::ModelState* model, const v1::Version* champion) {
  v1::Beginning out;
  const v1::Version* from = start.has_champion() ? champion : nullptr;
  if (start.has_version()) {
    from = model ? registry::find_version(*model, start.version()) : nullptr;
    out.set_version(start.version());
  }
  if (!from) return out;
  out.set_version(from->number());
  out.set_manifest(from->manifest());
  return out;
}

void set_starts(const v1::ModelState* model, const v1::Version* champion, v1::Plan& plan) {
  const v1::Train& train = plan.spec().train();
  const v1::Beginning own = beginning(train.start(), model, champion);
  plan.set_start_version(own.version());
  plan.set_start_manifest(own.manifest());
  for (int number = 1; number <= train.candidates_size(); ++number)
    *plan.add_candidate_starts() = beginning(train_of(train, number).start(), model, champion);
}

// A run that was started by itself looks at the newest of the older versions first.
constexpr int kOlderMost = 16;

void add_older(const v1::ModelState& model, const v1::Run& run, v1::Plan& plan) {
  if (!plan.spec().retrain().reuse() || run.cause() == v1::CAUSE_MANUAL || !run.publish()) return;
  for (auto version = model.versions().rbegin();
       version != model.versions().rend() && plan.score_size() < kOlderMost; ++version) {
    if (version->number() == run.champion() || version->barred()) continue;
    v1::ScoreItem& item = *plan.add_score();
    item.set_version(version->number());
    item.set_manifest(version->manifest());
  }
}

}  // namespace

v1::Plan plan_of(const State& state, const v1::Run& run, uint32_t attempt) {
  v1::Plan plan;
  plan.set_task(run.task());
  plan.set_run(run.id());
  plan.set_attempt(attempt);
  plan.set_submitted_by(run.submitted_by());
  plan.set_index(run.index());
  plan.set_count(run.count());
  *plan.mutable_spec() = spec_of(state, run);
  plan.set_spec_sha256(spec_sha256_of(state, run));
  plan.set_cause(cause_text(run.cause(), cause_detail_of(run)));
  if (const v1::Attempt* placed = find_attempt(run, attempt)) fill_placement(state, run, *placed, plan);
  *plan.mutable_data() = run.data();
  *plan.mutable_windows() = run.windows();
  *plan.mutable_score() = run.score();
  plan.set_fault(run.fault());
  const v1::ModelState* model = find_model(state, run.job());
  const v1::Version* champion = model ? registry::find_version(*model, run.champion()) : nullptr;
  if (champion) {
    plan.set_champion_version(champion->number());
    plan.set_champion_manifest(champion->manifest());
  }
  set_starts(model, champion, plan);
  if (model && champion) add_older(*model, run, plan);
  return plan;
}

std::string cause_text(v1::Cause cause, std::string_view detail) {
  std::string_view name = "unknown";
  switch (cause) {
    case v1::CAUSE_MANUAL:
      name = "manual";
      break;
    case v1::CAUSE_DRIFT:
      name = "drift";
      break;
    case v1::CAUSE_QUALITY:
      name = "quality";
      break;
    case v1::CAUSE_AGE:
      name = "age";
      break;
    case v1::CAUSE_SCHEDULE:
      name = "schedule";
      break;
    case v1::CAUSE_LABELS:
      name = "labels";
      break;
    case v1::CAUSE_ESTIMATE:
      name = "estimate";
      break;
    case v1::CAUSE_REGRET:
      name = "regret";
      break;
    default:
      break;
  }
  return detail.empty() ? std::string(name) : fmt::format("{}: {}", name, detail);
}

std::optional<ToJudge> to_judge(const State& state, const std::string& model) {
  const v1::Job* job = find_job(state, model);
  const v1::ModelState* found = find_model(state, model);
  if (job == nullptr || found == nullptr || found->versions().empty()) return std::nullopt;
  ToJudge out;
  out.spec = job->spec();
  out.champion = registry::champion(*found);
  for (const v1::Version& version : found->versions())
    out.manifests.emplace_back(version.number(), version.manifest());
  for (const auto& [id, quarantine] : state.quarantines)
    if (quarantine.model() == model) out.quarantines.push_back(quarantine);
  out.after_slot_us = found->decision().judged_slot_us();
  return out;
}

}  // namespace rekindle::core
