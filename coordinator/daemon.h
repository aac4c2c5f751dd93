// rekindled as an object: builds the parts in order, runs them on the caller's io_context and takes them
// down again. Gangs outlive it and are adopted by the next.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "coordinator/options.h"
#include "launch/launcher.h"

namespace rekindle::coordinator {

class Daemon {
 public:
  // `launcher` and `clock` outlive the daemon.
  Daemon(boost::asio::io_context& io, const Clock& clock, launch::Launcher& launcher, Options options);
  ~Daemon();

  // Takes the state folder, replays the journal, binds the port, adopts what runs. A refusal says which
  // file, folder or port is in the way and what to do.
  Status start();
  const std::string& url() const;
  const std::string& operator_token() const;
  const std::string& serving_token() const;
  // (method, pattern, access) of every route, for the test that enumerates who may call what.
  std::vector<std::tuple<std::string, std::string, net::Access>> routes() const;

  // Asks the daemon to leave: requests in flight are answered, everything accepted is durable, the
  // address file is gone, then the io_context is stopped. Harmless when asked twice.
  void shut_down();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace rekindle::coordinator
