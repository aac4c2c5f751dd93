// The one way to start a coroutine that nobody awaits. Its owner must see to it that it ends; an exception
// that escapes it is our bug and ends the process.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace rekindle::net {

// `what` names the coroutine in the log; a literal.
void spawn(const boost::asio::any_io_executor& executor, const char* what,
           boost::asio::awaitable<void> coroutine);

}  // namespace rekindle::net
