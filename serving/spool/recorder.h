// Turns what was answered and what was reported back into event batches in the spool. Owns one thread.
//
// Requests are taken after their answer and committed together, at most `commit_every` later, with the
// counts over their rows in the same batch: neither can be lost or doubled without the other. Labels are on
// the disk before they are answered; those that come together share one sync.
// A batch gets its sequence number when it is written and keeps it for good.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "rekindle/v1/events.pb.h"
#include "serving/spool/batch.h"
#include "serving/spool/sender.h"
#include "serving/spool/spool.h"

namespace rekindle::serving {

struct RecorderOptions {
  std::string node;
  std::string boot;
  std::chrono::milliseconds commit_every{100};  // most that a killed node loses of its predictions
  uint64_t batch_bytes = 1ull << 20;            // a batch is closed at about this size
  uint64_t waiting_bytes_max = 64ull << 20;     // in memory, while the disk does not keep up
  size_t recent_ids = 1 << 16;  // request ids remembered, so that a client's retry counts once
};

struct Flushed {
  uint64_t seq = 0;       // of the newest batch of this boot
  uint64_t requests = 0;  // written since the start
  uint64_t labels = 0;
};

class Recorder {
 public:
  using Done = std::function<void(Status)>;  // called once, on another thread

  Recorder(RecorderOptions options, Spool& spool, Sender& sender);
  ~Recorder();

  // A request id seen a moment ago is the client's retry: the first answer's record stands.
  void record(AnsweredRequest answered);
  // Calls back when the labels are on the disk; resource_exhausted when the spool is full of labels.
  void feedback(std::string model, std::vector<v1::LabelRecord> labels, Done done);
  // Writes and sends everything taken so far; calls back when the coordinator has acknowledged it.
  void flush(Done done);
  void stop();  // commits what is left

  Flushed flushed() const;

 private:
  struct Labels {
    std::string model;
    std::vector<v1::LabelRecord> labels;
    Done done;
  };
  struct Work {
    std::vector<AnsweredRequest> requests;
    std::vector<Labels> labels;
    std::vector<Done> flushes;
  };

  bool remember(const AnsweredRequest& answered);
  void run();
  Work take_work();  // waits for it
  void commit(Work work);
  void commit_requests(std::vector<AnsweredRequest> requests);
  void write_requests(const std::string& model, const std::vector<AnsweredRequest*>& requests);
  void commit_labels(std::vector<Labels>& labels);
  Result<uint64_t> write(FrameKind kind, v1::EventBatch& batch, uint32_t records);

  const RecorderOptions options_;
  Spool& spool_;
  Sender& sender_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Work waiting_;
  uint64_t waiting_bytes_ = 0;
  std::chrono::steady_clock::time_point due_;
  bool stopping_ = false;
  Flushed flushed_;
  std::unordered_set<uint64_t> recent_;  // hashes of model and id
  std::deque<uint64_t> recent_order_;
  std::thread thread_;
};

}  // namespace rekindle::serving
