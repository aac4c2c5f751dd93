#include "serving/spool/recorder.h"

#include <algorithm>
#include <utility>

#include "base/faults/crash_point.h"
#include "base/hash.h"
#include "base/log.h"
#include "serving/spool/priority.h"

namespace rekindle::serving {
namespace {

uint64_t bytes_of(const AnsweredRequest& answered) {
  uint64_t bytes = 256 + answered.predictions.size() * sizeof(double);
  for (const dataio::Column& column : answered.rows.columns) {
    bytes += 64 + column.numbers.size() * 8 + column.times.size() * 8 + column.codes.size() * 4;
    for (const std::string& word : column.words) bytes += word.size() + 8;
    for (const dataio::Blob& blob : column.blobs) bytes += 8 + (blob ? blob->size() : 0);
    for (const dataio::TokenRow& list : column.lists) bytes += 8 + (list ? list->size() * 4 : 0);
  }
  return bytes;
}

}  // namespace

Recorder::Recorder(RecorderOptions options, Spool& spool, Sender& sender)
    : options_(std::move(options)), spool_(spool), sender_(sender) {
  thread_ = std::thread([this] { run(); });
}

Recorder::~Recorder() {
  stop();
}

void Recorder::record(AnsweredRequest answered) {
  const uint64_t bytes = bytes_of(answered);
  std::lock_guard lock(mutex_);
  if (!remember(answered)) return;
  if (waiting_bytes_ + bytes > options_.waiting_bytes_max || stopping_) {
    spool_.count_dropped(1);
    return;
  }
  const bool first = waiting_.requests.empty();
  if (first) due_ = std::chrono::steady_clock::now() + options_.commit_every;
  waiting_.requests.push_back(std::move(answered));
  waiting_bytes_ += bytes;
  if (first || waiting_bytes_ >= options_.batch_bytes) changed_.notify_one();
}

// False when it is known already.
bool Recorder::remember(const AnsweredRequest& answered) {
  const uint64_t hash = stable_hash(answered.request_id, stable_hash(answered.version->model));
  if (!recent_.insert(hash).second) return false;
  recent_order_.push_back(hash);
  if (recent_order_.size() > options_.recent_ids) {
    recent_.erase(recent_order_.front());
    recent_order_.pop_front();
  }
  return true;
}

void Recorder::feedback(std::string model, std::vector<v1::LabelRecord> labels, Done done) {
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      waiting_.labels.push_back({std::move(model), std::move(labels), std::move(done)});
      changed_.notify_one();
      return;
    }
  }
  done(unavailable("the node stops"));
}

void Recorder::flush(Done done) {
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      waiting_.flushes.push_back(std::move(done));
      changed_.notify_one();
      return;
    }
  }
  done(unavailable("the node stops"));
}

void Recorder::stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

Flushed Recorder::flushed() const {
  std::lock_guard lock(mutex_);
  return flushed_;
}

void Recorder::run() {
  give_way();  // to those who answer requests
  for (;;) {
    Work work = take_work();
    if (work.requests.empty() && work.labels.empty() && work.flushes.empty())
      return;  // stopping, nothing left
    commit(std::move(work));
  }
}

Recorder::Work Recorder::take_work() {
  std::unique_lock lock(mutex_);
  const auto urgent = [this] {
    return stopping_ || !waiting_.labels.empty() || !waiting_.flushes.empty() ||
           waiting_bytes_ >= options_.batch_bytes;
  };
  changed_.wait(lock, [&] { return urgent() || !waiting_.requests.empty(); });
  if (!urgent()) changed_.wait_until(lock, due_, urgent);
  Work work;
  work.labels.swap(waiting_.labels);
  work.flushes.swap(waiting_.flushes);
  // Labels alone do not cut the requests' batch short: each would then carry counts of a handful of rows.
  const bool requests = stopping_ || !work.flushes.empty() || waiting_bytes_ >= options_.batch_bytes ||
                        std::chrono::steady_clock::now() >= due_;
  if (requests) {
    work.requests.swap(waiting_.requests);
    waiting_bytes_ = 0;
  }
  return work;
}

void Recorder::commit(Work work) {
  commit_requests(std::move(work.requests));
  commit_labels(work.labels);
  crash_point("spool-appended");
  // Under way before the sync: a flush waits for the coordinator's disk, not for both.
  const uint64_t last = spool_.last_id();
  sender_.wake();
  for (Done& done : work.flushes) sender_.await(last, std::move(done));
  const Status synced = spool_.sync();
  crash_point("spool-synced");
  if (!synced.ok()) log_error("spool could not be synced", {{"why", synced.message()}});
  for (Labels& labels : work.labels)
    if (labels.done) labels.done(synced);
}

void Recorder::commit_requests(std::vector<AnsweredRequest> requests) {
  std::map<std::string, std::vector<AnsweredRequest*>> by_model;
  for (AnsweredRequest& request : requests) by_model[request.version->model].push_back(&request);
  for (const auto& [model, its] : by_model) {
    // Closed at batch_bytes so that no batch outgrows what one call may carry.
    std::vector<AnsweredRequest*> batch;
    uint64_t bytes = 0;
    for (AnsweredRequest* request : its) {
      batch.push_back(request);
      bytes += bytes_of(*request);
      if (bytes < options_.batch_bytes) continue;
      write_requests(model, batch);
      batch.clear();
      bytes = 0;
    }
    if (!batch.empty()) write_requests(model, batch);
  }
}

void Recorder::write_requests(const std::string& model, const std::vector<AnsweredRequest*>& requests) {
  v1::EventBatch batch = batch_of(model, requests);
  const auto records = static_cast<uint32_t>(requests.size());
  const auto written = write(FrameKind::kRequests, batch, records);
  if (!written.ok())
    log_error("request records are lost", {{"requests", records}, {"why", written.status().message()}});
}

void Recorder::commit_labels(std::vector<Labels>& labels) {
  std::map<std::string, v1::EventBatch> batches;
  for (Labels& one : labels) {
    v1::EventBatch& batch = batches[one.model];
    for (v1::LabelRecord& label : one.labels) *batch.add_labels() = std::move(label);
  }
  for (auto& [model, batch] : batches) {
    batch.set_model(model);
    const auto written = write(FrameKind::kLabels, batch, static_cast<uint32_t>(batch.labels_size()));
    if (written.ok()) continue;
    for (Labels& one : labels)
      if (one.model == model && one.done) std::exchange(one.done, nullptr)(written.status());
  }
}

Result<uint64_t> Recorder::write(FrameKind kind, v1::EventBatch& batch, uint32_t records) {
  uint64_t seq = 0;
  {
    std::lock_guard lock(mutex_);
    seq = flushed_.seq + 1;
  }
  batch.set_node(options_.node);
  batch.set_boot(options_.boot);
  batch.set_seq(seq);
  batch.set_dropped_requests(spool_.totals().dropped_requests);
  const uint64_t id = TRY(spool_.append(kind, records, batch.SerializeAsString()));
  if (id == 0) return id;  // dropped: the number is free
  std::lock_guard lock(mutex_);
  flushed_.seq = seq;
  (kind == FrameKind::kRequests ? flushed_.requests : flushed_.labels) += records;
  return id;
}

}  // namespace rekindle::serving
