// One result that another thread delivers to a coroutine of the server's thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>

namespace rekindle::serving {

template <typename T>
class Waiter : public std::enable_shared_from_this<Waiter<T>> {
 public:
  explicit Waiter(boost::asio::any_io_executor executor) : timer_(std::move(executor)) {}

  // From any thread; the first result counts.
  void finish(T result) {
    boost::asio::post(timer_.get_executor(),
                      [self = this->shared_from_this(), result = std::move(result)]() mutable {
                        if (self->result_) return;
                        self->result_ = std::move(result);
                        self->timer_.cancel();
                      });
  }

  // Nothing when the time is over first. The waiter is kept alive by the coroutine that calls.
  static boost::asio::awaitable<std::optional<T>> wait(std::shared_ptr<Waiter> self,
                                                       std::chrono::milliseconds time) {
    if (!self->result_) {
      self->timer_.expires_after(time);
      boost::system::error_code ignored;
      co_await self->timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    co_return std::move(self->result_);
  }

 private:
  boost::asio::steady_timer timer_;
  std::optional<T> result_;
};

}  // namespace rekindle::serving
