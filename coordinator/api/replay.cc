// ReplayService: a client drives the model's clock. Each advance answers once everything that it sealed is
// judged and durable, so that what happens depends on event time alone.
#include <fmt/format.h>

#include "coordinator/api/api.h"
#include "registry/rollout.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

constexpr Seconds kWaitMost{600};

// In words what still moves by itself; empty: nothing. A held run waits for a person, so it does not count.
std::string unsettled(Context& c, const v1::ModelState& model) {
  for (const RunId& id : core::active_runs(c.core.state())) {
    const v1::Run& run = c.core.state().runs.at(id);
    if (run.job() != model.name() || run.state() == v1::HELD) continue;
    std::string state = v1::RunState_Name(run.state());
    std::transform(state.begin(), state.end(), state.begin(),
                   [](unsigned char ch) { return std::tolower(ch); });
    return fmt::format("run {} is {}{}{}", run.id(), state, run.reason().empty() ? "" : ": ", run.reason());
  }
  if (c.nodes.presumed(model.name())) return "serving nodes have not reported since the daemon's start";
  for (const v1::NodeReport& node : c.nodes.live(model.name()))
    if (node.revision() < model.plan().revision())
      return fmt::format("node {} is at revision {} of the serving plan, {} is wanted", node.node(),
                         node.revision(), model.plan().revision());
  return "";
}

Result<v1::ReplayState> state_of(Context& c, const std::string& name) {
  const v1::ModelState* model = core::find_model(c.core.state(), name);
  if (model == nullptr) return not_found(fmt::format("no model '{}'", name));
  v1::ReplayState out;
  out.set_model(name);
  out.set_clock_us(model->replay_clock_us());
  *out.mutable_decision() = model->decision();
  *out.mutable_window() = model->decision().last_window();
  for (const RunId& id : core::active_runs(c.core.state()))
    if (c.core.state().runs.at(id).job() == name) out.add_active_runs(id.value);
  *out.mutable_plan() = model->plan();
  if (model->has_rollout()) *out.mutable_rollout() = model->rollout();
  out.set_waiting_for(unsettled(c, *model));
  out.set_settled(out.waiting_for().empty());
  return out;
}

Status check_session(Context& c, const std::string& name, const std::string& session) {
  const v1::ModelState* model = core::find_model(c.core.state(), name);
  if (model == nullptr) return not_found(fmt::format("no model '{}'", name));
  if (!session.empty() && model->replay_session() == session) return ok_status();
  return failed_precondition(
      fmt::format("session '{}' does not hold the clock of {}: begin the replay first", session, name));
}

awaitable<Result<v1::ReplayState>> begin(Context& c, v1::BeginReplayRequest request, Caller caller) {
  const std::string model = request.model();
  Status checked = check_length("session", request.session(), 200);
  if (!checked.ok()) co_return checked;
  core::BeginReplay command{std::move(request)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  co_return state_of(c, model);
}

// Answers of the canary that are stored: what it needs beside time. Not asked for when none bakes.
awaitable<Result<uint64_t>> canary_answers(Context& c, const std::string& name) {
  const v1::ModelState* model = core::find_model(c.core.state(), name);
  if (model == nullptr || model->rollout().state() != v1::Rollout::BAKING) co_return uint64_t{0};
  using Counts = Result<std::vector<v1::SlotCounts>>;
  events::EventStore* events = &c.events;
  const uint64_t version = model->rollout().version();
  std::function<Counts()> ask = [events, name, version] {
    return events->counts(name, version, 0, INT64_MAX);
  };
  Counts counts = co_await done_on(c.events_worker, std::move(ask));
  if (!counts.ok()) co_return counts.status();
  uint64_t rows = 0;
  for (const v1::SlotCounts& slot : *counts) rows += static_cast<uint64_t>(slot.rows());
  co_return rows;
}

awaitable<Result<v1::ReplayState>> advance(Context& c, v1::AdvanceRequest request, Caller caller) {
  const std::string model = request.model();
  Result<uint64_t> answers = co_await canary_answers(c, model);
  if (!answers.ok()) co_return answers.status();
  core::AdvanceReplay command{std::move(request), *answers};
  // Not awaited here: judging waits for the disk, once for all of it.
  Result<Accepted> accepted = c.core.submit(command, caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  Status judged = co_await c.judging.judge(model);
  if (!judged.ok()) co_return judged;
  co_return state_of(c, model);
}

awaitable<Result<v1::ReplayState>> await_settled(Context& c, v1::AwaitSettledRequest request, Caller caller) {
  Status held = check_session(c, request.model(), request.session());
  if (!held.ok()) co_return held;
  const auto wanted =
      Seconds(request.max_wait().seconds()) + std::chrono::nanoseconds(request.max_wait().nanos());
  auto until = std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(wanted, kWaitMost);
  if (caller.deadline) until = std::min(until, *caller.deadline - std::chrono::milliseconds(50));
  for (;;) {
    Result<v1::ReplayState> state = state_of(c, request.model());
    if (!state.ok()) co_return state.status();
    if (state->settled() || std::chrono::steady_clock::now() >= until) {
      co_await c.core.durable();
      co_return state;
    }
    co_await c.core.changes().wait_until(until);
  }
}

awaitable<Result<v1::ReplayState>> end(Context& c, v1::EndReplayRequest request, Caller caller) {
  const std::string model = request.model();
  core::EndReplay command{std::move(request)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  co_return state_of(c, model);
}

}  // namespace

void add_replay_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "ReplayService/BeginReplay", Access::kOperator, &begin);
  add_method(server, context, "ReplayService/Advance", Access::kOperator, &advance, Audited::kNo);
  add_method(server, context, "ReplayService/AwaitSettled", Access::kViewer, &await_settled);
  add_method(server, context, "ReplayService/EndReplay", Access::kOperator, &end);
}

}  // namespace rekindle::coordinator
