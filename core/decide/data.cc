// Data: dataset snapshots, judged windows and the runs that they trigger, quarantine, replay sessions.
#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "core/decide/draft.h"
#include "core/windows.h"
#include "drift/policy.h"
#include "proto/time.h"
#include "registry/aliases.h"
#include "registry/canary.h"

namespace rekindle::core {
namespace {

using google::protobuf::util::MessageDifferencer;

constexpr double kDayUs = 86'400'000'000;

// Everything but when and from where it came.
bool equal_content(v1::DatasetSnapshot a, v1::DatasetSnapshot b) {
  for (auto* one : {&a, &b}) {
    one->clear_created_us();
    one->clear_source();
  }
  return MessageDifferencer::Equals(a, b);
}

// The open item that this breach goes on with, if there is one: same check, same feature, same source, no
// gap.
const v1::Quarantine* same_trouble(const State& state, const std::string& model, const v1::Breach& breach) {
  for (auto item = state.quarantines.rbegin(); item != state.quarantines.rend(); ++item) {
    const v1::Quarantine& known = item->second;
    if (known.state() == v1::Quarantine::OPEN && known.model() == model &&
        known.breach().check() == breach.check() && known.breach().feature() == breach.feature() &&
        known.breach().source() == breach.source() && breach.from_us() <= known.breach().until_us() &&
        known.breach().from_us() <= breach.until_us())
      return &known;
  }
  return nullptr;
}

void quarantine(Draft& draft, const std::string& model, const v1::Breach& breach, uint64_t& next_id) {
  v1::Quarantine item;
  if (const v1::Quarantine* known = same_trouble(draft.state, model, breach)) {
    item = *known;
    const v1::Breach before = known->breach();
    *item.mutable_breach() = breach;
    item.mutable_breach()->set_from_us(std::min(before.from_us(), breach.from_us()));
    item.mutable_breach()->set_until_us(std::max(before.until_us(), breach.until_us()));
    // Rows of a slot that is judged again are not counted twice.
    const bool beyond = breach.until_us() > before.until_us();
    item.mutable_breach()->set_rows(before.rows() + (beyond ? breach.rows() : 0));
    if (MessageDifferencer::Equals(item, *known)) return;
  } else {
    item.set_id(next_id++);
    item.set_model(model);
    *item.mutable_breach() = breach;
    item.set_state(v1::Quarantine::OPEN);
    item.set_opened_us(draft.now_us());
  }
  *draft.add().mutable_quarantine_changed() = std::move(item);
}

// Loss that is spared a day, for each rank-second; 0: not known.
double worth_of(const drift::PolicyStep& step, const v1::JudgedWindow& window) {
  const auto days = static_cast<double>(window.until_us() - window.from_us()) / kDayUs;
  const double cost = step.state.last_rank_seconds();
  return days > 0 && cost > 0 ? step.gain * static_cast<double>(window.rows()) / days / cost : 0;
}

void trigger_run(Draft& draft, const v1::Job& job, const v1::JudgedWindow& window,
                 const drift::PolicyStep& step) {
  v1::Run run = new_run(draft, job);
  run.set_cause(*step.cause);
  run.set_cause_detail(step.reason);
  run.set_changed_us(step.state.changed_us());
  run.set_worth(worth_of(step, window));
  // As of the judgement, not of when it was made: a run asks for what was known then, at any speed.
  const int64_t clock = model_clock_us(draft.state, job.name(), draft.world.now);
  run.set_as_of_us(window.clock_us() > 0 ? std::min(window.clock_us(), clock) : clock);
  // The slot and the run's number: one run per judgement, also when a second replay judges the slot again.
  run.set_idempotency_key(fmt::format("trigger/{}/{}", run.id(), window.slot_us()));
  draft.id = run.id();
  *draft.add().mutable_run_queued() = std::move(run);
}

bool asks_for_labels(const v1::Retrain& retrain) {
  return std::any_of(retrain.when().begin(), retrain.when().end(),
                     [](const v1::Trigger& one) { return one.has_labels(); });
}

// A backlog judged after a long silence or at the end of a replay of the past tells of a world that is gone:
// recorded, but no reason to train. Empty: recent enough.
std::string too_old(const Draft& draft, const v1::Job& job, const v1::JudgedWindow& window) {
  const Micros behind(model_clock_us(draft.state, job.name(), draft.world.now) - window.clock_us());
  const Micros limit = std::max(from_proto(job.spec().retrain().window()), Micros(Seconds(86400)));
  if (behind <= limit) return {};
  return fmt::format("the window lies {} days behind the model clock",
                     std::chrono::duration_cast<std::chrono::hours>(behind).count() / 24);
}

Status foreign_session(const v1::ModelState& model, const std::string& session) {
  if (model.replay_session().empty())
    return failed_precondition(fmt::format("no replay of model '{}' is under way", model.name()));
  return failed_precondition(fmt::format("a replay of model '{}' by session '{}' is under way, not by '{}'",
                                         model.name(), model.replay_session(), session));
}

v1::ReplayChanged unchanged_replay(const v1::ModelState& model) {
  v1::ReplayChanged changed;
  changed.set_model(model.name());
  changed.set_session(model.replay_session());
  changed.set_clock_us(model.replay_clock_us());
  changed.set_run_takes_us(model.replay_run_takes_us());
  *changed.mutable_pinned() = model.pinned();
  return changed;
}

void record_replay(Draft& draft, const v1::ReplayChanged& changed) {
  ModelDraft edit(draft, changed.model());
  v1::Event event;
  *event.mutable_replay_changed() = changed;
  edit.record(std::move(event));
  edit.refresh_plan();
}

}  // namespace

Status decide_one(Draft& draft, const AddSnapshot& command) {
  v1::DatasetSnapshot snapshot = command.snapshot;
  TRY_STATUS(check_name("dataset", snapshot.dataset()));
  TRY_STATUS(check_name("snapshot", snapshot.name()));
  const bool model = find_job(draft.state, snapshot.dataset()) != nullptr;
  if (command.settled && !model) return no_such_job(snapshot.dataset());
  if (!command.settled && model)
    return invalid_argument(
        fmt::format("'{}' is a job: its dataset is what settles from its events; import under "
                    "another name",
                    snapshot.dataset()));
  if (snapshot.rows() > 0 && (snapshot.parts().empty() || snapshot.last_time_us() < snapshot.first_time_us()))
    return invalid_argument(
        fmt::format("snapshot {}@{} says that it has {} rows but names no part that holds them, or "
                    "ends before it begins",
                    snapshot.dataset(), snapshot.name(), snapshot.rows()));
  if (auto dataset = draft.state.datasets.find(snapshot.dataset()); dataset != draft.state.datasets.end()) {
    if (auto known = dataset->second.find(snapshot.name()); known != dataset->second.end()) {
      if (equal_content(known->second, snapshot)) return ok_status();
      return already_exists(
          fmt::format("snapshot {}@{} exists with other content; snapshots never change: use "
                      "another name",
                      snapshot.dataset(), snapshot.name()));
    }
  }
  if (snapshot.created_us() == 0) snapshot.set_created_us(draft.now_us());
  *draft.add().mutable_snapshot_added() = std::move(snapshot);
  return ok_status();
}

Status decide_one(Draft& draft, const JudgeWindow& command) {
  const v1::JudgedWindow& window = command.window;
  const v1::ModelState* model = find_model(draft.state, window.model());
  const v1::Job* job = find_job(draft.state, window.model());
  if (!model || !job) return no_such_job(window.model());

  const int64_t changed_us = model->decision().changed_us();
  const int64_t oldest_us = oldest_row_us(draft.state, job->spec());
  drift::PolicyContext context;
  context.champion = registry::champion(*model);
  context.versions = registry::next_version(*model) - 1;
  if (const v1::Version* version = registry::find_version(*model, context.champion)) {
    context.champion_as_of_us = version->as_of_us();
    context.learned_from_us = learns_from_us(job->spec(), oldest_us, version->as_of_us(), changed_us);
    context.learned_until_us = learns_until_us(job->spec(), version->as_of_us());
    if (asks_for_labels(job->spec().retrain()))
      context.new_labels = new_labels(draft.state, job->spec(), *version, window.clock_us());
  }
  context.learns_from_us = learns_from_us(job->spec(), oldest_us, window.clock_us(), changed_us);
  context.learns_until_us = learns_until_us(job->spec(), window.clock_us());
  context.holdout_us = from_proto(job->spec().gate().holdout()).count();
  context.frozen = model->frozen();
  context.frozen_reason = model->frozen_reason();
  context.rollout_active = registry::active(model->rollout());
  context.behind = too_old(draft, *job, window);
  drift::PolicyStep step = drift::step(job->spec().retrain(), model->decision(), window, context);
  const bool stale = step.state.judged_slot_us() == model->decision().judged_slot_us() &&
                     step.state.tokens_us() == model->decision().tokens_us();
  if (stale) return ok_status();

  if (step.cause) step.state.set_active_run(fmt::format("{}-{}", job->name(), job->next_run()));
  auto* judged = draft.add().mutable_window_judged();
  *judged->mutable_window() = window;
  *judged->mutable_decision() = step.state;
  judged->mutable_decision()->clear_last_window();
  uint64_t next_id = draft.state.next_quarantine;
  for (const auto& breach : window.breaches()) quarantine(draft, window.model(), breach, next_id);
  if (step.cause) trigger_run(draft, *job, window, step);
  for (const v1::LossComparison& labels : window.comparisons()) {
    ModelDraft edit(draft, window.model());
    edit.record(registry::weigh_labels(edit.model(), edit.spec(), labels, edit.clock(false)));
  }
  return ok_status();
}

Status decide_one(Draft& draft, const ResolveQuarantine& command) {
  const v1::ResolveQuarantineRequest& request = command.request;
  auto found = draft.state.quarantines.find(request.id());
  if (found == draft.state.quarantines.end())
    return not_found(
        fmt::format("no quarantined item {}; `rekindle quarantine list` shows them", request.id()));
  const auto wish = request.release() ? v1::Quarantine::RELEASED : v1::Quarantine::DROPPED;
  if (found->second.state() == wish) return ok_status();
  if (found->second.state() != v1::Quarantine::OPEN)
    return failed_precondition(
        fmt::format("item {} was {} already", request.id(),
                    found->second.state() == v1::Quarantine::RELEASED ? "released" : "dropped"));
  v1::Quarantine item = found->second;
  item.set_state(wish);
  item.set_actor(draft.actor);
  item.set_reason(request.reason());
  *draft.add().mutable_quarantine_changed() = std::move(item);
  return ok_status();
}

Status decide_one(Draft& draft, const BeginReplay& command) {
  const v1::BeginReplayRequest& request = command.request;
  const v1::ModelState* model = find_model(draft.state, request.model());
  if (!model) return no_such_job(request.model());
  if (request.session().empty()) return invalid_argument("a replay needs a session id of the driver's own");
  if (!model->replay_session().empty() && model->replay_session() != request.session())
    return foreign_session(*model, request.session());
  for (uint64_t pin : request.pin())
    if (!registry::find_version(*model, pin))
      return not_found(fmt::format("model '{}' has no version {} to pin", model->name(), pin));

  v1::ReplayChanged changed = unchanged_replay(*model);
  changed.set_session(request.session());
  // A driver that comes back goes on where the clock stands.
  const bool again = model->replay_session() == request.session();
  changed.set_clock_us(again ? std::max(model->replay_clock_us(), request.clock_us()) : request.clock_us());
  changed.set_run_takes_us(from_proto(request.run_takes()).count());
  *changed.mutable_pinned() = request.pin();
  if (MessageDifferencer::Equals(changed, unchanged_replay(*model))) return ok_status();
  record_replay(draft, changed);
  return ok_status();
}

Status decide_one(Draft& draft, const AdvanceReplay& command) {
  const v1::AdvanceRequest& request = command.request;
  const v1::ModelState* model = find_model(draft.state, request.model());
  if (!model) return no_such_job(request.model());
  if (model->replay_session() != request.session() || request.session().empty())
    return foreign_session(*model, request.session());
  if (request.clock_us() < model->replay_clock_us())
    return Status(Code::kOutOfRange, fmt::format("the replay's clock stands at {} and never goes back to {}",
                                                 format_time(time_from_micros(model->replay_clock_us())),
                                                 format_time(time_from_micros(request.clock_us()))));
  if (request.clock_us() == model->replay_clock_us()) return ok_status();
  v1::ReplayChanged changed = unchanged_replay(*model);
  changed.set_clock_us(request.clock_us());
  *draft.add().mutable_replay_changed() = std::move(changed);
  return ok_status();
}

Status decide_one(Draft& draft, const EndReplay& command) {
  const v1::EndReplayRequest& request = command.request;
  const v1::ModelState* model = find_model(draft.state, request.model());
  if (!model) return no_such_job(request.model());
  if (model->replay_session().empty()) return ok_status();
  if (model->replay_session() != request.session()) return foreign_session(*model, request.session());
  v1::ReplayChanged changed;
  changed.set_model(request.model());
  record_replay(draft, changed);
  return ok_status();
}

}  // namespace rekindle::core
