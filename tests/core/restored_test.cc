// What a restored state goes on with.
#include "core/decide/restored.h"
#include "tests/core/driver.h"

namespace rekindle::core::testing {
namespace {

using ::testing::IsEmpty;

// The event that a restore writes.
void restore(Driver& driver) {
  v1::Restored told;
  told.set_made_us(to_micros(driver.world.now));
  told.set_made_of("/srv/rekindle");
  const v1::Event event = restored_event(driver.state, told, driver.world.now);
  apply(driver.state, event);
  driver.journal.push_back(event);
  EXPECT_THAT(broken_invariants(driver.state, *driver.world.cluster), IsEmpty());
}

TEST(Restored, PassesOverNumbersThatMayHaveBeenGiven) {
  Driver driver;
  driver.add_job();
  driver.trains(driver.start());
  EXPECT_EQ(driver.start(), "flight-delay-2");
  restore(driver);
  driver.trains("flight-delay-2", evaluation_of(0.4, 0.5));
  EXPECT_EQ(driver.run_of("flight-delay-2").version(), 2001u) << "what was under way goes on";
  const std::string next = driver.start();
  EXPECT_EQ(next, "flight-delay-2001");
  driver.trains(next, evaluation_of(0.3, 0.4));
  EXPECT_EQ(driver.run_of(next).version(), 2002u);
  restore(driver);
  EXPECT_EQ(driver.start(), "flight-delay-4001");
  EXPECT_EQ(driver.model().next_version(), 4001u);
}

TEST(Restored, NoNodesPlanOfAnotherTimeCountsAsThisOne) {
  Driver driver;
  driver.add_job();
  driver.trains(driver.start());
  driver.nodes_follow();
  driver.trains(driver.start(), evaluation_of(0.4, 0.5));  // a rollout that waits for nodes
  ASSERT_TRUE(registry::active(driver.model().rollout()));
  const v1::Rollout::State waits = driver.model().rollout().state();
  const uint64_t before = driver.model().plan().revision();
  restore(driver);
  // A node holds a later plan of the time that is lost.
  driver.world.serving["flight-delay"] = ready_view(before + 5, {1, 2}, 1000);
  driver.run(Tick{}, kSelf);
  EXPECT_EQ(driver.model().rollout().state(), waits);
  driver.nodes_follow();
  EXPECT_NE(driver.model().rollout().state(), waits);
}

TEST(Restored, ReplaysFromTheJournalAndFromASnapshot) {
  Driver driver;
  driver.add_job();
  driver.trains(driver.start());
  restore(driver);
  driver.start();
  State replayed;
  for (const v1::Event& event : driver.journal) apply(replayed, event);
  const std::string now = to_snapshot(driver.state).DebugString();
  EXPECT_EQ(to_snapshot(replayed).DebugString(), now);
  EXPECT_EQ(to_snapshot(from_snapshot(to_snapshot(driver.state))).DebugString(), now);
}

}  // namespace
}  // namespace rekindle::core::testing
