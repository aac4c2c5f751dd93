// REKINDLE_LIVES=n runs n lives (default 250; nightly 100,000); REKINDLE_LIFE=s that of seed s alone, with
// the coordinator's log.
#include "tests/simulation/whole/life.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "base/log.h"

namespace rekindle::whole {
namespace {

uint64_t number(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// A failed check of the coordinator's own ends the process: say how to see it again.
uint64_t g_life = 0;
void on_abort(int) {
  const std::string text = fmt::format("REKINDLE_LIFE={} coordinator_simulation_test\n", g_life);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string told(const Life& life) {
  std::string text;
  for (size_t i = 0; i < life.problems().size() && i < 5; ++i) text += "\n  " + life.problems()[i];
  return text;
}

constexpr std::array kHappens = {
    "PUBLISHED", "REJECTED", "FAILED_RUN", "CANCELLED",
    // Ends of attempts.
    "END_FINISHED", "END_CRASH", "END_HANG", "END_LAUNCH_FAILED", "END_NODE_LOST", "END_YIELDED",
    "END_CANCELLED", "END_DATA_REFUSED", "END_PREEMPTED", "asked to grow", "asked to make way",
    // Ends of the coordinator's process.
    "crash before an append", "crash after an append", "crash of a failed commit", "crash before a start",
    "crash after a start", "crash before a signal", "crash before a command of Slurm's",
    "crash after a command of Slurm's", "kill -9", "host lost", "stopped and started",
    // What else befalls it.
    "clock set", "pause", "disk full", "folder refused", "pools edited", "record damaged", "report half seen",
    "report torn", "supervisor killed", "gang refused by its folder", "key used again",
    // Slurm.
    "answer to a submission lost", "submission late", "submission twice", "node of Slurm's failed",
    "job of Slurm's preempted", "job of Slurm's cancelled by hand", "job of Slurm's requeued"};

// Its faults are thousands of warnings.
class Lives : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGABRT, on_abort);
    start_logging("life", number("REKINDLE_LIFE", 0) ? LogLevel::kInfo : LogLevel(int(LogLevel::kError) + 1),
                  false);
  }
};

TEST_F(Lives, KeepEveryPromise) {
  const uint64_t one = number("REKINDLE_LIFE", 0);
  const uint64_t first = one ? one : number("REKINDLE_FIRST", 1);
  const uint64_t last = one ? one : first + number("REKINDLE_LIVES", 250) - 1;
  int failed = 0;
  std::map<std::string, int> happened;
  for (uint64_t seed = first; seed <= last && failed < 3; ++seed) {
    Life life({.seed = g_life = seed});
    life.live();
    for (const auto& [what, count] : life.happened()) happened[what] += count;
    if (life.problems().empty()) continue;
    ++failed;
    ADD_FAILURE() << "REKINDLE_LIFE=" << seed << " coordinator_simulation_test" << told(life);
  }
  std::string text = fmt::format("lives {} to {}", first, last);
  for (const auto& [what, count] : happened) text += fmt::format(", {} {}", count, what);
  std::cout << text << '\n';
  if (one || failed > 0) return;
  // A life in which nothing happens proves nothing.
  for (const char* what : kHappens) EXPECT_GT(happened[what], static_cast<int>((last - first) / 20)) << what;
}

TEST_F(Lives, OneSeedOneHistory) {
  Life a({.seed = 3}), b({.seed = 3}), c({.seed = 4});
  a.live();
  b.live();
  c.live();
  EXPECT_EQ(a.trace_hash(), b.trace_hash());
  EXPECT_NE(a.trace_hash(), c.trace_hash());
}

TEST_F(Lives, SurviveACrashAtEveryAppend) {
  LifeOptions options{.seed = 7, .steps = 40, .crash_percent = 0, .calm = true};
  Life calm(options);
  calm.live();
  ASSERT_TRUE(calm.problems().empty()) << told(calm);
  ASSERT_GT(calm.appends(), 40);
  for (int64_t at = 0; at < calm.appends(); ++at)
    for (bool before : {true, false}) {
      options.crash_at = at;
      options.crash_before = before;
      Life life(options);
      life.live();
      ASSERT_TRUE(life.problems().empty())
          << "crash " << (before ? "before" : "after") << " append " << at << " is durable" << told(life);
    }
}

}  // namespace
}  // namespace rekindle::whole
