// Runs that ended long ago leave the state, and nothing that was promised of them.
#include "core/decide/retired.h"
#include "tests/core/driver.h"

namespace rekindle::core::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Retiring : Driver {
  Retiring() {
    world.keep = {.runs = 3, .time = std::chrono::hours(2)};
    add_job();
    trains(start());  // version 1
    nodes_follow();
  }
  // Over, with nothing to show for it.
  v1::Run rejected(const std::string& key) {
    const std::string id = start("flight-delay", key);
    trains(id, evaluation_of(0.6, 0.5));
    EXPECT_EQ(run_of(id).state(), v1::REJECTED);
    return whole(state, run_of(id));
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (const auto& [id, run] : state.runs) out.push_back(id.value);
    return out;
  }
};

TEST(Retired, AreTheOldestBeyondTheNewestOnceTheirTimeIsOver) {
  Retiring d;
  for (int i = 2; i <= 6; ++i) d.rejected("k" + std::to_string(i));
  EXPECT_EQ(d.state.runs.size(), 6u) << "all are of late";
  d.pass(std::chrono::hours(3));
  EXPECT_THAT(d.ids(), ElementsAre("flight-delay-1", "flight-delay-4", "flight-delay-5", "flight-delay-6"))
      << "the run of a version stays";
  d.pass(std::chrono::hours(1000));
  EXPECT_EQ(d.state.runs.size(), 4u) << "the newest stay however old they are";
}

TEST(Retired, TheirKeysMakeNoSecondRun) {
  Retiring d;
  for (int i = 2; i <= 6; ++i) d.rejected("k" + std::to_string(i));
  d.pass(std::chrono::hours(3));
  v1::StartRunRequest request;
  request.set_job("flight-delay");
  request.set_idempotency_key("k2");
  for (State* state : {&d.state, static_cast<State*>(nullptr)}) {
    if (state == nullptr) d.state = from_snapshot(to_snapshot(d.state));  // and after a restart
    const Status refused = d.refuse(StartRun{request});
    EXPECT_EQ(refused.code(), Code::kAlreadyExists);
    EXPECT_THAT(refused.message(), HasSubstr("ended long ago"));
  }
  EXPECT_EQ(d.start("flight-delay", "k6"), "flight-delay-6") << "one that is there is found";
  EXPECT_EQ(d.start("flight-delay", "k7"), "flight-delay-7");
}

TEST(Retired, AreToldByTheJournalAsTheyWere) {
  Retiring d;
  const v1::Run was = d.rejected("k2");
  for (int i = 3; i <= 6; ++i) d.rejected("k" + std::to_string(i));
  d.pass(std::chrono::hours(3));
  ASSERT_EQ(find_run(d.state, was.id()), nullptr);
  PastRun past(d.state, was.id());
  EXPECT_FALSE(past.run().has_value());
  for (const v1::Event& event : d.journal) past.tell(event);
  ASSERT_TRUE(past.over());
  EXPECT_EQ(past.run()->DebugString(), was.DebugString());
}

TEST(Retired, ReplayGivesTheSameState) {
  Retiring d;
  for (int i = 2; i <= 6; ++i) d.rejected("k" + std::to_string(i));
  d.pass(std::chrono::hours(3));
  State replayed;
  for (const v1::Event& event : d.journal) apply(replayed, event);
  EXPECT_EQ(to_snapshot(replayed).DebugString(), to_snapshot(d.state).DebugString());
  EXPECT_EQ(from_snapshot(to_snapshot(d.state)).over, d.state.over);
}

// What came in between two ticks does not stop the clock: a piece at a time.
TEST(Retired, ManyLeaveInPieces) {
  Retiring d;
  d.world.keep.runs = 0;
  for (int i = 0; i < 600; ++i) {
    const std::string id = d.start();
    v1::CancelRunRequest cancel;
    cancel.set_id(id);
    d.run(CancelRun{cancel});
    if (live_attempt(d.run_of(id))) d.ends(id, v1::END_CANCELLED);
  }
  d.pass(std::chrono::hours(3));
  EXPECT_EQ(d.state.runs.size(), 1u);
  int events = 0;
  for (const v1::Event& event : d.journal) events += event.has_runs_retired();
  EXPECT_EQ(events, 2);
}

}  // namespace
}  // namespace rekindle::core::testing
