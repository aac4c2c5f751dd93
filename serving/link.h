// The node's line to the coordinator: hears serving plans, tells how the node is. Owns two threads; both go
// on trying with growing pauses while the coordinator is away, and nothing else waits for them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/client.h"
#include "serving/follower.h"
#include "serving/spool/spool.h"

namespace rekindle::serving {

struct LinkOptions {
  std::string coordinator;  // URL
  std::string token;
  std::string authority;  // as in net::ClientOptions
  std::string node;
  std::string boot;
  std::string url;                  // of this node
  std::vector<std::string> models;  // empty: all
  uint64_t recovered_frames = 0;    // ids up to it were written by former starts of the node
  std::chrono::milliseconds report_every{1'000};
  std::chrono::milliseconds silence{30'000};  // of the plan stream, which beats, before it counts as broken
};

class Link {
 public:
  Link(LinkOptions options, Follower& follower, const Spool& spool);
  ~Link();

  void start();
  void report_now();  // something changed
  // A report that is made after this call; `done` hears, on another thread, whether the coordinator took it.
  void report_then(std::function<void(Status)> done);
  void stop();
  bool connected() const { return reported_.load(); }  // the last report was taken

 private:
  void watch();
  void report();
  bool report_all();
  void pause(std::chrono::milliseconds time);

  const LinkOptions options_;
  Follower& follower_;
  const Spool& spool_;
  const uint64_t recovered_;
  net::ConnectClient plans_;
  net::ConnectClient reports_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool news_ = true;
  std::vector<std::function<void(Status)>> waiting_;  // for the next report
  bool stopping_ = false;
  std::atomic<bool> reported_{false};
  std::thread watcher_;
  std::thread reporter_;
};

}  // namespace rekindle::serving
