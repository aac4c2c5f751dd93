// JobService: apply, read, and the plan of a run without side effects.
#include <fmt/format.h>

#include <algorithm>

#include "base/text/printable.h"
#include "coordinator/api/api.h"
#include "coordinator/api/checks/disks.h"
#include "coordinator/api/checks/owner.h"
#include "core/windows.h"
#include "dataio/snapshot.h"
#include "jobs/spec.h"
#include "jobs/task.h"
#include "registry/aliases.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

// The code that ranks and predictors will unpack must be there before anything refers to it.
Status check_code(const artifacts::Store& store, const v1::JobSpec& spec) {
  if (spec.train().code().empty()) return ok_status();
  if (spec.code().sha256().empty())
    return invalid_argument("train.code is packed by `rekindle apply`; this spec names no packed code");
  const auto bytes = store.size(spec.code().sha256());
  return bytes.status().within(fmt::format("the job's code, expected in {}", store.describe()));
}

awaitable<Result<v1::ApplyResponse>> apply(Context& c, v1::ApplyRequest request, Caller caller) {
  auto resolved = jobs::resolve(request.spec());
  if (!resolved.ok()) co_return resolved.status();
  Status checked = jobs::check(resolved->spec);
  if (checked.ok()) checked = check_disks(c);
  if (!checked.ok()) co_return checked;
  auto pool = pool_for(c, resolved->spec);
  if (!pool.ok()) co_return pool.status();
  const artifacts::Store* store = &c.store;
  auto shared = std::make_shared<const v1::JobSpec>(resolved->spec);
  std::function<Status()> find_code = [store, shared] { return check_code(*store, *shared); };
  Status code = co_await done_on(c.pool, std::move(find_code));
  if (!code.ok()) co_return code;
  // Last, where nothing is waited for any more.
  Status allowed = check_owner(c.core.state(), caller, resolved->spec.name());
  if (!allowed.ok()) co_return allowed;
  core::Apply command{resolved->spec, jobs::spec_sha256(resolved->spec)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  const v1::Job* job = core::find_job(c.core.state(), resolved->spec.name());
  v1::ApplyResponse out;
  *out.mutable_job() = *job;
  out.set_changed(!accepted->decision.events.empty());
  co_return out;
}

awaitable<Result<v1::Job>> get_job(Context& c, v1::GetJobRequest request, Caller) {
  co_await c.core.durable();
  const v1::Job* job = core::find_job(c.core.state(), request.name());
  if (job == nullptr)
    co_return not_found(fmt::format("no job named '{}': `rekindle get jobs` lists them", request.name()));
  co_return *job;
}

awaitable<Result<v1::ListJobsResponse>> list_jobs(Context& c, v1::ListJobsRequest, Caller) {
  co_await c.core.durable();
  v1::ListJobsResponse out;
  for (const auto& [name, job] : c.core.state().jobs) *out.add_jobs() = job;
  co_return out;
}

// Rows whose time lies in the window, counted from the time column alone.
Result<uint64_t> count_rows(const artifacts::Store& store, const core::Selection& selection) {
  std::vector<std::string> none;
  dataio::Table table = TRY(dataio::read_rows(store, selection.data, none, selection.windows.train_from_us(),
                                              selection.windows.valid_from_us()));
  return static_cast<uint64_t>(table.rows());
}

awaitable<Result<v1::PlanRunResponse>> plan_run(Context& c, v1::PlanRunRequest request, Caller) {
  auto resolved = jobs::resolve(request.spec());
  if (!resolved.ok()) co_return resolved.status();
  Status checked = jobs::check(resolved->spec);
  if (!checked.ok()) co_return checked;
  co_await c.core.durable();
  const v1::JobSpec& spec = resolved->spec;
  v1::PlanRunResponse out;
  const int64_t as_of = request.as_of_us() != 0
                            ? request.as_of_us()
                            : core::model_clock_us(c.core.state(), spec.name(), c.core.now());
  int64_t changed = 0;
  if (const v1::ModelState* model = core::find_model(c.core.state(), spec.name())) {
    out.set_champion(registry::champion(*model));
    changed = model->decision().changed_us();
  }
  describe_placement(c, spec, out);
  if (jobs::is_task(spec)) co_return out;
  auto selection = core::training_rows(c.core.state(), spec, as_of, changed);
  if (!selection.ok()) {
    out.add_problems(selection.status().message());
    co_return out;
  }
  for (const v1::DatasetSnapshot& snapshot : selection->data) *out.add_data() = snapshot;
  *out.mutable_windows() = selection->windows;
  const artifacts::Store* store = &c.store;
  auto shared = std::make_shared<core::Selection>(std::move(selection).value());
  std::function<Result<uint64_t>()> count = [store, shared] { return count_rows(*store, *shared); };
  Result<uint64_t> rows = co_await done_on(c.pool, std::move(count));
  if (rows.ok())
    out.set_train_rows(*rows);
  else
    out.add_problems(rows.status().message());
  co_return out;
}

}  // namespace

Status check_length(std::string_view what, std::string_view text, size_t bytes_max) {
  if (text.size() > bytes_max)
    return invalid_argument(
        fmt::format("{} has {} bytes, at most {} are taken", what, text.size(), bytes_max));
  if (!is_printable(text))
    return invalid_argument(fmt::format("{} holds a line break or another control character", what));
  return ok_status();
}

void add_job_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "JobService/Apply", Access::kSubmitter, &apply);
  add_method(server, context, "JobService/GetJob", Access::kViewer, &get_job);
  add_method(server, context, "JobService/ListJobs", Access::kViewer, &list_jobs);
  add_method(server, context, "JobService/PlanRun", Access::kViewer, &plan_run);
}

}  // namespace rekindle::coordinator
