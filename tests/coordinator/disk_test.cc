// A journal whose disk is full waits, and what is kept for that day.
#include <array>
#include <atomic>

#include "coordinator/disk_room.h"
#include "coordinator/journal/commit_thread.h"
#include "coordinator/journal/fake_journal.h"
#include "tests/coordinator/harness.h"

namespace rekindle::coordinator {
namespace {

TEST(FullJournal, IsWaitedForAndThenHoldsAll) {
  auto storage = std::make_shared<FakeJournalStorage>();
  storage->fail_next = resource_exhausted("no room");
  std::atomic<uint64_t> durable{0};
  CommitObserver observer;
  observer.on_durable = [&](uint64_t seq) { durable = seq; };
  observer.on_failure = [](const Status& status) { FAIL() << status.to_string(); };
  CommitThread journal(std::make_unique<FakeJournal>(storage), observer);
  v1::Event event;
  event.set_seq(1);
  journal.append({event});
  EXPECT_TRUE(eventually([&] { return durable == 1; }));
  journal.stop();
  EXPECT_EQ(storage->events.size(), 1u);
  EXPECT_TRUE(storage->fail_next.ok()) << "it was tried before";
}

// Says in which order it was asked, and has no room to look after itself.
class Untidy final : public Journal {
 public:
  explicit Untidy(std::vector<std::string>& told) : told_(told) {}
  Result<Loaded> load() override { return stored_.load(); }
  Status append(std::span<const v1::Event> events) override { return stored_.append(events); }
  Status upkeep() override {
    told_.push_back("upkeep");
    return resource_exhausted("no room");
  }
  Status save_snapshot(const v1::Snapshot& snapshot) override { return stored_.save_snapshot(snapshot); }
  Result<std::vector<v1::Event>> about(const std::string& subject, uint64_t from, uint32_t limit) override {
    return stored_.about(subject, from, limit);
  }
  Result<uint64_t> queued_at(const std::string& run) override { return stored_.queued_at(run); }
  Status begin_copy(const fs::path& to) override { return stored_.begin_copy(to); }
  Result<bool> copy_piece() override { return stored_.copy_piece(); }
  void drop_copy() override { stored_.drop_copy(); }
  Result<std::vector<RunRow>> runs(uint32_t limit) override { return stored_.runs(limit); }
  Result<std::vector<v1::AliasMove>> alias_history(const std::string& model) override {
    return stored_.alias_history(model);
  }
  Result<std::vector<v1::Version>> versions(const std::string& model) override {
    return stored_.versions(model);
  }

 private:
  std::vector<std::string>& told_;
  FakeJournal stored_;
};

TEST(FullJournal, WhoWaitsIsToldBeforeItLooksAfterItselfAndIsNotHurtWhenItCannot) {
  std::vector<std::string> told;  // on the journal's thread
  CommitObserver observer;
  observer.on_durable = [&](uint64_t seq) { told.push_back(std::to_string(seq)); };
  observer.on_failure = [](const Status& status) { FAIL() << status.to_string(); };
  CommitThread journal(std::make_unique<Untidy>(told), observer);
  v1::Event event;
  event.set_seq(1);
  journal.append({event});
  journal.stop();
  EXPECT_EQ(told, (std::vector<std::string>{"1", "upkeep"}));
}

TEST(DiskRoom, KeepsAReserve) {
  const TempFolder folder;
  const fs::path reserve = folder.path() / "reserve";
  const std::array folders = {folder.path(), folder.path() / "not there"};
  EXPECT_TRUE(check_room(folders).ok()) << check_room(folders).message();
  tend_reserve(reserve);
  EXPECT_GT(fs::file_size(reserve), 1u << 20);
}

}  // namespace
}  // namespace rekindle::coordinator
