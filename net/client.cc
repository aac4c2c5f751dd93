#include "net/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/url/parse.hpp>
#include <thread>

#include "net/tls/wire.h"

namespace rekindle::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using Protocol = asio::generic::stream_protocol;  // TCP or a Unix socket
using SteadyTime = std::chrono::steady_clock::time_point;

struct Target {
  std::string host;
  std::string port;
  bool tls = false;
};

Result<Target> parse_url(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (parsed.has_error() || (parsed->scheme() != "http" && parsed->scheme() != "https") ||
      parsed->host().empty())
    return invalid_argument(
        fmt::format("'{}' is not an address of rekindle; write http://HOST:PORT or https://HOST:PORT", url));
  Target target{.host = std::string(parsed->host_address()), .port = std::string(parsed->port())};
  target.tls = parsed->scheme() == "https";
  if (target.port.empty()) target.port = target.tls ? "443" : "80";
  return target;
}

constexpr std::string_view kUnix = "unix:";

// Where to connect: one Unix socket, or all addresses of a host.
Result<std::vector<Protocol::endpoint>> find_endpoints(asio::io_context& io, const std::string& url) {
  std::vector<Protocol::endpoint> out;
  if (url.starts_with(kUnix)) {
    const std::string path = url.substr(kUnix.size());
    if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path))
      return invalid_argument(fmt::format("'{}' is no path of a Unix socket, or too long for one", path));
    out.emplace_back(asio::local::stream_protocol::endpoint(path));
    return out;
  }
  const Target target = TRY(parse_url(url));
  beast::error_code error;
  tcp::resolver resolver(io);
  for (const auto& found : resolver.resolve(target.host, target.port, error))
    out.emplace_back(found.endpoint());
  if (error) return unavailable(fmt::format("cannot find the host of {}: {}", url, error.message()));
  return out;
}

}  // namespace

struct HttpClient::Impl {
  explicit Impl(ClientOptions given) : options(std::move(given)) {}

  Result<Reply> exchange(http::request<http::string_body> message, SteadyTime deadline);
  Status ensure_connected(SteadyTime deadline);
  Status shake_hands(SteadyTime limit);
  Status connect_unix(const Protocol::endpoint& endpoint, SteadyTime limit);
  http::request<http::string_body> make_request(std::string_view method, std::string_view path,
                                                std::string_view body, const Headers& headers) const;
  // Starts one asynchronous operation with the deadline and runs it to its end.
  template <typename Start>
  Status perform(std::string_view doing, SteadyTime deadline, Start start);
  Status failure(std::string_view doing, beast::error_code error) const;
  void disconnect();
  bool still_open();

  ClientOptions options;
  asio::io_context io;
  std::unique_ptr<asio::ssl::context> tls;
  std::unique_ptr<Wire> stream;  // connected, or none
  beast::flat_buffer buffer;
  std::atomic<bool> cancelled{false};
};

template <typename Start>
Status HttpClient::Impl::perform(std::string_view doing, SteadyTime deadline, Start start) {
  if (cancelled) return {Code::kCanceled, "the client was told to stop"};
  std::optional<beast::error_code> outcome;
  stream->plain().expires_at(deadline);
  start([&outcome](beast::error_code error, auto&&...) { outcome = error; });
  io.restart();
  while (!outcome.has_value()) {
    if (io.run_one() == 0) break;
  }
  CHECK(outcome.has_value(), "an operation ended without an outcome");
  if (*outcome) return failure(doing, *outcome);
  return ok_status();
}

Status HttpClient::Impl::failure(std::string_view doing, beast::error_code error) const {
  if (cancelled) return {Code::kCanceled, "the client was told to stop"};
  if (error == beast::error::timeout)
    return deadline_exceeded(fmt::format("{} {} took too long", doing, options.url));
  if (error == asio::error::connection_refused || error == boost::system::errc::no_such_file_or_directory)
    return unavailable(fmt::format("nobody answers at {}; is it running?", options.url));
  if (error == http::error::body_limit)
    return resource_exhausted(
        fmt::format("the answer of {} is larger than {} bytes", options.url, options.body_bytes_max));
  if (error == http::error::end_of_stream || error == http::error::partial_message)
    return unavailable(fmt::format("{} {}: the server closed the connection", doing, options.url));
  return unavailable(fmt::format("{} {}: {}", doing, options.url, error.message()));
}

