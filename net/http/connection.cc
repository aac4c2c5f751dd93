#include <fmt/format.h>

#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "base/log.h"
#include "net/http/head.h"
#include "net/http/server_impl.h"
#include "net/http/stream.h"
#include "net/spawn.h"
#include "net/tokens.h"

namespace rekindle::net {
namespace {

// Counts a request for as long as it is being answered.
class InFlight {
 public:
  explicit InFlight(ServerCounters& counters) : counters_(counters) {
    ++counters_.requests_total;
    ++counters_.requests_in_flight;
  }
  ~InFlight() { --counters_.requests_in_flight; }
  InFlight(const InFlight&) = delete;

 private:
  ServerCounters& counters_;
};

// `in_body`: the head was whole, so that what is too long is a chunk's line. A body's length may be too large
// by its head alone.
Response refusal_for(beast::error_code error, const ServerLimits& limits, bool in_body) {
  if (error == http::error::body_limit)
    return Response::error(
        413, resource_exhausted(fmt::format("the body is larger than {} bytes", limits.body_bytes_max)));
  const bool too_long = error == http::error::header_limit || error == http::error::buffer_overflow;
  if (too_long && in_body)
    return Response::error(413, resource_exhausted("a chunk's line is longer than any honest one"));
  if (too_long)
    return Response::error(
        431, resource_exhausted(fmt::format("the header is larger than {} bytes", limits.header_bytes_max)));
  return Response::error(400, invalid_argument("not a valid HTTP/1.1 request: " + error.message()));
}

// Errors that come from what the client sent, and so deserve an answer.
bool is_clients_fault(beast::error_code error) {
  return error.category() == make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

}  // namespace

Connection::Connection(std::shared_ptr<HttpServer::Impl> server, Protocol::socket socket)
    : server_(std::move(server)),
      stream_(std::move(socket), server_->tls.get()),
      buffer_(server_->options.limits.header_bytes_max + 64 * 1024) {
  beast::error_code error;
  const Protocol::endpoint remote = stream_.socket().remote_endpoint(error);
  const auto address = error ? std::nullopt : tcp_endpoint(remote);
  if (address) peer_ = address->address().to_string();
  stream_.socket().set_option(tcp::no_delay(true), error);
  server_->connections.insert(this);
  ++server_->counters.connections_total;
}

Connection::~Connection() {
  server_->connections.erase(this);
  if (!server_->busy()) server_->all_gone.cancel();
}

void Connection::close() {
  beast::error_code ignored;
  stream_.socket().close(ignored);
}

void Connection::wind_up() {
  if (end_stream_) end_stream_();
  if (idle_) close();
}

asio::awaitable<void> Connection::run() {
  const std::shared_ptr<Connection> self = shared_from_this();
  try {
    co_await serve();
  } catch (const std::exception& error) {
    log_error("connection ended by an exception", {{"what", error.what()}});
  }
  close();
}

asio::awaitable<bool> Connection::shake_hands() {
  if (!stream_.tls()) co_return true;
  stream_.expires_after(limits().header_deadline);
  const auto [error] = co_await stream_.tls()->async_handshake(asio::ssl::stream_base::server, kAsTuple);
  co_return !error;
}

asio::awaitable<void> Connection::serve() {
  bool more = co_await shake_hands();
  while (more && !server_->stopping) {
    more = co_await wait_for_first_byte();
    if (more) more = co_await answer_one();
  }
}

// Waiting for the next request has its own, longer limit, and is what a stop may cut short.
asio::awaitable<bool> Connection::wait_for_first_byte() {
  if (buffer_.size() > 0) co_return true;
  idle_ = true;
  stream_.expires_after(limits().idle_timeout);
  const asio::mutable_buffer room = buffer_.prepare(4096);
  const auto [error, bytes] = co_await stream_.async_read_some(room, kAsTuple);
  idle_ = false;
  buffer_.commit(bytes);
  co_return !error;
}

asio::awaitable<bool> Connection::answer_one() {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits().header_bytes_max));
  parser.body_limit(limits().body_bytes_max);
  stream_.expires_after(limits().header_deadline);
  const auto [error, bytes] = co_await http::async_read_header(stream_, buffer_, parser, kAsTuple);
  if (error) {
    if (!is_clients_fault(error)) co_return false;
    co_return co_await refuse(refusal_for(error, limits(), false), 11);
  }
  const InFlight counted(server_->counters);
  const unsigned version = parser.get().version();
  std::optional<Response> refused = check_framing(parser.get());
  if (refused.has_value()) co_return co_await refuse(std::move(*refused), version);
  const Route* route = nullptr;
  Request request;
  refused = admit(parser.get(), &route, &request);
  if (refused.has_value()) {
    if (!parser.is_done()) co_return co_await refuse(std::move(*refused), version);
    co_return co_await send(std::move(*refused), version, parser.get().keep_alive());
  }
  const beast::error_code body_error = co_await read_body(parser);
  if (body_error) {
    if (!is_clients_fault(body_error)) co_return false;
    co_return co_await refuse(refusal_for(body_error, limits(), true), version);
  }
  const bool keep_alive = parser.get().keep_alive();
  request.body = std::move(parser.get().body());
  if (route->stream) {
    co_await call_stream(*route, std::move(request), version);
    co_return false;
  }
  Response response = co_await call(*route, std::move(request));
  co_return co_await send(std::move(response), version, keep_alive);
}

