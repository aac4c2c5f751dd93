// DataService: dataset snapshots, drift, quarantine.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "coordinator/api/api.h"
#include "coordinator/api/checks/disks.h"
#include "dataio/snapshot.h"
#include "drift/policy.h"
#include "registry/aliases.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

constexpr int kPartsMax = 10'000;
constexpr int kColumnsMax = 10'000;
constexpr uint32_t kJudgementsMax = 1'000;

// The blobs must be there before anything refers to them.
Status check_parts(const artifacts::Store& store, const v1::DatasetSnapshot& snapshot) {
  std::set<std::string> seen;
  for (const v1::SnapshotPart& part : snapshot.parts()) {
    if (!seen.insert(part.sha256()).second) continue;
    auto bytes = store.size(part.sha256());
    if (!bytes.ok())
      return bytes.status().within(fmt::format("snapshot {}@{}", snapshot.dataset(), snapshot.name()));
    if (*bytes != part.bytes())
      return invalid_argument(fmt::format("snapshot {}@{}: blob {} has {} bytes in {}, the snapshot says {}",
                                          snapshot.dataset(), snapshot.name(), part.sha256(), *bytes,
                                          store.describe(), part.bytes()));
  }
  return ok_status();
}

Result<v1::DatasetSnapshot> snapshot_of(Context& c, const std::string& dataset, const std::string& name) {
  auto found = c.core.state().datasets.find(dataset);
  if (found == c.core.state().datasets.end() || !found->second.contains(name))
    return internal_error(fmt::format("snapshot {}@{} was accepted but is not there", dataset, name));
  return found->second.at(name);
}

awaitable<Result<v1::DatasetSnapshot>> add_snapshot(Context& c, v1::AddSnapshotRequest request,
                                                    Caller caller) {
  v1::DatasetSnapshot snapshot = std::move(*request.mutable_snapshot());
  Status dataset = check_name("dataset", snapshot.dataset());
  if (dataset.ok()) dataset = check_disks(c);
  if (!dataset.ok()) co_return dataset;
  Status name = check_name("snapshot", snapshot.name());
  if (!name.ok()) co_return name;
  if (snapshot.parts_size() > kPartsMax || snapshot.columns_size() > kColumnsMax)
    co_return invalid_argument(
        fmt::format("a snapshot has at most {} parts and {} columns", kPartsMax, kColumnsMax));
  auto shared = std::make_shared<const v1::DatasetSnapshot>(snapshot);
  const artifacts::Store* store = &c.store;
  std::function<Status()> work = [store, shared] { return check_parts(*store, *shared); };
  Status parts = co_await done_on(c.pool, std::move(work));
  if (!parts.ok()) co_return parts;
  core::AddSnapshot command{std::move(snapshot), false};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  co_return snapshot_of(c, shared->dataset(), shared->name());
}

awaitable<Result<v1::ListDatasetsResponse>> list_datasets(Context& c, v1::ListDatasetsRequest request,
                                                          Caller) {
  co_await c.core.durable();
  std::vector<v1::DatasetSnapshot> all;
  for (const auto& [dataset, snapshots] : c.core.state().datasets)
    for (const auto& [name, snapshot] : snapshots) all.push_back(snapshot);
  v1::ListDatasetsResponse out;
  if (!request.dataset().empty()) {
    auto chosen = dataio::select_snapshots(request.dataset(), all);
    if (!chosen.ok()) co_return chosen.status();
    all = std::move(chosen).value();
  }
  for (v1::DatasetSnapshot& snapshot : all) *out.add_snapshots() = std::move(snapshot);
  co_return out;
}

// The newest of the model's judged slots that the journal tells of, oldest first.
void add_judgements(const std::vector<v1::Event>& events, const std::string& model, size_t newest,
                    v1::DriftStatusResponse& out) {
  std::vector<const v1::WindowJudged*> judged;
  for (const v1::Event& event : events)
    if (event.has_window_judged() && event.window_judged().window().model() == model)
      judged.push_back(&event.window_judged());
  for (size_t i = judged.size() - std::min(newest, judged.size()); i < judged.size(); ++i) {
    v1::Judgement& judgement = *out.add_judgements();
    *judgement.mutable_window() = judged[i]->window();
    judgement.set_reason(judged[i]->decision().last_reason());
  }
}

