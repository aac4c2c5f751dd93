// RunService but for its streams.
#include <fmt/format.h>

#include <algorithm>

#include "base/faults/crash_point.h"
#include "coordinator/api/api.h"
#include "coordinator/api/checks/disks.h"
#include "coordinator/api/checks/owner.h"
#include "core/queue.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

constexpr uint32_t kListDefault = 100;
constexpr uint32_t kListMost = 1'000;
constexpr size_t kTopDefault = 20;
constexpr size_t kKeyBytesMax = 200;
constexpr size_t kReasonBytesMax = 2'000;
constexpr int kScoreTargetsMax = 1'000;

Status no_run(const std::string& id) {
  return not_found(fmt::format("no run '{}': `rekindle list` shows them", id));
}

Result<v1::Run> run_of(Context& c, const std::string& id) {
  const v1::Run* run = core::find_run(c.core.state(), id);
  if (run == nullptr) return no_run(id);
  v1::Run out = core::whole(c.core.state(), *run);
  explain_waiting(c, {&out});
  return out;
}

Status check_start(const Context& c, const v1::StartRunRequest& request) {
  if (const v1::Job* job = core::find_job(c.core.state(), request.job())) TRY(pool_for(c, job->spec()));
  TRY_STATUS(check_length("idempotency_key", request.idempotency_key(), kKeyBytesMax));
  TRY_STATUS(check_length("dataset", request.dataset(), kKeyBytesMax));
  if (request.score_size() > kScoreTargetsMax)
    return invalid_argument(
        fmt::format("{} score targets: at most {} in one run", request.score_size(), kScoreTargetsMax));
  if (!request.fault().empty() && !c.options.allow_faults)
    return permission_denied("fault is for tests: the daemon was not started with --allow-faults");
  return ok_status();
}

