// A journal in memory, for tests and the simulator. Shared storage lets a test "restart" on what a
// former instance wrote; fail_next makes the next append fail without effect.
#pragma once

#include <memory>

#include "coordinator/journal/journal.h"

namespace rekindle::coordinator {

struct FakeJournalStorage {
  std::vector<v1::Event> events;
  std::optional<v1::Snapshot> snapshot;
  Status fail_next;
};

class FakeJournal final : public Journal {
 public:
  explicit FakeJournal(std::shared_ptr<FakeJournalStorage> storage = std::make_shared<FakeJournalStorage>())
      : storage_(std::move(storage)) {}

  Result<Loaded> load() override;
  Status append(std::span<const v1::Event> events) override;
  Status save_snapshot(const v1::Snapshot& snapshot) override;
  Result<std::vector<v1::Event>> about(const std::string& subject, uint64_t from_seq,
                                       uint32_t limit) override;
  Result<uint64_t> queued_at(const std::string& run) override;
  Status begin_copy(const std::filesystem::path&) override {
    return failed_precondition("a journal in memory is not copied");
  }
  Result<bool> copy_piece() override { return begin_copy({}); }
  void drop_copy() override {}
  Result<std::vector<RunRow>> runs(uint32_t limit) override;
  Result<std::vector<v1::AliasMove>> alias_history(const std::string& model) override;
  Result<std::vector<v1::Version>> versions(const std::string& model) override;

 private:
  std::shared_ptr<FakeJournalStorage> storage_;
};

}  // namespace rekindle::coordinator
