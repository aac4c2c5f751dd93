// A server on a thread of its own, for tests; the tests themselves use the blocking client.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <future>
#include <thread>

#include "net/client.h"
#include "net/http_server.h"
#include "net/spawn.h"

namespace rekindle::net {

inline const std::string kOperatorToken = "operator-secret";
inline const std::string kServingToken = "serving-secret";

class TestServer {
 public:
  explicit TestServer(const std::function<void(HttpServer&)>& add_routes, ServerLimits limits = {},
                      std::string unix_socket = {}, std::optional<TlsFiles> tls = {}) {
    ServerOptions options;
    options.tokens = {token_of(kOperatorToken, Role::kOperator, "operator"),
                      token_of(kServingToken, Role::kServing, "serving")};
    options.limits = limits;
    options.unix_socket = std::move(unix_socket);
    options.tls = std::move(tls);
    server_ = std::make_unique<HttpServer>(io_, options);
    add_routes(*server_);
    const Result<uint16_t> port = server_->start();
    EXPECT_TRUE(port.ok()) << port.status().to_string();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~TestServer() {
    stop();
    work_.reset();
    io_.stop();
    thread_.join();
  }

  void stop(std::chrono::milliseconds grace = std::chrono::seconds(5)) {
    std::promise<void> done;
    spawn(io_.get_executor(), "stop", stop_and_tell(server_.get(), grace, &done));
    done.get_future().wait();
  }

  // Runs on the server's thread and waits for it.
  template <typename F>
  auto on_thread(F f) {
    std::promise<decltype(f())> done;
    boost::asio::post(io_, [&] { done.set_value(f()); });
    return done.get_future().get();
  }

  ClientOptions client_options(std::string token = kOperatorToken) const {
    return ClientOptions{.url = server_->url(), .token = std::move(token)};
  }
  HttpClient client(std::string token = kOperatorToken) const {
    return HttpClient(client_options(std::move(token)));
  }
  uint16_t port() const { return server_->port(); }
  HttpServer& server() { return *server_; }
  boost::asio::io_context& io() { return io_; }
  // What handlers use and holds on to the io_context goes before it.
  template <typename T>
  T* keep(std::unique_ptr<T> object) {
    T* raw = object.get();
    kept_.push_back(std::shared_ptr<void>(std::move(object)));
    return raw;
  }

 private:
  static boost::asio::awaitable<void> stop_and_tell(HttpServer* server, std::chrono::milliseconds grace,
                                                    std::promise<void>* done) {
    co_await server->stop(grace);
    done->set_value();
  }

  boost::asio::io_context io_;
  std::vector<std::shared_ptr<void>> kept_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

inline boost::asio::awaitable<Response> say(std::string text) {
  co_return Response::text(std::move(text));
}

}  // namespace rekindle::net