awaitable<Result<v1::Run>> start_run(Context& c, v1::StartRunRequest request, Caller caller) {
  Status checked = check_start(c, request);
  if (checked.ok()) checked = check_disks(c);
  if (!checked.ok()) co_return checked;
  checked = check_owner(c.core.state(), caller, request.job());
  if (!checked.ok()) co_return checked;
  core::StartRun command{std::move(request)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  crash_point("submission-durable");
  // Why it waits is told to who asks: at the end of a long queue that takes longer than the submission.
  co_return core::whole(c.core.state(), *core::find_run(c.core.state(), accepted->decision.id));
}

awaitable<Result<v1::StartRunsResponse>> start_runs(Context& c, v1::StartRunsRequest request, Caller caller) {
  Status checked = check_start(c, request.run());
  if (!checked.ok()) co_return checked;
  checked = check_owner(c.core.state(), caller, request.run().job());
  if (!checked.ok()) co_return checked;
  core::StartRuns command{std::move(request)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  v1::StartRunsResponse out;
  for (std::string& id : accepted->decision.ids) out.add_runs(std::move(id));
  co_return out;
}

awaitable<Result<v1::Run>> get_run(Context& c, v1::GetRunRequest request, Caller) {
  co_await c.core.durable();
  if (core::find_run(c.core.state(), request.id()) == nullptr)
    co_return co_await c.core.past_run(request.id());
  co_return run_of(c, request.id());
}

// Numbers of one job ascend, times of different jobs compare.
bool newer(const v1::Run* a, const v1::Run* b) {
  if (a->queued_us() != b->queued_us()) return a->queued_us() > b->queued_us();
  if (a->id().size() != b->id().size()) return a->id().size() > b->id().size();
  return a->id() > b->id();
}

awaitable<Result<v1::ListRunsResponse>> list_runs(Context& c, v1::ListRunsRequest request, Caller) {
  if (request.limit() > kListMost) co_return invalid_argument(fmt::format("limit is at most {}", kListMost));
  co_await c.core.durable();
  std::vector<const v1::Run*> runs;
  for (const auto& [id, run] : c.core.state().runs)
    if (request.job().empty() || run.job() == request.job()) runs.push_back(&run);
  std::sort(runs.begin(), runs.end(), newer);
  const size_t limit = request.limit() == 0 ? kListDefault : request.limit();
  if (runs.size() > limit) runs.resize(limit);
  v1::ListRunsResponse out;
  std::vector<v1::Run*> listed;
  for (const v1::Run* run : runs) {
    listed.push_back(out.add_runs());
    *listed.back() = core::whole(c.core.state(), *run);
  }
  explain_waiting(c, std::move(listed));
  co_return out;
}

awaitable<Result<v1::WhyNotResponse>> why_not(Context& c, v1::WhyNotRequest request, Caller) {
  co_await c.core.durable();
  const v1::Run* run = core::find_run(c.core.state(), request.id());
  if (run == nullptr) co_return no_run(request.id());
  co_return core::why_not(c.core.state(), c.core.cluster(), *run, c.core.now());
}

awaitable<Result<v1::TopResponse>> top(Context& c, v1::TopRequest request, Caller) {
  if (request.limit() > kListMost) co_return invalid_argument(fmt::format("limit is at most {}", kListMost));
  co_await c.core.durable();
  const size_t waiting = request.limit() == 0 ? kTopDefault : request.limit();
  co_return core::top(c.core.state(), c.core.cluster(), c.core.now(), waiting);
}

awaitable<Result<v1::Run>> cancel_run(Context& c, v1::CancelRunRequest request, Caller caller) {
  Status checked = check_length("reason", request.reason(), kReasonBytesMax);
  if (!checked.ok()) co_return checked;
  const std::string id = request.id();
  if (const v1::Run* run = core::find_run(c.core.state(), id))
    checked = check_owner(c.core.state(), caller, run->job());
  if (!checked.ok()) co_return checked;
  core::CancelRun command{std::move(request)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  co_return run_of(c, id);
}

awaitable<Result<v1::Run>> approve_run(Context& c, v1::ApproveRunRequest request, Caller caller) {
  Status checked = check_length("reason", request.reason(), kReasonBytesMax);
  if (!checked.ok()) co_return checked;
  const std::string id = request.id();
  core::ApproveRun command{std::move(request)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  co_return run_of(c, id);
}

}  // namespace

void explain_waiting(const Context& context, std::vector<v1::Run*> runs) {
  for (v1::Run* run : runs) {
    const v1::Attempt* attempt = core::live_attempt(*run);
    const LiveProgress* live = attempt ? context.effects.progress(run->id()) : nullptr;
    if (live && attempt->state() == v1::Attempt::PLACED && !live->queue.empty()) run->set_reason(live->queue);
  }
  std::erase_if(runs, [](const v1::Run* run) { return run->state() != v1::QUEUED; });
  if (runs.empty()) return;
  std::set<RunId> ids;
  for (const v1::Run* run : runs) ids.insert(RunId(run->id()));
  const auto places = core::places_of(context.core.state(), context.core.cluster(), ids, context.core.now());
  for (v1::Run* run : runs)
    if (auto it = places.find(RunId(run->id())); it != places.end()) run->set_reason(it->second.reason());
}

void add_run_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "RunService/StartRun", Access::kSubmitter, &start_run);
  add_method(server, context, "ArrayService/StartRuns", Access::kSubmitter, &start_runs);
  add_method(server, context, "RunService/GetRun", Access::kViewer, &get_run);
  add_method(server, context, "RunService/ListRuns", Access::kViewer, &list_runs);
  add_method(server, context, "RunService/CancelRun", Access::kSubmitter, &cancel_run);
  add_method(server, context, "RunService/ApproveRun", Access::kOperator, &approve_run);
  add_method(server, context, "RunService/WhyNot", Access::kViewer, &why_not);
  add_method(server, context, "RunService/Top", Access::kViewer, &top);
}

}  // namespace rekindle::coordinator
