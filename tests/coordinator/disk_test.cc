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
