// What a rank says about itself while it works: its report log, and a beat each second from a thread of
// its own, so that a rank stuck in a collective is still seen, with the number of the one it is stuck in.
//
// A report that cannot be written is noted once in the rank's log and never stops the work.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "launch/report_log.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::trainer {

class Reporter {
 public:
  static Result<std::unique_ptr<Reporter>> open(const launch::AttemptFolder& folder, int rank,
                                                std::string nonce);
  ~Reporter();

  // Where the beat reads the number of collectives from; nullptr before they are gone.
  void watch(const std::atomic<uint64_t>* collectives) { collectives_.store(collectives); }

  void phase(v1::Phase phase) {
    phase_.store(phase, std::memory_order_relaxed);
    advance();
  }
  void step(uint64_t step) { step_.store(step, std::memory_order_relaxed); }
  void advance() { progress_.fetch_add(1, std::memory_order_relaxed); }

  void progress(const v1::Progress& progress);
  void metric(const std::string& name, uint64_t step, double value);
  void checkpoint(const v1::CheckpointCommitted& committed);
  void note(const std::string& text);

 private:
  Reporter(launch::ReportWriter writer) : writer_(std::move(writer)) {}
  void append(v1::Report report);
  void beat();
  void serve();

  std::atomic<v1::Phase> phase_{v1::PHASE_START};
  std::atomic<uint64_t> step_{0};
  std::atomic<uint64_t> progress_{0};
  std::atomic<const std::atomic<uint64_t>*> collectives_{nullptr};

  std::mutex mutex_;
  launch::ReportWriter writer_;
  bool failed_ = false;
  bool stopping_ = false;
  std::condition_variable stop_;
  std::thread thread_;
};

}  // namespace rekindle::trainer
