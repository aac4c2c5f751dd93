#include "net/http_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cctype>
#include <cstring>
#include <tuple>

#include "base/log.h"
#include "net/http/server_impl.h"
#include "net/spawn.h"

namespace rekindle::net {
namespace {

using ImplPtr = std::shared_ptr<HttpServer::Impl>;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// "127.0.0.1:7700" -> "127.0.0.1", "[::1]:7700" -> "[::1]". Any port: a tunnel may use another.
std::string_view without_port(std::string_view host) {
  const size_t colon = host.rfind(':');
  const size_t bracket = host.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) return host;
  const std::string_view port = host.substr(colon + 1);
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits ? host.substr(0, colon) : host;
}

Status bind_failure(const tcp::endpoint& endpoint, const beast::error_code& error) {
  const std::string where = fmt::format("{}:{}", endpoint.address().to_string(), endpoint.port());
  if (error == asio::error::address_in_use)
    return unavailable(fmt::format("{} is taken by another program; stop it or choose another port", where));
  if (error == asio::error::access_denied)
    return permission_denied(fmt::format("not allowed to listen on {}; choose a port above 1023", where));
  return unavailable(fmt::format("cannot listen on {}: {}", where, error.message()));
}

// Asio's own sockets are inherited by children, which would hold the port of a killed parent.
beast::error_code open_listener(Acceptor& acceptor, const Protocol::endpoint& endpoint) {
  beast::error_code error;
  const int fd = ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return beast::error_code(errno, boost::system::system_category());
  acceptor.assign(endpoint.protocol(), fd, error);
  // The mode of a Unix socket that is yet to be bound is the mode of its file.
  if (!error && endpoint.protocol().family() == AF_UNIX) ::fchmod(fd, 0600);
  if (!error) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(Acceptor::max_listen_connections, error);
  return error;
}

Status listen_on_path(Acceptor& acceptor, const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    return invalid_argument(fmt::format("the path {} is too long for a Unix socket", path));
  const beast::error_code error = open_listener(acceptor, asio::local::stream_protocol::endpoint(path));
  if (!error) return ok_status();
  beast::error_code ignored;
  acceptor.close(ignored);
  return unavailable(fmt::format("cannot listen on {}: {}", path, error.message()));
}

asio::awaitable<void> run_connection(std::shared_ptr<Connection> connection) {
  co_await connection->run();
}

asio::awaitable<void> turn_away(Protocol::socket socket) {
  static constexpr std::string_view kFull =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  const asio::const_buffer answer(kFull.data(), kFull.size());
  const auto [error, bytes] = co_await asio::async_write(socket, answer, kAsTuple);
  (void)error;
  (void)bytes;
}

asio::awaitable<void> accept_all(ImplPtr impl) {
  asio::steady_timer pause(impl->io);
  while (!impl->stopping) {
    auto [error, socket] = co_await impl->acceptor.async_accept(kAsTuple);
    if (impl->stopping || error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors, or the client has gone again. Trying on at once would spin.
      log_warning("cannot accept a connection", {{"reason", error.message()}});
      pause.expires_after(std::chrono::milliseconds(100));
      const auto [waited] = co_await pause.async_wait(kAsTuple);
      (void)waited;
      continue;
    }
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    if (impl->connections.size() >= impl->options.limits.connections_max) {
      ++impl->counters.connections_refused;
      spawn(impl->io.get_executor(), "turn_away", turn_away(std::move(socket)));
      continue;
    }
    auto connection = std::make_shared<Connection>(impl, std::move(socket));
    spawn(impl->io.get_executor(), "connection", run_connection(std::move(connection)));
  }
}

asio::awaitable<void> wait_until_gone(ImplPtr impl, std::chrono::steady_clock::time_point limit) {
  asio::steady_timer& timer = impl->all_gone;
  if (!impl->busy()) co_return;
  timer.expires_at(limit);
  const auto [error] = co_await timer.async_wait(kAsTuple);
  (void)error;
}

}  // namespace

std::optional<tcp::endpoint> tcp_endpoint(const Protocol::endpoint& endpoint) {
  if (endpoint.protocol().family() != AF_INET && endpoint.protocol().family() != AF_INET6)
    return std::nullopt;
  tcp::endpoint out;
  std::memcpy(out.data(), endpoint.data(), endpoint.size());
  out.resize(endpoint.size());
  return out;
}

bool HttpServer::Impl::host_allowed(std::string_view host) const {
  const std::string name = lower(without_port(host));
  if (name == "localhost" || name == "127.0.0.1" || name == "[::1]" || name == options.address) return true;
  return std::find(options.host_names.begin(), options.host_names.end(), name) != options.host_names.end();
}

HttpServer::HttpServer(asio::io_context& io, ServerOptions options)
    : impl_(std::make_shared<Impl>(io, std::move(options))) {}