asio::awaitable<beast::error_code> Connection::read_body(Parser& parser) {
  stream_.expires_after(limits().body_deadline);
  if (beast::iequals(parser.get()[http::field::expect], "100-continue") && !parser.is_done()) {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const asio::const_buffer line(kContinue.data(), kContinue.size());
    const auto [error, bytes] = co_await asio::async_write(stream_, line, kAsTuple);
    if (error) co_return error;
  }
  if (parser.is_done()) co_return beast::error_code();
  const auto [error, bytes] = co_await http::async_read(stream_, buffer_, parser, kAsTuple);
  co_return error;
}

std::optional<Response> Connection::admit(const http::request<http::string_body>& head, const Route** route,
                                          Request* request) {
  if (!server_->host_allowed(head[http::field::host]))
    return Response::error(
        421, invalid_argument("the Host header does not name this server; use 127.0.0.1, localhost or a name "
                              "that it was started with"));
  // No page of a browser has business here, and nobody else sends Origin.
  if (head.count(http::field::origin) > 0)
    return Response::error(403,
                           permission_denied("requests of web pages (with an Origin header) are refused"));
  Result<std::string> path = clean_path(head.target());
  if (!path.ok()) return Response::error(400, path.status());
  const std::string_view target = head.target();
  if (const size_t mark = target.find('?'); mark != std::string_view::npos)
    request->query = target.substr(mark + 1);
  if (carries_token(request->query, server_->options.tokens))
    return Response::error(400,
                           invalid_argument("a token in the query string is written into logs on its way: "
                                            "send it as Authorization: Bearer TOKEN, and revoke this one"));
  request->method = std::string(head.method_string());
  Router::Match match = server_->router.find(request->method, *path);
  request->who = identify(server_->options.tokens, head[http::field::authorization]);
  if (match.route == nullptr) {
    // As text: whichever protocol was meant, its clients go by the status.
    if (match.allowed.empty()) return Response::text(fmt::format("there is nothing at {}\n", *path), 404);
    Response response = Response::text(fmt::format("{} takes {}\n", *path, match.allowed), 405);
    response.headers.add("Allow", match.allowed);
    return response;
  }
  if (auto refused = check_caller(*match.route, request->who)) return refused;
  request->path = std::move(*path);
  for (const auto& field : head)
    request->headers.add(std::string(field.name_string()), std::string(field.value()));
  request->peer = peer_;
  request->params = std::move(match.params);
  *route = match.route;
  return std::nullopt;
}

