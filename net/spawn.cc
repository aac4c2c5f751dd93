#include "net/spawn.h"

#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "base/check.h"
#include "base/log.h"

namespace rekindle::net {

void spawn(const boost::asio::any_io_executor& executor, const char* what,
           boost::asio::awaitable<void> coroutine) {
  boost::asio::co_spawn(executor, std::move(coroutine), [what](std::exception_ptr failure) {
    if (!failure) return;
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      log_error("exception escaped a coroutine", {{"coroutine", what}, {"what", error.what()}});
    } catch (...) {
      log_error("unknown exception escaped a coroutine", {{"coroutine", what}});
    }
    CHECK(false, "an exception escaped a coroutine");
  });
}

}  // namespace rekindle::net
