// Broadcast on the core's thread: coroutines wait until somebody says that something changed, or until a
// deadline; they go on in the order in which they came. Nothing is remembered: look at the state, then wait,
// without suspending in between.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <map>

namespace rekindle::coordinator {

class Changes {
 public:
  explicit Changes(boost::asio::io_context& io) : io_(io) {}

  boost::asio::awaitable<void> wait_until(std::chrono::steady_clock::time_point deadline);
  boost::asio::awaitable<void> wait() { return wait_until(std::chrono::steady_clock::time_point::max()); }
  void notify();

 private:
  boost::asio::io_context& io_;
  uint64_t came_ = 0;
  std::map<uint64_t, boost::asio::steady_timer*> waiting_;
};

}  // namespace rekindle::coordinator
