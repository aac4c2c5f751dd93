// What survives the coordinator's process: a journal whose appends fail, or are the last thing that a process
// does, and an artifact store that is away now and then.
#pragma once

#include <functional>
#include <memory>

#include "artifacts/fake_store.h"
#include "base/files.h"
#include "coordinator/journal/fake_journal.h"
#include "tests/simulation/whole/outside.h"

namespace rekindle::whole {

struct Disk {
  std::shared_ptr<coordinator::FakeJournalStorage> journal =
      std::make_shared<coordinator::FakeJournalStorage>();
  std::chrono::steady_clock::time_point full_until;
  int64_t appends = 0;
  // A crash at exactly this append, before or after it is durable; -1: as the dice fall.
  int64_t crash_at = -1;
  bool crash_before = false;
  uint32_t crash_percent = 4;
  std::function<void(const v1::Event&)> stored;  // told of each event that is durable
};

// The journal as one process has it. Once `alive` is false the process is dead: what is left of it writes
// nothing more.
class ProcessJournal final : public coordinator::Journal {
 public:
  ProcessJournal(Outside& outside, Disk& disk, std::shared_ptr<const bool> alive)
      : outside_(outside), disk_(disk), alive_(std::move(alive)), stored_(disk.journal) {}

  Result<coordinator::Loaded> load() override { return stored_.load(); }
  Status append(std::span<const v1::Event> events) override;
  Status save_snapshot(const v1::Snapshot& snapshot) override;
  Result<std::vector<v1::Event>> about(const std::string& subject, uint64_t from, uint32_t limit) override {
    return stored_.about(subject, from, limit);
  }
  Result<uint64_t> queued_at(const std::string& run) override { return stored_.queued_at(run); }
  Status begin_copy(const fs::path& to) override { return stored_.begin_copy(to); }
  Result<bool> copy_piece() override { return stored_.copy_piece(); }
  void drop_copy() override { stored_.drop_copy(); }
  Result<std::vector<coordinator::RunRow>> runs(uint32_t limit) override { return stored_.runs(limit); }
  Result<std::vector<v1::AliasMove>> alias_history(const std::string& model) override {
    return stored_.alias_history(model);
  }
  Result<std::vector<v1::Version>> versions(const std::string& model) override {
    return stored_.versions(model);
  }

 private:
  bool full() const { return !outside_.healthy && outside_.clock.monotonic() < disk_.full_until; }

  Outside& outside_;
  Disk& disk_;
  std::shared_ptr<const bool> alive_;
  coordinator::FakeJournal stored_;
};

class FlakyStore final : public artifacts::Store {
 public:
  explicit FlakyStore(Outside& outside) : outside_(outside) {}
  artifacts::Store& within() { return blobs_; }  // as ranks reach it, who have their own retries

  Result<std::string> put(std::string_view bytes) override { return blobs_.put(bytes); }
  Result<std::string> put_file(const fs::path& file) override { return blobs_.put_file(file); }
  Result<std::string> get(std::string_view sha256, uint64_t limit) const override;
  Result<fs::path> path(std::string_view sha256, artifacts::Verify verify) const override;
  Result<uint64_t> size(std::string_view sha256) const override;
  Result<bool> exists(std::string_view sha256) const override { return blobs_.exists(sha256); }
  std::string describe() const override { return blobs_.describe(); }

 private:
  Status reach() const;
  Outside& outside_;
  artifacts::FakeStore blobs_;
};

}  // namespace rekindle::whole
