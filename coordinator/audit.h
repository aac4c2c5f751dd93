// Who changed what: one line in STATE/audit.log before each call that may change something, and one with how
// it ended. The lines vouch for each other (base/chained_log.h); `rekindle audit verify` checks them.
#pragma once

#include <google/protobuf/message.h>

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>

#include "base/chained_log.h"
#include "base/clock.h"
#include "coordinator/task_threads.h"
#include "net/connect.h"

namespace rekindle::coordinator {

class Audit {
 public:
  static Result<Audit> open(const std::filesystem::path& path, const Clock& clock);

  // A number that names the call in this daemon's life. Nothing may be done when it fails: a full disk, say.
  Result<uint64_t> asked(const std::string& method, const google::protobuf::Message& request,
                         const net::Caller& caller);
  // Durable, the line of the question too, when this returns well.
  boost::asio::awaitable<Status> answered(uint64_t number, Status how, TaskThreads& pool);

 private:
  Audit(ChainedLog log, const Clock& clock) : log_(std::move(log)), clock_(&clock) {}
  ChainedLog log_;
  const Clock* clock_;
  uint64_t asked_ = 0;
};

// What a request is about, of its own text fields that name things: "model=late alias=champion".
std::string subject_of(const google::protobuf::Message& request);

}  // namespace rekindle::coordinator