void HttpClient::Impl::disconnect() {
  if (stream) {
    beast::error_code ignored;
    stream->socket().close(ignored);
    stream.reset();
    // Whatever the closed socket still had to report.
    io.restart();
    io.poll();
  }
  buffer.clear();
}

// A server may have closed a kept connection; then there is something to read: its end.
bool HttpClient::Impl::still_open() {
  char byte = 0;
  const ssize_t n = ::recv(stream->socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

// A Unix socket connects at once, or its queue is full: then there is nothing to wait on.
Status HttpClient::Impl::connect_unix(const Protocol::endpoint& endpoint, SteadyTime limit) {
  constexpr std::chrono::milliseconds kPause{2};
  beast::error_code error;
  stream->socket().open(endpoint.protocol(), error);
  if (!error) stream->socket().non_blocking(true, error);
  while (!error) {
    if (::connect(stream->socket().native_handle(), endpoint.data(),
                  static_cast<socklen_t>(endpoint.size())) == 0)
      return ok_status();
    if (errno != EAGAIN && errno != EINTR) {
      error = beast::error_code(errno, boost::system::system_category());
    } else if (cancelled || std::chrono::steady_clock::now() > limit) {
      error = beast::error::timeout;
    } else {
      std::this_thread::sleep_for(kPause);
    }
  }
  return failure("connecting to", error);
}

Status HttpClient::Impl::shake_hands(SteadyTime limit) {
  const Target target = TRY(parse_url(options.url));
  auto& wire = *stream->tls();
  wire.set_verify_callback(asio::ssl::host_name_verification(target.host));
  SSL_set_tlsext_host_name(wire.native_handle(), target.host.c_str());
  const Status shaken = perform("agreeing on TLS with", limit, [&](auto done) {
    wire.async_handshake(asio::ssl::stream_base::client, done);
  });
  const long verified = SSL_get_verify_result(wire.native_handle());
  if (shaken.ok() || verified == X509_V_OK) return shaken;
  return unauthenticated(fmt::format(
      "{} does not prove who it is ({}): name the authority that signed its certificate, STATE/tls/ca.pem of "
      "its host",
      options.url, X509_verify_cert_error_string(verified)));
}

Status HttpClient::Impl::ensure_connected(SteadyTime deadline) {
  if (stream && still_open()) return ok_status();
  disconnect();
  const std::vector<Protocol::endpoint> found = TRY(find_endpoints(io, options.url));
  const bool secure = options.url.starts_with("https:");
  if (secure && tls == nullptr) tls = TRY(client_tls(options.authority));
  stream = std::make_unique<Wire>(io, secure ? tls.get() : nullptr);
  const SteadyTime limit = std::min(deadline, std::chrono::steady_clock::now() + options.connect_deadline);
  Status connected;
  if (options.url.starts_with(kUnix))
    connected = connect_unix(found.front(), limit);
  else
    connected =
        perform("connecting to", limit, [&](auto done) { stream->plain().async_connect(found, done); });
  if (connected.ok() && secure) connected = shake_hands(limit);
  if (!connected.ok()) {
    disconnect();
    if (connected.code() == Code::kDeadlineExceeded)
      return unavailable(fmt::format("{} cannot be reached in time", options.url));
    return connected;
  }
  ::fcntl(stream->socket().native_handle(), F_SETFD, FD_CLOEXEC);
  beast::error_code unix_has_none;
  stream->socket().set_option(tcp::no_delay(true), unix_has_none);
  return ok_status();
}

http::request<http::string_body> HttpClient::Impl::make_request(std::string_view method,
                                                                std::string_view path, std::string_view body,
                                                                const Headers& headers) const {
  http::request<http::string_body> message;
  message.method_string(method);
  message.target(path);
  message.version(11);
  const std::string_view url = options.url;
  const size_t host = url.find("://");
  message.set(http::field::host, url.starts_with(kUnix) ? "localhost"
                                 : host == std::string_view::npos
                                     ? url
                                     : url.substr(host + 3, url.find('/', host + 3) - host - 3));
  if (!options.token.empty()) message.set(http::field::authorization, "Bearer " + options.token);
  for (const auto& [name, value] : headers) message.insert(name, value);
  message.body() = std::string(body);
  message.prepare_payload();
  return message;
}

Result<Reply> HttpClient::Impl::exchange(http::request<http::string_body> message, SteadyTime deadline) {
  TRY_STATUS(ensure_connected(deadline));
  TRY_STATUS(perform("sending to", deadline, [&](auto done) { http::async_write(*stream, message, done); }));
  http::response_parser<http::string_body> parser;
  parser.body_limit(options.body_bytes_max);
  TRY_STATUS(
      perform("waiting for", deadline, [&](auto done) { http::async_read(*stream, buffer, parser, done); }));
  Reply reply{.status = static_cast<int>(parser.get().result_int())};
  for (const auto& field : parser.get())
    reply.headers.add(std::string(field.name_string()), std::string(field.value()));
  reply.body = std::move(parser.get().body());
  if (!parser.get().keep_alive()) disconnect();
  return reply;
}

HttpClient::HttpClient(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

Result<Reply> HttpClient::request(std::string_view method, std::string_view path, std::string_view body,
                                  const Headers& headers, Deadline deadline) {
  Result<Reply> reply = impl_->exchange(impl_->make_request(method, path, body, headers),
                                        std::chrono::steady_clock::now() + deadline);
  // What is half-way cannot be used again.
  if (!reply.ok()) impl_->disconnect();
  return reply;
}

Status HttpClient::stream(std::string_view method, std::string_view path, std::string_view body,
                          const Headers& headers, std::function<bool(const Reply&)> on_head,
                          std::function<bool(std::string_view)> on_bytes, Deadline silence) {
  Impl& impl = *impl_;
  const auto limit = [silence] { return std::chrono::steady_clock::now() + silence; };
  const auto exchange = [&]() -> Status {
    const http::request<http::string_body> message = impl.make_request(method, path, body, headers);
    TRY_STATUS(impl.ensure_connected(limit()));
    TRY_STATUS(impl.perform("sending to", limit(),
                            [&](auto done) { http::async_write(*impl.stream, message, done); }));
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    TRY_STATUS(impl.perform("waiting for", limit(), [&](auto done) {
      http::async_read_header(*impl.stream, impl.buffer, parser, done);
    }));
    Reply head{.status = static_cast<int>(parser.get().result_int())};
    for (const auto& field : parser.get())
      head.headers.add(std::string(field.name_string()), std::string(field.value()));
    if (!on_head(head)) return ok_status();
    std::string piece(64 * 1024, '\0');
    while (!parser.is_done()) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      const Status read = impl.perform("reading from", limit(), [&](auto done) {
        auto ignore_full = [done](beast::error_code error, size_t) mutable {
          done(error == http::error::need_buffer ? beast::error_code() : error);
        };
        http::async_read_some(*impl.stream, impl.buffer, parser, ignore_full);
      });
      if (!read.ok()) {
        if (read.code() == Code::kDeadlineExceeded)
          return unavailable(fmt::format("{} has been silent for {} ms", impl.options.url, silence.count()));
        return read;
      }
      const size_t bytes = piece.size() - parser.get().body().size;
      if (bytes > 0 && !on_bytes(std::string_view(piece).substr(0, bytes))) return ok_status();
    }
    return ok_status();
  };
  const Status status = exchange();
  impl.disconnect();
  return status;
}

void HttpClient::cancel() {
  impl_->cancelled = true;
  Impl* impl = impl_.get();
  asio::post(impl->io, [impl] {
    if (impl->stream) impl->stream->plain().cancel();
  });
}

const std::string& HttpClient::url() const {
  return impl_->options.url;
}

}  // namespace rekindle::net
