// Broadcast on the core's thread: coroutines wait until somebody says that something changed, or until a
// deadline. Nothing is remembered: look at the state, then wait, without suspending in between.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <set>

namespace rekindle::coordinator {

class Changes {
 public:
  explicit Changes(boost::asio::io_context& io) : io_(io) {}

  boost::asio::awaitable<void> wait_until(std::chrono::steady_clock::time_point deadline);
  boost::asio::awaitable<void> wait() { return wait_until(std::chrono::steady_clock::time_point::max()); }
  void notify();

 private:
  boost::asio::io_context& io_;
  std::set<boost::asio::steady_timer*> waiting_;
};

}  // namespace rekindle::coordinator