std::optional<Response> Connection::check_caller(const Route& route, const Identity& who) {
  const auto now = std::chrono::steady_clock::now();
  if (allows(route.access, who.role)) {
    const bool bounded = route.access == Access::kSubmitter && who.role == Role::kSubmitter;
    if (!bounded || server_->rates.take(who.name, now)) return std::nullopt;
    return Response::error(resource_exhausted(
        fmt::format("'{}' changes things faster than {:.0f} times a second: go on in a second, or ask an "
                    "operator to do this",
                    who.name, kCallsPerSecond)));
  }
  if (who.role != Role::kNobody)
    return Response::error(
        permission_denied(fmt::format("this needs {} token; '{}' is a token of the role {}",
                                      access_word(route.access), who.name, role_word(who.role))));
  ++server_->counters.unauthenticated_total;
  const int failures = server_->failures.note(peer_, now);
  if (failures <= kFailuresMax)
    return Response::error(unauthenticated(
        "a valid token is needed: Authorization: Bearer TOKEN, from the state folder's token file"));
  if (failures == kFailuresMax + 1) log_warning("many requests without a valid token", {{"peer", peer_}});
  Response response = Response::error(resource_exhausted(fmt::format(
      "more than {} requests without a valid token from {} within a minute", kFailuresMax, peer_)));
  response.headers.set("Retry-After", "60");
  return response;
}

asio::awaitable<Response> Connection::call(const Route& route, Request request) {
  std::string failure;
  try {
    Response response = co_await route.handler(std::move(request));
    co_return response;
  } catch (const std::exception& error) {
    failure = error.what();
  }
  log_error("handler ended by an exception", {{"route", route.pattern}, {"what", failure}});
  co_return Response::error(internal_error("the server failed to answer; its log says why"));
}

asio::awaitable<void> Connection::call_stream(const Route& route, Request request, unsigned version) {
  const auto stream = std::make_shared<ChunkedStream>(shared_from_this(), version);
  end_stream_ = [stream] { stream->mark_closed(); };
  stream_.expires_never();
  spawn(server_->io.get_executor(), "watch_client_of", watch_client_of(stream));
  Status status;
  try {
    status = co_await route.stream(std::move(request), *stream);
  } catch (const std::exception& error) {
    log_error("stream ended by an exception", {{"route", route.pattern}, {"what", error.what()}});
    status = internal_error("the server failed; its log says why");
  }
  end_stream_ = {};
  stream->handler_ended();
  if (!stream->started() && !status.ok()) {
    co_await send(Response::error(status), version, false);
  } else if (status.ok()) {
    co_await stream->finish();
  }
  // A stream that failed half-way ends without its last chunk: the client sees that it was cut.
  close();
}

asio::awaitable<bool> Connection::send(Response response, unsigned version, bool keep_alive) {
  keep_alive = keep_alive && !server_->stopping;
  http::response<http::string_body> message(static_cast<http::status>(response.status), version,
                                            std::move(response.body));
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  message.keep_alive(keep_alive);
  message.prepare_payload();
  stream_.expires_after(limits().write_deadline);
  const auto [error, bytes] = co_await http::async_write(stream_, message, kAsTuple);
  co_return keep_alive && !error;
}

// An answer to a request whose body has not been read: what is still coming in is taken off the socket for a
// moment, since closing on unread bytes would reset the connection before the answer is seen.
asio::awaitable<bool> Connection::refuse(Response response, unsigned version) {
  co_await send(std::move(response), version, false);
  co_await linger();
  co_return false;
}

asio::awaitable<void> Connection::linger() {
  constexpr size_t kDrainBytesMax = 1 << 20;
  beast::error_code error;
  stream_.socket().shutdown(asio::socket_base::shutdown_send, error);
  stream_.expires_after(std::chrono::seconds(2));
  char sink[4096];
  for (size_t drained = 0; !error && drained < kDrainBytesMax;) {
    const asio::mutable_buffer room(sink, sizeof sink);
    const auto [failed, bytes] = co_await stream_.async_read_some(room, kAsTuple);
    error = failed;
    drained += bytes;
  }
}

}  // namespace rekindle::net
