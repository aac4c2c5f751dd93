#include "coordinator/journal/commit_thread.h"

#include <chrono>

#include "base/log.h"

namespace rekindle::coordinator {

CommitThread::CommitThread(std::unique_ptr<Journal> journal, CommitObserver observer)
    : journal_(std::move(journal)), observer_(std::move(observer)), thread_([this] { loop(); }) {}

CommitThread::~CommitThread() {
  stop();
}

void CommitThread::append(std::vector<v1::Event> events) {
  push(std::move(events));
}
void CommitThread::save_snapshot(v1::Snapshot snapshot) {
  push(std::move(snapshot));
}
void CommitThread::query(std::function<void(Journal&)> question) {
  push(std::move(question));
}

void CommitThread::push(Item item) {
  {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(item));
  }
  wake_.notify_one();
}

void CommitThread::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void CommitThread::loop() {
  for (;;) {
    std::vector<Item> items;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      items.swap(queue_);
    }
    work(std::move(items));
  }
}

void CommitThread::work(std::vector<Item> items) {
  std::vector<v1::Event> batch;
  for (Item& item : items) {
    if (auto* events = std::get_if<std::vector<v1::Event>>(&item)) {
      for (v1::Event& event : *events) batch.push_back(std::move(event));
      continue;
    }
    commit(batch);
    if (auto* snapshot = std::get_if<v1::Snapshot>(&item)) {
      // Only saves time at the next start: the events are there.
      Status status = journal_->save_snapshot(*snapshot);
      if (!status.ok()) log_warning("journal snapshot not written", {{"error", status.message()}});
    } else {
      std::get<std::function<void(Journal&)>>(item)(*journal_);
    }
  }
  commit(batch);
}

void CommitThread::commit(std::vector<v1::Event>& batch) {
  if (batch.empty()) return;
  auto begin = std::chrono::steady_clock::now();
  Status status = journal_->append(batch);
  if (!status.ok()) {
    observer_.on_failure(status);
    CHECK(false, "a failed commit must end the process");
  }
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (observer_.on_commit) observer_.on_commit(took.count(), batch.size());
  if (observer_.on_durable) observer_.on_durable(batch.back().seq());
  batch.clear();
}

}  // namespace rekindle::coordinator
