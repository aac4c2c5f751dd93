// The inside of HttpServer: its state, shared with the connections. Included only by net/*.cc, since it
// names Beast types.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <set>

#include "net/http/failures.h"
#include "net/http/rates.h"
#include "net/http/router.h"
#include "net/http_server.h"
#include "net/tls/wire.h"

namespace rekindle::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using Protocol = asio::generic::stream_protocol;  // TCP or a Unix socket
using Acceptor = asio::basic_socket_acceptor<Protocol>;

// Errors of socket operations as values.
inline constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);

class Connection;

// The address and port of a TCP endpoint; nothing for a Unix socket.
std::optional<tcp::endpoint> tcp_endpoint(const Protocol::endpoint& endpoint);

struct HttpServer::Impl {
  Impl(asio::io_context& context, ServerOptions given)
      : io(context), options(std::move(given)), acceptor(context), all_gone(context) {
    all_gone.expires_at(asio::steady_timer::time_point::max());
  }

  asio::io_context& io;
  ServerOptions options;
  Router router;
  Acceptor acceptor;
  std::unique_ptr<asio::ssl::context> tls;  // outlives the connections
  uint16_t port = 0;
  bool stopping = false;
  std::set<Connection*> connections;
  size_t held = 0;              // see HttpServer::hold()
  asio::steady_timer all_gone;  // never expires; cancelled when the last connection and hold are gone
  ServerCounters counters;
  Failures failures;
  Rates rates;

  bool busy() const { return !connections.empty() || held > 0; }
  bool host_allowed(std::string_view host) const;
};

// One client: requests in turn until either side has enough.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<HttpServer::Impl> server, Protocol::socket socket);
  ~Connection();

  asio::awaitable<void> run();
  // The server stops: an idle connection closes now, a stream is told, a request may finish.
  void wind_up();
  void close();

  // For the stream of this connection.
  Wire& stream() { return stream_; }
  const ServerLimits& limits() const { return server_->options.limits; }

 private:
  using Parser = http::request_parser<http::string_body>;

  asio::awaitable<bool> shake_hands();  // false: no TLS came of it
  asio::awaitable<void> serve();
  asio::awaitable<bool> wait_for_first_byte();
  asio::awaitable<bool> answer_one();  // false: the connection is to be closed
  asio::awaitable<bool> refuse(Response response, unsigned version);
  asio::awaitable<beast::error_code> read_body(Parser& parser);
  // Everything that is settled before a body is read; a refusal, or nothing and `route` and `request` set.
  std::optional<Response> admit(const http::request<http::string_body>& head, const Route** route,
                                Request* request);
  // Refusal of who may not call it, or not so often.
  std::optional<Response> check_caller(const Route& route, const Identity& who);
  asio::awaitable<Response> call(const Route& route, Request request);
  asio::awaitable<void> call_stream(const Route& route, Request request, unsigned version);
  asio::awaitable<bool> send(Response response, unsigned version, bool keep_alive);
  asio::awaitable<void> linger();

  std::shared_ptr<HttpServer::Impl> server_;
  Wire stream_;
  beast::flat_buffer buffer_;
  std::string peer_;
  bool idle_ = true;
  std::function<void()> end_stream_;  // set while a stream is open
};

}  // namespace rekindle::net
