// The one thread that owns the journal. Everything that waits while a commit runs goes into the next
// one (group commit), so a commit costs one fsync however many submissions it carries. Whoever waits for one
// is told before the journal looks after itself.
//
// A failed commit ends the process (on_failure, which must not return): memory is ahead of the disk by
// then, and after a failed fsync the kernel may have dropped what it could not write.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <variant>
#include <vector>

#include "base/worker.h"
#include "coordinator/journal/journal.h"

namespace rekindle::coordinator {

struct CommitObserver {
  // Called on the journal's thread after each commit.
  std::function<void(uint64_t durable_seq)> on_durable;
  std::function<void(double seconds, size_t events)> on_commit;
  std::function<void(const Status&)> on_failure;  // ends the process
};

class CommitThread {
 public:
  CommitThread(std::unique_ptr<Journal> journal, CommitObserver observer, Hands* hands = nullptr);
  ~CommitThread();

  // From any thread; returns at once.
  void append(std::vector<v1::Event> events);
  void save_snapshot(v1::Snapshot snapshot);
  void query(std::function<void(Journal&)> question);  // answered after what was handed in before it

  // Commits what is queued, then joins.
  void stop();

 private:
  using Item = std::variant<std::vector<v1::Event>, v1::Snapshot, std::function<void(Journal&)>>;
  void push(Item item);
  std::optional<Micros> turn();
  void work(std::vector<Item> items);
  void commit(std::vector<v1::Event>& batch);
  void must_go_well(const Status& status, std::string_view what);

  std::unique_ptr<Journal> journal_;
  CommitObserver observer_;
  const bool simulated_;  // no time passes while a turn waits: a full disk ends it at once
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::vector<Item> queue_;
  Worker worker_;
};

}  // namespace rekindle::coordinator
