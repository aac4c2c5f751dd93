#include "models/oip/serve.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "dataio/labels.h"
#include "models/oip/infer.h"
#include "net/http_server.h"
#include "net/spawn.h"

namespace rekindle::models {

namespace asio = boost::asio;
using net::Access;
using net::Request;
using net::Response;

namespace {

// Whoever asks has checked the rows: times of long ago or of tomorrow are its business.
const InferLimits kLimits{.rows_max = 1'000'000,
                          .text_bytes_max = 64 << 20,
                          .ahead_max = Micros(std::chrono::hours(24 * 365 * 1000))};
constexpr uint64_t kBodyBytesMax = 1ull << 30;

Result<std::string> answer(const Predictor& predictor, std::string_view text) {
  const InferBody body = TRY(InferBody::parse(text));
  const InferRequest request = TRY(body.read(predictor.card(), kLimits, SystemClock().wall()));
  const Predictions answers = TRY(predictor.predict(request.rows));
  const dataio::LabelRule rule(predictor.card().label());
  return to_json({.model = predictor.card().model(),
                  .version = 1,
                  .id = body.id(),
                  .output = predictor.card().output(),
                  .width = rule.wide() ? answers.width : 0,
                  .values = &answers.values});
}

asio::awaitable<Response> compute(const Predictor* predictor, Request request) {
  auto json = answer(*predictor, request.body);
  co_return json.ok() ? Response::json(std::move(json).value()) : Response::error(json.status());
}

class Server {
 public:
  Server(const Predictor& predictor, const ServeOptions& options)
      : predictor_(predictor), pool_(options.threads), server_(io_, server_options(options)) {
    const std::string model = "/v2/models/" + predictor.card().model();
    for (const std::string& path :
         {std::string("/v2/health/live"), std::string("/v2/health/ready"), model + "/ready"})
      server_.route("GET", path, Access::kOpen, [](Request) { return ready(); });
    server_.route("GET", model, Access::kOpen, [this](Request) { return metadata(&predictor_); });
    server_.route("POST", model + "/infer", Access::kOpen,
                  [this](Request request) { return infer(std::move(request)); });
  }

  Status run() {
    TRY(server_.start());
    net::spawn(io_.get_executor(), "stop_on_signal", stop_on_signal());
    io_.run();
    pool_.join();
    return ok_status();
  }

 private:
  static net::ServerOptions server_options(const ServeOptions& options) {
    net::ServerOptions out;
    out.unix_socket = options.socket;
    out.limits.body_bytes_max = kBodyBytesMax;
    out.limits.idle_timeout = std::chrono::hours(24);
    return out;
  }
  static asio::awaitable<Response> ready() { co_return Response::json(R"({"ready":true})"); }
  static asio::awaitable<Response> metadata(const Predictor* predictor) {
    const std::vector<uint64_t> versions{1};
    co_return Response::json(metadata_json(predictor->card(), versions));
  }
  asio::awaitable<Response> infer(Request request) {
    asio::awaitable<Response> computed = compute(&predictor_, std::move(request));
    co_return co_await asio::co_spawn(pool_.get_executor(), std::move(computed), asio::use_awaitable);
  }
  asio::awaitable<void> stop_on_signal() {
    asio::signal_set signals(io_, SIGTERM, SIGINT);
    co_await signals.async_wait(asio::use_awaitable);
    co_await server_.stop();
    io_.stop();
  }

  const Predictor& predictor_;
  asio::io_context io_{1};
  asio::thread_pool pool_;
  net::HttpServer server_;
};

}  // namespace

Status serve_predictor(const Predictor& predictor, const ServeOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  return Server(predictor, options).run();
}

}  // namespace rekindle::models