// What the next decision goes by.
void describe_decision(const core::State& state, const v1::ModelState& model, v1::DriftStatusResponse& out) {
  *out.mutable_decision() = model.decision();
  out.set_champion(registry::champion(model));
  if (const v1::Version* version = registry::find_version(model, out.champion()))
    out.set_champion_as_of_us(version->as_of_us());
  out.set_frozen(model.frozen());
  out.set_frozen_reason(model.frozen_reason());
  const v1::Job* job = core::find_job(state, model.name());
  if (job == nullptr) return;
  *out.mutable_retrain() = job->spec().retrain();
  if (const int64_t since = model.decision().last_trigger_us(); since != 0)
    out.set_cooldown_until_us(since + drift::cooldown_us(job->spec().retrain(), model.decision()));
}

awaitable<Result<v1::DriftStatusResponse>> drift_status(Context& c, v1::DriftStatusRequest request, Caller) {
  if (request.judgements() > kJudgementsMax)
    co_return invalid_argument(fmt::format("at most {} judgements are told at once", kJudgementsMax));
  co_await c.core.durable();
  v1::DriftStatusResponse out;
  if (request.judgements() > 0) {
    auto events = co_await c.core.events_about(request.model());
    if (!events.ok()) co_return events.status();
    add_judgements(*events, request.model(), request.judgements(), out);
  }
  const v1::ModelState* model = core::find_model(c.core.state(), request.model());
  if (model == nullptr)
    co_return not_found(
        fmt::format("no model '{}'; `rekindle list jobs` shows those that there are", request.model()));
  describe_decision(c.core.state(), *model, out);
  out.set_model_clock_us(core::model_clock_us(c.core.state(), request.model(), c.core.now()));
  out.set_watermark_us(c.judging.watermark_us(request.model()));
  events::EventStore* store = &c.events;
  const std::string name = request.model();
  std::function<events::Totals()> work = [store, name] { return store->totals(name); };
  events::Totals totals = co_await done_on(c.events_worker, std::move(work));
  out.set_requests(totals.requests);
  out.set_labelled_rows(totals.labelled_rows);
  out.set_waiting_labels(totals.waiting_labels);
  out.set_late_labels(totals.late_labels);
  co_return out;
}

awaitable<Result<v1::ListQuarantineResponse>> list_quarantine(Context& c, v1::ListQuarantineRequest request,
                                                              Caller) {
  co_await c.core.durable();
  v1::ListQuarantineResponse out;
  for (const auto& [id, quarantine] : c.core.state().quarantines)
    if (request.model().empty() || quarantine.model() == request.model()) *out.add_items() = quarantine;
  co_return out;
}

awaitable<Result<v1::Quarantine>> resolve_quarantine(Context& c, v1::ResolveQuarantineRequest request,
                                                     Caller caller) {
  const uint64_t id = request.id();
  Status checked = check_length("reason", request.reason(), 2'000);
  if (!checked.ok()) co_return checked;
  core::ResolveQuarantine command{std::move(request)};
  auto accepted = co_await c.core.commit(std::move(command), caller.who.name);
  if (!accepted.ok()) co_return accepted.status();
  co_return c.core.state().quarantines.at(id);
}

}  // namespace

void add_data_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "DataService/AddSnapshot", Access::kSubmitter, &add_snapshot);
  add_method(server, context, "DataService/ListDatasets", Access::kViewer, &list_datasets);
  add_method(server, context, "DataService/DriftStatus", Access::kViewer, &drift_status);
  add_method(server, context, "DataService/ListQuarantine", Access::kViewer, &list_quarantine);
  add_method(server, context, "DataService/ResolveQuarantine", Access::kOperator, &resolve_quarantine);
}

}  // namespace rekindle::coordinator
