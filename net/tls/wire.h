// A connected socket, plain or under TLS, as Beast's operations take it; deadlines are the socket's. Included
// only by net/*.cc, since it names Beast types.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "net/http_server.h"

namespace rekindle::net {

class Wire {
 public:
  using Protocol = boost::asio::generic::stream_protocol;  // TCP or a Unix socket
  using Socket = boost::beast::basic_stream<Protocol>;
  using executor_type = Socket::executor_type;

  // From an io_context or a connected socket. `tls`: what secures it, none for a plain one; outlives it.
  template <typename From>
  explicit Wire(From&& from, boost::asio::ssl::context* tls = nullptr) : plain_(std::forward<From>(from)) {
    if (tls != nullptr) tls_.emplace(plain_, *tls);
  }

  executor_type get_executor() { return plain_.get_executor(); }
  Socket& plain() { return plain_; }
  Protocol::socket& socket() { return plain_.socket(); }
  // Nothing when the socket is plain. Nothing else may be done before its handshake.
  std::optional<boost::asio::ssl::stream<Socket&>>& tls() { return tls_; }

  template <typename Time>
  void expires_after(Time time) {
    plain_.expires_after(time);
  }
  void expires_never() { plain_.expires_never(); }

  template <typename Buffers, typename Done>
  auto async_read_some(const Buffers& buffers, Done&& done) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Done>(done));
    return plain_.async_read_some(buffers, std::forward<Done>(done));
  }
  template <typename Buffers, typename Done>
  auto async_write_some(const Buffers& buffers, Done&& done) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Done>(done));
    return plain_.async_write_some(buffers, std::forward<Done>(done));
  }

 private:
  Socket plain_;
  std::optional<boost::asio::ssl::stream<Socket&>> tls_;
};

// What a server shows. invalid_argument names the file that does not fit.
Result<std::unique_ptr<boost::asio::ssl::context>> server_tls(const TlsFiles& files);
// What a client trusts: the authority in that PEM file alone, or, when empty, those of this host.
Result<std::unique_ptr<boost::asio::ssl::context>> client_tls(const std::string& authority);

}  // namespace rekindle::net
