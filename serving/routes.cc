#include "serving/routes.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <charconv>
#include <cmath>

#include "base/ids.h"
#include "serving/waiter.h"

namespace rekindle::serving {

namespace asio = boost::asio;
using net::Access;
using net::Request;
using net::Response;

namespace {

constexpr int kLabelsMax = 100'000;  // of one call
constexpr std::string_view kServerMetadata = R"({"name":"rekindle","version":"0.1.0","extensions":[]})";

asio::awaitable<Response> ready_made(Response response) {
  co_return response;
}

// Outside the coroutines: GCC 12 destroys captures inside them twice.
Recorder::Done deliver_to(std::shared_ptr<Waiter<Status>> waiter) {
  return [waiter = std::move(waiter)](Status status) { waiter->finish(std::move(status)); };
}

uint64_t rows_in(const v1::FeedbackRequest& request) {
  uint64_t rows = 0;
  for (const v1::LabelRecord& label : request.labels())
    rows += static_cast<uint64_t>(label.labels_size() + label.names_size());
  return rows;
}

}  // namespace

Routes::Routes(RouteOptions options, const Clock& clock, Follower& follower, Recorder& recorder,
               NodeMetrics& metrics, asio::thread_pool& pool, asio::thread_pool& waiting)
    : options_(options),
      clock_(clock),
      follower_(follower),
      recorder_(recorder),
      metrics_(metrics),
      pool_(pool),
      waiting_(waiting) {}

void Routes::add_to(net::HttpServer& server) {
  server.route("GET", "/v2", Access::kServing,
               [](Request) { return ready_made(Response::json(std::string(kServerMetadata))); });
  server.route("GET", "/health", Access::kOpen,
               [](Request) { return ready_made(Response::json(R"({"live":true})")); });
  server.route("GET", "/v2/health/live", Access::kOpen,
               [](Request) { return ready_made(Response::json(R"({"live":true})")); });
  server.route("GET", "/v2/health/ready", Access::kOpen, [this](Request) { return ready_made(ready()); });
  add_model_routes(server);
  net::add_unary<v1::FeedbackRequest, v1::FeedbackResponse>(
      server, "rekindle.v1.NodeService/Feedback", Access::kServing,
      [this](v1::FeedbackRequest request, net::Caller caller) {
        return feedback(std::move(request), std::move(caller));
      });
  net::add_unary<v1::FlushRequest, v1::FlushResponse>(server, "rekindle.v1.NodeService/Flush",
                                                      Access::kOperator,
                                                      [this](v1::FlushRequest request, net::Caller caller) {
                                                        return flush(std::move(request), std::move(caller));
                                                      });
}

void Routes::add_model_routes(net::HttpServer& server) {
  for (const std::string& model :
       {std::string("/v2/models/{model}"), std::string("/v2/models/{model}/versions/{version}")}) {
    server.route("GET", model, Access::kServing,
                 [this](Request request) { return ready_made(metadata(request)); });
    server.route("GET", model + "/ready", Access::kServing,
                 [this](Request request) { return ready_made(model_ready(request)); });
    server.route("POST", model + "/infer", Access::kServing,
                 [this](Request request) { return infer(std::move(request)); });
  }
}

Result<ModelSlot*> Routes::slot(const Request& request) const {
  ModelSlot* slot = follower_.find(request.param("model"));
  if (slot == nullptr)
    return not_found(fmt::format("this node serves no model '{}'", request.param("model")));
  return slot;
}

Result<Routes::Chosen> Routes::choose(const Request& request, std::string_view id) const {
  const ModelSlot* model = TRY(slot(request));
  Chosen chosen{model->snapshot(), nullptr};
  const bool ready = chosen.snapshot && chosen.snapshot->ready();
  const std::string_view named = request.param("version");
  if (named.empty()) {
    if (!ready)
      return unavailable(fmt::format("no version of '{}' is ready on this node yet", model->name()));
    chosen.version = chosen.snapshot->choose(id);
    return chosen;
  }
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(named.data(), named.data() + named.size(), number);
  if (error == std::errc() && end == named.data() + named.size() && chosen.snapshot)
    chosen.version = chosen.snapshot->find(number);
  if (!chosen.version && !ready)
    return unavailable(fmt::format("no version of '{}' is ready on this node yet", model->name()));
  if (!chosen.version)
    return not_found(fmt::format("version '{}' of '{}' is not loaded on this node", named, model->name()));
  return chosen;
}

asio::awaitable<Response> Routes::infer(Request request) {
  const ModelSlot* model = follower_.find(request.param("model"));
  const auto snapshot = model == nullptr ? nullptr : model->snapshot();
  const bool waits = snapshot && snapshot->waits;
  if (!waits && request.body.size() <= options_.inline_bytes) co_return answer(request);
  const auto executor = co_await asio::this_coro::executor;
  const auto waiter = std::make_shared<Waiter<Response>>(executor);
  const auto shared = std::make_shared<const Request>(std::move(request));
  answer_on(waits ? waiting_ : pool_, shared, waiter);
  std::optional<Response> response;
  while (!response) response = co_await Waiter<Response>::wait(waiter, std::chrono::milliseconds(60'000));
  co_return std::move(*response);
}

void Routes::answer_on(asio::thread_pool& pool, std::shared_ptr<const Request> request,
                       std::shared_ptr<Waiter<Response>> waiter) {
  asio::post(pool, [this, request = std::move(request), waiter = std::move(waiter)] {
    waiter->finish(answer(*request));
  });
}

Response Routes::answer(const Request& request) {
  const auto start = std::chrono::steady_clock::now();
  uint64_t version = 0;
  size_t rows = 0;
  auto body = answer_body(request, version, rows);
  Response response = body.ok() ? Response::json(std::move(body).value()) : Response::error(body.status());
  // Names that are no model of this node would grow the metrics without end.
  const bool known = follower_.find(request.param("model")) != nullptr;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  metrics_.infer(known ? std::string(request.param("model")) : "", version, response.status, rows, seconds);
  return response;
}

Result<std::string> Routes::answer_body(const Request& request, uint64_t& version, size_t& rows) {
  const auto start = std::chrono::steady_clock::now();
  ModelSlot* model = TRY(slot(request));
  if (request.headers.has("Inference-Header-Content-Length"))
    return invalid_argument(
        "binary tensors are not taken; send JSON tensors (tritonclient: binary_data=False)");
  const models::InferBody body = TRY(models::InferBody::parse(request.body));
  if (!body.record() && !request.who.is_operator())
    return permission_denied("only an operator's token may ask for requests that are not recorded");
  const std::string id = body.id().empty() ? new_uuid() : body.id();
  const Chosen chosen = TRY(choose(request, id));
  models::InferRequest infer = TRY(body.read(chosen.version->card(), options_.limits, clock_.wall()));
  version = chosen.version->number;
  rows = infer.rows.rows();
  models::Predictions answers = TRY(predict_checked(*chosen.version, infer.rows, body.record()));
  std::string json = models::to_json({.model = model->name(),
                                      .version = version,
                                      .id = id,
                                      .output = chosen.version->card().output(),
                                      .width = chosen.version->rule.wide() ? answers.width : 0,
                                      .values = &answers.values});
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (body.record()) {
    chosen.version->health.latencies.add(took.count());
    model->note_request(infer.event_us);
    recorder_.record({chosen.snapshot, chosen.version, id, std::move(infer.rows), std::move(answers.values),
                      infer.event_us});
  }
  return json;
}

Response Routes::ready() const {
  const auto slots = follower_.slots();
  bool all = !slots.empty();
  for (const ModelSlot* slot : slots) {
    const auto snapshot = slot->snapshot();
    all = all && snapshot && snapshot->ready();
  }
  return Response::json(all ? R"({"ready":true})" : R"({"ready":false})", all ? 200 : 503);
}

Response Routes::model_ready(const Request& request) const {
  const auto chosen = choose(request, "");
  if (!chosen.ok()) return Response::error(chosen.status());
  return Response::json(R"({"ready":true})");
}

Response Routes::metadata(const Request& request) const {
  const auto chosen = choose(request, "");
  if (!chosen.ok()) return Response::error(chosen.status());
  std::vector<uint64_t> versions;
  for (const auto& [number, version] : chosen->snapshot->versions) versions.push_back(number);
  return Response::json(models::metadata_json(chosen->version->card(), versions));
}

// Of the newest loaded version: a later one may know more classes.
std::optional<dataio::LabelRule> Routes::label_rule(const std::string& model) const {
  const ModelSlot* slot = follower_.find(model);
  const auto snapshot = slot == nullptr ? nullptr : slot->snapshot();
  if (!snapshot || snapshot->versions.empty()) return std::nullopt;
  return snapshot->versions.rbegin()->second->rule;
}

Status Routes::check_feedback(v1::FeedbackRequest& request) const {
  if (follower_.find(request.model()) == nullptr)
    return not_found(fmt::format("this node serves no model '{}'", request.model()));
  if (request.labels_size() == 0 || request.labels_size() > kLabelsMax)
    return invalid_argument(
        fmt::format("send 1 to {} labels in one call, not {}", kLabelsMax, request.labels_size()));
  if (rows_in(request) > static_cast<uint64_t>(kLabelsMax) * 10)
    return invalid_argument("the labels of this call are too many: send them in several");
  const std::optional<dataio::LabelRule> rule = label_rule(request.model());
  const Time now = clock_.wall();
  const int64_t latest = to_micros(now + options_.limits.ahead_max);
  for (v1::LabelRecord& label : *request.mutable_labels()) {
    const auto of = [&](std::string_view what) {
      return invalid_argument(fmt::format("labels of request '{}': {}", label.request_id(), what));
    };
    TRY_STATUS(models::check_request_id(label.request_id()));
    if (label.labels().empty() && label.names().empty())
      return of("there are none; send one for each row, NaN where it is not known");
    if (rule) TRY_STATUS(dataio::number_labels(label, *rule));
    // What the numbers mean is then for the coordinator to see.
    if (!rule && !label.names().empty())
      return unavailable("no version is loaded yet that says what the names mean; send them again");
    if (label.event_time_us() < 0 || label.known_at_us() < 0) return of("a time before 1970");
    if (label.known_at_us() == 0) label.set_known_at_us(to_micros(now));
    if (label.event_time_us() > latest || label.known_at_us() > latest)
      return of("a time is more than a day ahead of this node's clock");
  }
  return ok_status();
}

asio::awaitable<Result<v1::FeedbackResponse>> Routes::feedback(v1::FeedbackRequest request,
                                                               net::Caller caller) {
  const Status sound = check_feedback(request);
  if (!sound.ok()) co_return sound;
  const auto executor = co_await asio::this_coro::executor;
  const auto waiter = std::make_shared<Waiter<Status>>(executor);
  const auto count = static_cast<uint32_t>(request.labels_size());
  std::vector<v1::LabelRecord> labels(std::make_move_iterator(request.mutable_labels()->begin()),
                                      std::make_move_iterator(request.mutable_labels()->end()));
  for (v1::LabelRecord& label : labels) label.set_source(caller.who.name);
  recorder_.feedback(request.model(), std::move(labels), deliver_to(waiter));
  const std::optional<Status> written = co_await Waiter<Status>::wait(waiter, options_.commit_max);
  if (!written) co_return unavailable("the disk did not take the labels in time; send them again");
  // 503: the client keeps the labels and comes again.
  if (!written->ok()) co_return unavailable(written->message());
  v1::FeedbackResponse response;
  response.set_accepted(count);
  co_return response;
}

asio::awaitable<Result<v1::FlushResponse>> Routes::flush(v1::FlushRequest request, net::Caller) {
  if (!request.model().empty() && follower_.find(request.model()) == nullptr)
    co_return not_found(fmt::format("this node serves no model '{}'", request.model()));
  const auto executor = co_await asio::this_coro::executor;
  const auto waiter = std::make_shared<Waiter<Status>>(executor);
  recorder_.flush(deliver_to(waiter));
  const std::optional<Status> sent = co_await Waiter<Status>::wait(waiter, options_.flush_max);
  if (!sent)
    co_return unavailable("the coordinator has not acknowledged the events in time; they are in the spool");
  if (!sent->ok()) co_return *sent;
  if (report_ && follower_.splits_traffic()) {
    // Whoever flushes may judge what was answered so far: the canary's health must not be a second old.
    const auto reported = std::make_shared<Waiter<Status>>(executor);
    report_(deliver_to(reported));
    const std::optional<Status> taken = co_await Waiter<Status>::wait(reported, options_.flush_max);
    if (!taken) co_return unavailable("the coordinator has not taken this node's report in time");
    if (!taken->ok()) co_return *taken;
  }
  const Flushed flushed = recorder_.flushed();
  v1::FlushResponse response;
  response.set_seq(flushed.seq);
  response.set_requests(flushed.requests);
  response.set_labels(flushed.labels);
  co_return response;
}

}  // namespace rekindle::serving
