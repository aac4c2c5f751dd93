// What is checked of a life, with each durable event, each answer and after each step.
#include "core/apply.h"
#include "core/invariants.h"
#include "core/queue.h"
#include "tests/simulation/rules.h"
#include "tests/simulation/whole/life.h"

namespace rekindle::whole {

void Life::stored(const v1::Event& event) {
  outside_.note(fmt::format("event {} {}", event.seq(), coordinator::kind_of(event)));
  const std::string id = core::run_of(event);
  const v1::Run* before = id.empty() ? nullptr : core::find_run(shadow_, id);
  const v1::RunState from = before ? before->state() : v1::RUN_STATE_UNSPECIFIED;
  const bool known = before != nullptr;
  if (event.has_attempt_ended()) {
    outside_.note(v1::EndClass_Name(event.attempt_ended().end()));
    outside_.count(v1::EndClass_Name(event.attempt_ended().end()));
  }
  if (event.has_run_ended()) outside_.count(v1::RunState_Name(event.run_ended().state()));
  if (event.attempt_signalled().resize()) outside_.count("asked to grow");
  if (!event.attempt_signalled().makes_way_for().empty()) outside_.count("asked to make way");
  core::apply(shadow_, event);
  const v1::Run* after = id.empty() ? nullptr : core::find_run(shadow_, id);
  if (known && after && !core::testing::legal(from, after->state()) && !event.has_version_published())
    outside_.problem(
        fmt::format("{} went from {} to {}", id, v1::RunState_Name(from), v1::RunState_Name(after->state())));
}

void Life::answered(const Request& request, const Result<coordinator::Accepted>& accepted) {
  outside_.note(
      fmt::format("answer {}", accepted.ok() ? accepted->decision.id : accepted.status().message()));
  if (!accepted.ok()) {
    const Code code = accepted.status().code();
    if (code == Code::kInternal || code == Code::kDataLoss || accepted.status().message().empty())
      outside_.problem("an odd refusal: " + accepted.status().to_string());
    return;
  }
  if (accepted->seq > shadow_.seq) outside_.problem("an answer went out before what it tells was durable");
  if (request.key.empty()) return;
  const std::string& run = accepted->decision.id;
  const auto [before, fresh] = acknowledged_.emplace(request.key, run);
  if (!fresh) outside_.count("key used again");
  if (!fresh && before->second != run)
    outside_.problem(fmt::format("key {} meant {}, then {}", request.key, before->second, run));
}

void Life::check() {
  if (shadow_.seq == checked_ || !problems().empty()) return;
  checked_ = shadow_.seq;
  for (const auto& [key, run] : acknowledged_) {
    const v1::Run* known = core::run_with_key(shadow_, key);
    if (!known || known->id() != run) outside_.problem("an acknowledged run is lost: " + run);
  }
  std::vector<std::string> over;
  core::testing::over_budget(shadow_, over);
  for (std::string& what : over) outside_.problem(std::move(what));
  if (!process_) return;
  coordinator::CoreLoop& core = process_->core();
  for (std::string& broken : core::broken_invariants(core.state(), core.cluster()))
    outside_.problem(std::move(broken));
  for (const auto& [pool, queue] : core.state().queues)
    for (const v1::QueuePlace& place :
         core::queue_places(core.state(), core.cluster(), pool, core.now(), queue.size()))
      if (place.reason().empty()) outside_.problem(place.run() + " waits without a reason");
}

std::string Life::unrest() const {
  if (!process_) return "the coordinator is down";
  if (!requests_.empty()) return "a client waits for its answer";
  for (const RunId& id : core::active_runs(shadow_)) {
    const v1::Run& run = shadow_.runs.at(id);
    const bool explained =
        run.state() == v1::HELD ||
        (run.state() == v1::QUEUED && !core::testing::ever_fits(process_->core().cluster(), shadow_, run));
    if (!explained) return fmt::format("{} is {}", id.value, v1::RunState_Name(run.state()));
  }
  if (gangs_.live() > 0) return "a gang of a run that is over still runs";
  return {};
}

}  // namespace rekindle::whole
