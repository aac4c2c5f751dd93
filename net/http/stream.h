// The server's implementation of Stream on a connection: HTTP chunks, and a read that waits for the client
// to go away. Included only by net/*.cc.
#pragma once

#include <functional>
#include <memory>

#include "net/http/server_impl.h"

namespace rekindle::net {

class ChunkedStream final : public Stream, public std::enable_shared_from_this<ChunkedStream> {
 public:
  // `version` is HTTP's, 10 or 11; a client of 1.0 gets the bytes without chunks.
  ChunkedStream(std::shared_ptr<Connection> connection, unsigned version)
      : connection_(std::move(connection)), version_(version) {}

  asio::awaitable<Status> start(Response head) override;
  asio::awaitable<Status> write(std::string chunk) override;
  bool closed() const override { return closed_; }
  void on_close(std::function<void()> wake) override;

  bool started() const { return started_; }
  // The last chunk; then nothing more may be written.
  asio::awaitable<void> finish();
  void mark_closed();
  // What the handler gave to on_close() may name things that are gone now.
  void handler_ended() { wake_ = {}; }
  Connection& connection() { return *connection_; }

 private:
  asio::awaitable<Status> send(std::string_view bytes);
  void wake_handler();

  std::shared_ptr<Connection> connection_;
  unsigned version_;
  bool started_ = false;
  bool closed_ = false;
  std::function<void()> wake_;
};

// Reads until the client has gone (what it still sends is dropped), then marks the stream closed. Runs
// beside the handler; ends when the connection is closed.
asio::awaitable<void> watch_client_of(std::shared_ptr<ChunkedStream> stream);

}  // namespace rekindle::net
