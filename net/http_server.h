// HTTP/1.1 server on a caller's io_context. Owns the listening socket, its connections and the table of
// routes; knows nothing of what the routes do.
//
// The io_context must be run by exactly one thread: handlers, streams and the server itself run on it and
// nothing here is locked. What blocks belongs on a pool of the caller's.
// Before a handler runs, these have been settled: size limits and deadlines, well-formed request and path,
// Host (only names of this server: a page of another site cannot reach us through DNS), Origin (refused),
// token.
// Handlers are called with everything by value. A handler may be a lambda with captures as long as it is
// not itself a coroutine (GCC 12): [this](Request r) { return infer(std::move(r)); }.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/message.h"

namespace rekindle::net {

// The secret itself is nowhere: its hash tells whether a request knows it.
struct Token {
  std::string sha256;
  Role role = Role::kNobody;
  std::string name;  // for logs and audit
};
Token token_of(std::string_view secret, Role role, std::string name);

// PEM files: a certificate with its chain, and its key.
struct TlsFiles {
  std::string certificate;
  std::string key;
};

struct ServerLimits {
  size_t header_bytes_max = 16 * 1024;
  uint64_t body_bytes_max = 16ull << 20;
  // Of one Connect message, decompressed.
  uint64_t message_bytes_max = 16ull << 20;
  // From the first byte of a request to the end of its header: ends clients that trickle.
  std::chrono::milliseconds header_deadline{10'000};
  std::chrono::milliseconds body_deadline{60'000};
  // Between requests of a kept connection.
  std::chrono::milliseconds idle_timeout{120'000};
  // For one answer or one chunk of a stream: ends clients that do not read.
  std::chrono::milliseconds write_deadline{30'000};
  size_t connections_max = 1024;
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address; anything but loopback is refused without `tls`
  uint16_t port = 0;                  // 0: any free one
  // Path of a Unix socket to listen on in place of address and port, open to this user alone. Removed by
  // stop().
  std::string unix_socket;
  std::optional<TlsFiles> tls;  // TLS 1.2 or later on every connection
  std::vector<Token> tokens;
  ServerLimits limits;
  // Names accepted in Host beside localhost, 127.0.0.1, [::1] and `address`.
  std::vector<std::string> host_names;
};

// The open end of a streamed answer. Lives while its handler runs.
class Stream {
 public:
  virtual ~Stream() = default;
  // Sends the head; at most once, before any write(). Without it the first write() sends 200 and
  // application/x-ndjson.
  virtual boost::asio::awaitable<Status> start(Response head) = 0;
  // One HTTP chunk, on the wire when this returns. Fails with `canceled` once the client has gone or the
  // server stops: the handler should then return.
  virtual boost::asio::awaitable<Status> write(std::string chunk) = 0;
  virtual bool closed() const = 0;
  // Called once, on the server's thread, when the stream closes while its handler runs; when it is closed
  // already, as soon as the handler waits. For handlers that wait for news: wake them up.
  virtual void on_close(std::function<void()> wake) = 0;
};

using Handler = std::function<boost::asio::awaitable<Response>(Request)>;
// The stream ends when the handler returns. A failure before the first write becomes the answer's error.
using StreamHandler = std::function<boost::asio::awaitable<Status>(Request, Stream&)>;

struct ServerCounters {
  uint64_t connections = 0;  // open now
  uint64_t connections_total = 0;
  uint64_t connections_refused = 0;
  uint64_t requests_total = 0;
  uint64_t requests_in_flight = 0;
  uint64_t unauthenticated_total = 0;
};

class HttpServer {
 public:
  HttpServer(boost::asio::io_context& io, ServerOptions options);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  // Routes are added before start(). Pattern segments: "v2", "{name}" (one segment), and "{name...}" as the
  // last one (the rest). Literal segments win over names. The same method and pattern twice is our bug.
  void route(std::string method, std::string pattern, Access access, Handler handler);
  void stream_route(std::string method, std::string pattern, Access access, StreamHandler handler);
  // (method, pattern, access) of every route, sorted: for tests that enumerate who may call what.
  std::vector<std::tuple<std::string, std::string, Access>> routes() const;

  // Binds and begins to accept; the port bound, 0 for a Unix socket. Refusals: an address beyond loopback
  // without TLS, TLS files that do not fit, port or path taken.
  Result<uint16_t> start();
  uint16_t port() const;
  const ServerLimits& limits() const;
  std::string url() const;  // "http://127.0.0.1:7700", "https://..." or "unix:/path"

  // From now on these, and no others.
  void set_tokens(std::vector<Token> tokens);

  // Stops accepting, closes idle connections and streams, lets requests in flight finish for `grace`, then
  // closes the rest. Done when no connection is left. Must be awaited on the server's io_context.
  boost::asio::awaitable<void> stop(std::chrono::milliseconds grace = std::chrono::seconds(10));

  // Keeps stop() waiting until released: for work that outlives the request which began it.
  std::shared_ptr<void> hold();

  ServerCounters counters() const;

  struct Impl;  // of net/*.cc

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace rekindle::net
