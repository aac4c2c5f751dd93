#include "coordinator/changes.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace rekindle::coordinator {

boost::asio::awaitable<void> Changes::wait_until(std::chrono::steady_clock::time_point deadline) {
  boost::asio::steady_timer timer(io_, deadline);
  const uint64_t place = ++came_;
  waiting_.emplace(place, &timer);
  constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
  co_await timer.async_wait(token);
  waiting_.erase(place);
}

void Changes::notify() {
  for (const auto& [place, timer] : waiting_) timer->cancel();
}

}  // namespace rekindle::coordinator
