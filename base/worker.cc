#include "base/worker.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace rekindle {

Worker::Worker(Turn turn, Hands* hands, int watched)
    : turn_(std::move(turn)), hands_(hands), watched_(watched) {
  if (hands_) {
    hands_->begin(*this);
    return;
  }
  woken_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  CHECK(woken_.valid(), "an eventfd can be made");
  thread_ = std::thread([this] { loop(); });
}

Worker::~Worker() {
  stop();
}

void Worker::wake() {
  if (hands_) return hands_->wake(*this);
  ::eventfd_write(woken_.get(), 1);
}

void Worker::stop() {
  if (hands_) return hands_->end(*this);
  stopping_ = true;
  ::eventfd_write(woken_.get(), 1);
  if (thread_.joinable()) thread_.join();
}

void Worker::loop() {
  while (!stopping_) {
    const std::optional<Micros> rest = take_turn();
    timespec limit{};
    if (rest) {
      const int64_t micros = std::max<int64_t>(0, rest->count());
      limit = {micros / 1'000'000, micros % 1'000'000 * 1'000};
    }
    pollfd both[] = {{woken_.get(), POLLIN, 0}, {watched_, POLLIN, 0}};  // a negative one is passed over
    ::ppoll(both, 2, rest ? &limit : nullptr, nullptr);
    eventfd_t ignored = 0;
    ::eventfd_read(woken_.get(), &ignored);
  }
}

}  // namespace rekindle
