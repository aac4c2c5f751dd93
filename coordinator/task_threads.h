// Threads for work that blocks, and the way to await its answer on the core's thread.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/worker.h"

namespace rekindle::coordinator {

// Tasks run in order on one thread, or in any order on several.
class TaskThreads {
 public:
  TaskThreads(boost::asio::io_context& io, size_t threads, Hands* hands = nullptr);
  ~TaskThreads();

  void post(std::function<void()> task);  // from any thread
  // Lets the threads go and runs what is still queued. Later tasks are dropped.
  void stop();
  size_t waiting() const;
  boost::asio::io_context& io() { return io_; }

 private:
  std::optional<Micros> turn();  // one task
  boost::asio::io_context& io_;
  mutable std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Worker>> workers_;
};

// Awaits `work` done on one of the threads. To be awaited on their io_context, whose one thread resumes.
template <typename R>
boost::asio::awaitable<R> done_on(TaskThreads& task_threads, std::function<R()> work) {
  struct Call {
    explicit Call(boost::asio::io_context& io) : done(io, std::chrono::steady_clock::time_point::max()) {}
    boost::asio::steady_timer done;
    std::optional<R> result;
  };
  auto call = std::make_shared<Call>(task_threads.io());
  boost::asio::io_context* io = &task_threads.io();
  task_threads.post([call, io, work = std::move(work)] {
    call->result.emplace(work());
    boost::asio::post(*io, [call] { call->done.cancel(); });
  });
  constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
  co_await call->done.async_wait(token);
  co_return std::move(*call->result);
}

}  // namespace rekindle::coordinator
