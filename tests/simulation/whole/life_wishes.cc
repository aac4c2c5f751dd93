// What people, operators, nodes and bad luck do to a life.
#include <algorithm>

#include "registry/aliases.h"
#include "tests/core/builders.h"
#include "tests/simulation/whole/life.h"

namespace rekindle::whole {
namespace {

using namespace core::testing;  // NOLINT: specs and snapshots
using std::chrono::milliseconds;

// Too long a queue tells nothing new and takes long to check.
constexpr size_t kActiveMost = 12;

}  // namespace

v1::JobSpec Life::spec(const std::string& job) {
  const bool batch = job.starts_with("batch");
  v1::JobSpec spec = spec_of(job, job == "wide"                     ? 99
                                  : job == "two" || job == "urgent" ? 2
                                  : job == "batch3"                 ? 3
                                                                    : 1);
  spec.set_pool(batch ? "cluster" : "local");
  if (job == "stretch") {
    spec.mutable_train()->mutable_ranks()->clear_count();
    spec.mutable_train()->mutable_ranks()->set_min(1);
    spec.mutable_train()->mutable_ranks()->set_max(3);
  }
  v1::Limits& limits = *spec.mutable_train()->mutable_limits();
  *limits.mutable_hang() = to_proto(Seconds(20));
  *limits.mutable_hang_warm() = to_proto(Seconds(12));
  *limits.mutable_cancel_grace() = to_proto(Seconds(6));
  if (job == "limited") *limits.mutable_attempt() = to_proto(Seconds(40));
  limits.set_memory_retries(1);
  limits.set_hang_retries(2);
  limits.set_preempted_retries(5);
  limits.set_data_retries(2);
  limits.set_launcher_retries(4);
  if (job == "urgent") {
    spec.set_priority(10);
    spec.set_preempt(true);
  }
  v1::Retrain& retrain = *spec.mutable_retrain();
  *retrain.mutable_window() = to_proto(Seconds(3600));
  *retrain.mutable_cooldown() = to_proto(Seconds(300));
  retrain.mutable_persistence()->set_hits(1);
  retrain.mutable_persistence()->set_of(1);
  retrain.mutable_at_most()->set_runs(50);
  *retrain.mutable_at_most()->mutable_per() = to_proto(Seconds(7 * 86400));
  *spec.mutable_serve()->mutable_bake() = to_proto(Seconds(60));
  return spec;
}

std::string Life::some_job() {
  const bool hopeless = outside_.dice.chance(5);
  return kJobs[hopeless ? kJobs.size() - 1 : outside_.dice.below(kJobs.size() - 1)];
}

std::string Life::some_run() {
  if (shadow_.runs.empty()) return "one-1";
  const std::set<RunId> active = core::active_runs(shadow_);
  const bool any = active.empty() || outside_.dice.chance(10);
  const size_t size = any ? shadow_.runs.size() : active.size();
  const size_t nth = outside_.dice.below(size);
  if (!any) return std::next(active.begin(), static_cast<std::ptrdiff_t>(nth))->value;
  return std::next(shadow_.runs.begin(), static_cast<std::ptrdiff_t>(nth))->first.value;
}

core::StartRun Life::submission(const std::string& job) {
  const bool again =
      !submissions_.empty() && (core::active_runs(shadow_).size() >= kActiveMost || outside_.dice.chance(25));
  if (again) return {submissions_[outside_.dice.below(submissions_.size())]};
  v1::StartRunRequest r;
  r.set_job(job);
  r.set_idempotency_key(fmt::format("key-{}", submissions_.size()));
  submissions_.push_back(r);
  return {r};
}

core::Command Life::wish() {
  const std::string job = some_job();
  switch (outside_.dice.below(16)) {
    case 0:
    case 1: {
      v1::CancelRunRequest r;
      r.set_id(some_run());
      return core::CancelRun{r};
    }
    case 2: {
      v1::ApproveRunRequest r;
      r.set_id(some_run());
      r.set_reason("looked at it");
      return core::ApproveRun{r};
    }
    case 3: {
      v1::SetAliasRequest r;
      r.set_model(job);
      r.set_alias(outside_.dice.chance(70) ? "champion" : "stable");
      r.set_version(1 + outside_.dice.below(3));
      return core::SetAlias{r};
    }
    case 4: {
      v1::FreezeRequest r;
      r.set_model(job);
      r.set_frozen(outside_.dice.chance(30));
      return core::Freeze{r};
    }
    case 5: {
      v1::JobSpec changed = spec(job);
      changed.mutable_serve()->set_canary(outside_.dice.chance(50) ? .1 : .5);
      return apply_of(changed);
    }
    case 6: {
      const int64_t clock = to_micros(outside_.clock.wall());
      const v1::ModelState* model = core::find_model(shadow_, job);
      v1::JudgedWindow window =
          window_of(job, (clock / kHourUs - 2) * kHourUs, model ? registry::champion(*model) : 0,
                    outside_.dice.chance(60) ? .9 : .1);
      window.set_clock_us(clock);
      return core::JudgeWindow{window};
    }
    default:
      return submission(job);
  }
}

void Life::mishap() {
  switch (outside_.dice.below(9)) {
    case 0:
      outside_.count("kill -9");
      return die(false);
    case 1:
      outside_.count("host lost");
      return die(true);
    case 2: {
      constexpr std::array<int64_t, 4> kJumps = {kHourUs, -kHourUs, 3650 * kDayUs, -3650 * kDayUs};
      outside_.count("clock set");
      return outside_.clock.jump_wall(outside_.clock.wall() + Micros(kJumps[outside_.dice.below(4)]));
    }
    case 3:
      disk_.full_until =
          outside_.clock.monotonic() + outside_.between(milliseconds(1000), milliseconds(40'000));
      return;
    case 4:
      // The process stands still, or its host does.
      outside_.count("pause");
      return outside_.clock.advance(outside_.between(milliseconds(3000), milliseconds(60'000)));
    case 5:
      return block_a_folder();
    case 6:
      return stop_orderly();
    case 7:
      outside_.count("pools edited");
      return outside_.dice.chance(60) ? edit_pools(4 + outside_.dice.below(4)) : spoil_pools();
    default:
      return slurm_.mishap();
  }
}

void Life::stop_orderly() {
  if (!process_) return;
  outside_.count("stopped and started");
  try {
    process_->stop();
  } catch (const Crash&) {
    outside_.note("dies while it stops");
  }
  die(false);
}

// Where its attempts should be, the disk has no room for a folder.
void Life::block_a_folder() {
  const fs::path path = folder_ / "runs" / some_run();
  if (fs::exists(path) || !fs::exists(path.parent_path())) return;
  outside_.count("folder refused");
  CHECK(write_file_durably(path, "in the way").ok());
}

void Life::edit_pools(uint64_t poll_seconds) {
  pools_broken_ = false;
  const std::string yaml = fmt::format(R"(rekindle: 1
pools:
  - name: local
    local: {{slots: {}}}
  - name: cluster
    slurm: {{poll: {}s, answer_within: 10s, search: 60s}}
    limits: {{ranks: 6}}
)",
                                       kSlots, poll_seconds);
  CHECK(write_file_durably(folder_ / "pools.yaml", yaml).ok());
}

// A file that cannot be read, or one without the cluster's pool.
void Life::spoil_pools() {
  pools_broken_ = outside_.dice.chance(50);
  const std::string yaml = "rekindle: 1\npools: [{name: local";
  CHECK(write_file_durably(folder_ / "pools.yaml", pools_broken_ ? yaml : yaml + ", local: {slots: 4}}]\n")
            .ok());
}

// From the node's side: it follows the plan that is durable, and says so each few seconds.
void Life::report_nodes() {
  if (!process_ || outside_.clock.monotonic() < reports_) return;
  reports_ = outside_.clock.monotonic() + Seconds(3);
  for (const auto& [name, model] : shadow_.models)
    for (const char* node : {"node-0", "node-1"}) {
      if (model.plan().revision() == 0 || outside_.fault(10)) continue;
      v1::NodeReport report;
      report.set_node(node);
      report.set_model(name.value);
      report.set_revision(model.plan().revision());
      for (const auto& planned : model.plan().versions()) {
        v1::VersionHealth& health = *report.add_versions();
        health.set_version(planned.version());
        health.set_state(outside_.fault(3) ? v1::VersionHealth::FAILED : v1::VersionHealth::READY);
        uint64_t& count = answered_requests_[fmt::format("{}/{}/{}", node, name.value, planned.version())];
        health.set_answered(count += outside_.dice.below(40));
      }
      process_->nodes().report(std::move(report));
    }
}

}  // namespace rekindle::whole
