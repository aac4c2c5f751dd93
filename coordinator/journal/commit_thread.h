// The one thread that owns the journal. Everything that waits while a commit runs goes into the next
// one (group commit), so a commit costs one fsync however many submissions it carries.
//
// A failed commit ends the process (on_failure, which must not return): memory is ahead of the disk by
// then, and after a failed fsync the kernel may have dropped what it could not write.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

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
  CommitThread(std::unique_ptr<Journal> journal, CommitObserver observer);
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
  void loop();
  void work(std::vector<Item> items);
  void commit(std::vector<v1::Event>& batch);

  std::unique_ptr<Journal> journal_;
  CommitObserver observer_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rekindle::coordinator
