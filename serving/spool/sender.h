// Sends the spool's frames to the coordinator, oldest first, one at a time, and takes them out once they
// are acknowledged. Owns one thread. While the coordinator is away it tries again with growing pauses.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "net/client.h"
#include "serving/spool/spool.h"

namespace rekindle::serving {

struct SenderOptions {
  std::string coordinator;  // URL
  std::string token;
  std::string authority;                       // as in net::ClientOptions
  std::chrono::milliseconds deadline{30'000};  // of one batch: an intake that settles a day may take seconds
  std::chrono::milliseconds pause_max{2'000};
};

class Sender {
 public:
  using Done = std::function<void(Status)>;  // called once, on the sender's thread or the caller's

  Sender(Spool& spool, SenderOptions options);
  ~Sender();

  void wake();  // there is something new
  // Calls back when all frames up to `id` are out of the spool: ok when the coordinator has acknowledged
  // them, failed_precondition when it refused a batch for good and nobody has been told yet.
  void await(uint64_t id, Done done);
  // Sends what is there until the spool is empty, a call fails or `bound` has passed; then stops.
  void stop(std::chrono::milliseconds bound);

  std::string last_error() const;  // empty when the last call went well
  uint64_t sent() const { return sent_.load(); }
  uint64_t refused() const { return refused_.load(); }

 private:
  void run();
  enum class Step { kSent, kNothing, kFailed };
  Step send_one();
  void answer_waiters();
  Status take_refusal();

  Spool& spool_;
  const SenderOptions options_;
  net::ConnectClient client_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool news_ = false;
  bool stopping_ = false;  // leave once there is nothing to send, or a call fails
  bool left_ = false;
  std::multimap<uint64_t, Done> waiters_;  // by frame id
  uint64_t gone_id_ = 0;                   // all frames up to it are out of the spool
  std::string last_error_;
  std::string untold_refusal_;  // empty: none
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> refused_{0};
  std::thread thread_;
};

}  // namespace rekindle::serving
