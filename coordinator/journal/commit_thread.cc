#include "coordinator/journal/commit_thread.h"

#include <chrono>
#include <thread>

#include "base/faults/crash_point.h"
#include "base/log.h"

namespace rekindle::coordinator {

namespace {
constexpr std::chrono::milliseconds kRoomAgain{500};
}  // namespace

CommitThread::CommitThread(std::unique_ptr<Journal> journal, CommitObserver observer, Hands* hands)
    : journal_(std::move(journal)),
      observer_(std::move(observer)),
      simulated_(hands != nullptr),
      worker_([this] { return turn(); }, hands) {}

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
  worker_.wake();
}

void CommitThread::stop() {
  stopping_ = true;
  worker_.stop();
  turn();
}

std::optional<Micros> CommitThread::turn() {
  std::vector<Item> items;
  {
    std::lock_guard lock(mutex_);
    items.swap(queue_);
  }
  work(std::move(items));
  return std::nullopt;
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
      crash_point("journal-snapshot-saving");
      const Status status = journal_->save_snapshot(*snapshot);
      crash_point("journal-snapshot-saved");
      must_go_well(status, "journal snapshot");
    } else {
      std::get<std::function<void(Journal&)>>(item)(*journal_);
    }
  }
  commit(batch);
}

void CommitThread::commit(std::vector<v1::Event>& batch) {
  if (batch.empty()) return;
  auto begin = std::chrono::steady_clock::now();
  crash_point("journal-committing");
  Status status = journal_->append(batch);
  // A full disk alone is waited for: the transaction was undone as a whole, and nobody was answered.
  while (status.code() == Code::kResourceExhausted && !stopping_ && !simulated_) {
    log_error("the journal waits for room on its disk", {{"error", status.message()}});
    std::this_thread::sleep_for(kRoomAgain);
    status = journal_->append(batch);
  }
  if (!status.ok()) {
    observer_.on_failure(status);
    CHECK(false, "a failed commit must end the process");
  }
  crash_point("journal-committed");
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (observer_.on_commit) observer_.on_commit(took.count(), batch.size());
  if (observer_.on_durable) observer_.on_durable(batch.back().seq());
  batch.clear();
  // Nobody waits for it but the next commit.
  must_go_well(journal_->upkeep(), "journal upkeep");
}

// For what is not the commit itself: a full disk only puts it off.
void CommitThread::must_go_well(const Status& status, std::string_view what) {
  if (status.ok()) return;
  if (status.code() == Code::kResourceExhausted)
    return log_warning("the journal's disk is full", {{"in", what}, {"error", status.message()}});
  observer_.on_failure(status);
  CHECK(false, "a failed write must end the process");
}

}  // namespace rekindle::coordinator
