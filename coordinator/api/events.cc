// EventService: batches and labels, durable in the event store when answered.
#include <fmt/format.h>

#include "base/log.h"
#include "coordinator/api/api.h"
#include "coordinator/api/checks/disks.h"
#include "dataio/labels.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

constexpr int kLabelsMax = 100'000;
// Tasks that wait for the event store's thread: beyond it nodes are told to come again.
constexpr size_t kEventTasksMax = 1'000;

Status check_backlog(const Context& c) {
  if (c.events_worker.waiting() <= kEventTasksMax) return ok_status();
  return resource_exhausted("event intake is behind: send again in a few seconds");
}

// Of the job of that name; of none a binary one's, which is the strictest.
v1::Label label_of(const Context& c, const std::string& model) {
  const v1::Job* job = core::find_job(c.core.state(), model);
  return job == nullptr ? v1::Label() : job->spec().data().label();
}

awaitable<Result<v1::AppendResponse>> append(Context& c, v1::EventBatch request, Caller) {
  Status room = check_backlog(c);
  if (room.ok()) room = check_disks(c);
  if (!room.ok()) co_return room;
  auto batch = std::make_shared<const v1::EventBatch>(std::move(request));
  events::EventStore* store = &c.events;
  const v1::Label label = label_of(c, batch->model());
  std::function<Result<events::Appended>()> work = [store, batch, label] {
    return store->append(*batch, label);
  };
  Result<events::Appended> done = co_await done_on(c.events_worker, std::move(work));
  if (!done.ok()) co_return done.status();
  c.metrics.batch(done->requests, done->labels, done->refused, done->duplicate);
  if (done->refused > 0)
    log_warning("event records refused", {{"node", batch->node()},
                                          {"seq", batch->seq()},
                                          {"records", done->refused},
                                          {"first", done->first_refusal}});
  v1::AppendResponse out;
  out.set_seq(done->seq);
  co_return out;
}

awaitable<Result<v1::FeedbackResponse>> feedback(Context& c, v1::FeedbackRequest request, Caller caller) {
  Status room = check_backlog(c);
  if (room.ok()) room = check_disks(c);
  if (!room.ok()) co_return room;
  if (request.labels_size() > kLabelsMax)
    co_return invalid_argument(
        fmt::format("{} labels: at most {} in one request", request.labels_size(), kLabelsMax));
  const v1::Job* job = core::find_job(c.core.state(), request.model());
  if (job == nullptr) co_return not_found(fmt::format("no model '{}'", request.model()));
  const v1::Label label = job->spec().data().label();
  const dataio::LabelRule rule(label);
  for (v1::LabelRecord& record : *request.mutable_labels()) {
    Status numbered = dataio::number_labels(record, rule);
    if (!numbered.ok()) co_return numbered;
    record.set_source(caller.who.name);
  }
  auto labels = std::make_shared<const v1::FeedbackRequest>(std::move(request));
  events::EventStore* store = &c.events;
  std::function<Result<events::LabelsTaken>()> work = [store, labels, label] {
    const auto& records = labels->labels();
    std::vector<v1::LabelRecord> list(records.begin(), records.end());
    return store->feedback(labels->model(), list, label);
  };
  Result<events::LabelsTaken> taken = co_await done_on(c.events_worker, std::move(work));
  if (!taken.ok()) co_return taken.status();
  if (taken->refused > 0 && taken->accepted == 0) co_return invalid_argument(taken->first_refusal);
  c.metrics.batch(0, taken->accepted, taken->refused, false);
  v1::FeedbackResponse out;
  out.set_accepted(taken->accepted);
  co_return out;
}

}  // namespace

void add_event_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "EventService/Append", Access::kServing, &append);
  add_method(server, context, "EventService/Feedback", Access::kServing, &feedback);
}

}  // namespace rekindle::coordinator