HttpServer::~HttpServer() {
  // Without stop(): the coroutines end when the io_context is destroyed, or run on to an error here.
  impl_->stopping = true;
  beast::error_code ignored;
  impl_->acceptor.close(ignored);
}

void HttpServer::route(std::string method, std::string pattern, Access access, Handler handler) {
  impl_->router.add(Route{std::move(method), std::move(pattern), access, std::move(handler), {}});
}

void HttpServer::stream_route(std::string method, std::string pattern, Access access, StreamHandler handler) {
  impl_->router.add(Route{std::move(method), std::move(pattern), access, {}, std::move(handler)});
}

std::vector<std::tuple<std::string, std::string, Access>> HttpServer::routes() const {
  std::vector<std::tuple<std::string, std::string, Access>> out;
  for (const auto& route : impl_->router.routes())
    out.emplace_back(route->method, route->pattern, route->access);
  std::sort(out.begin(), out.end());
  return out;
}

Result<uint16_t> HttpServer::start() {
  if (!impl_->options.unix_socket.empty()) {
    TRY_STATUS(listen_on_path(impl_->acceptor, impl_->options.unix_socket));
    spawn(impl_->io.get_executor(), "accept_all", accept_all(impl_));
    return impl_->port;
  }
  beast::error_code error;
  const asio::ip::address address = asio::ip::make_address(impl_->options.address, error);
  if (error)
    return invalid_argument(
        fmt::format("'{}' is not an IP address; write 127.0.0.1", impl_->options.address));
  if (impl_->options.tls) impl_->tls = TRY(server_tls(*impl_->options.tls));
  if (!address.is_loopback() && impl_->tls == nullptr)
    return failed_precondition(fmt::format(
        "refusing to listen on {}: plain HTTP would carry tokens over the network. Turn on TLS, or "
        "listen on 127.0.0.1 and reach it through an SSH tunnel or a TLS proxy on this host",
        impl_->options.address));
  const tcp::endpoint endpoint(address, impl_->options.port);
  error = open_listener(impl_->acceptor, endpoint);
  if (error) {
    beast::error_code ignored;
    impl_->acceptor.close(ignored);
    return bind_failure(endpoint, error);
  }
  impl_->port = tcp_endpoint(impl_->acceptor.local_endpoint())->port();
  spawn(impl_->io.get_executor(), "accept_all", accept_all(impl_));
  return impl_->port;
}

uint16_t HttpServer::port() const {
  return impl_->port;
}

const ServerLimits& HttpServer::limits() const {
  return impl_->options.limits;
}

std::string HttpServer::url() const {
  if (!impl_->options.unix_socket.empty()) return "unix:" + impl_->options.unix_socket;
  const std::string_view scheme = impl_->options.tls ? "https" : "http";
  // Of all addresses: the one that is reached from this host.
  const std::string& given = impl_->options.address;
  const std::string_view address = given == "0.0.0.0" ? "127.0.0.1" : given == "::" ? "::1" : given;
  if (address.find(':') != std::string_view::npos)
    return fmt::format("{}://[{}]:{}", scheme, address, impl_->port);
  return fmt::format("{}://{}:{}", scheme, address, impl_->port);
}

void HttpServer::set_tokens(std::vector<Token> tokens) {
  impl_->options.tokens = std::move(tokens);
}

std::shared_ptr<void> HttpServer::hold() {
  ++impl_->held;
  return std::shared_ptr<void>(static_cast<void*>(impl_.get()), [impl = impl_](void*) {
    --impl->held;
    if (!impl->busy()) impl->all_gone.cancel();
  });
}

ServerCounters HttpServer::counters() const {
  ServerCounters out = impl_->counters;
  out.connections = impl_->connections.size();
  return out;
}

asio::awaitable<void> HttpServer::stop(std::chrono::milliseconds grace) {
  const ImplPtr impl = impl_;
  impl->stopping = true;
  beast::error_code ignored;
  impl->acceptor.close(ignored);
  if (!impl->options.unix_socket.empty()) ::unlink(impl->options.unix_socket.c_str());
  // A copy: winding up may end a connection and so change the set.
  const std::set<Connection*> open = impl->connections;
  for (Connection* connection : open) {
    if (impl->connections.contains(connection)) connection->wind_up();
  }
  const auto limit = std::chrono::steady_clock::now() + grace;
  co_await wait_until_gone(impl, limit);
  if (!impl->busy()) co_return;
  log_warning("closing connections that did not end in time", {{"connections", impl->connections.size()}});
  for (Connection* connection : std::set<Connection*>(impl->connections)) {
    if (impl->connections.contains(connection)) connection->close();
  }
  const auto last = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  co_await wait_until_gone(impl, last);
}

}  // namespace rekindle::net
