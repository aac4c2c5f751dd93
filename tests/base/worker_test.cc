#include "base/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace rekindle {
namespace {

// Waits for what another thread does; the bound is only for a broken test.
bool eventually(const std::atomic<int>& turns, int least) {
  for (int i = 0; i < 5'000 && turns < least; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return turns >= least;
}

TEST(Worker, TakesATurnAtItsStartAndWhenItIsWoken) {
  std::atomic<int> turns = 0;
  Worker worker([&]() -> std::optional<Micros> {
    ++turns;
    return std::nullopt;
  });
  ASSERT_TRUE(eventually(turns, 1));
  worker.wake();
  ASSERT_TRUE(eventually(turns, 2));
  worker.stop();
  worker.wake();
  EXPECT_EQ(turns, 2) << "none once it was stopped";
}

TEST(Worker, TakesAnotherWhenItsRestIsOver) {
  std::atomic<int> turns = 0;
  Worker worker([&]() -> std::optional<Micros> {
    ++turns;
    return Micros(100);
  });
  EXPECT_TRUE(eventually(turns, 5));
}

TEST(Worker, AWakeDuringATurnIsNotLost) {
  std::atomic<int> turns = 0;
  Worker* self = nullptr;
  std::atomic<bool> known = false;
  Worker worker([&]() -> std::optional<Micros> {
    while (!known) std::this_thread::yield();
    if (++turns == 1) self->wake();
    return std::nullopt;
  });
  self = &worker;
  known = true;
  EXPECT_TRUE(eventually(turns, 2));
}

TEST(Worker, WithHandsItHasNoThread) {
  struct Recorder : Hands {
    void begin(Worker&) override { said.push_back("begin"); }
    void wake(Worker&) override { said.push_back("wake"); }
    void end(Worker&) override { said.push_back("end"); }
    std::vector<std::string> said;
  } hands;
  int turns = 0;
  Worker worker(
      [&]() -> std::optional<Micros> {
        ++turns;
        return Micros(7);
      },
      &hands);
  worker.wake();
  EXPECT_EQ(turns, 0);
  EXPECT_EQ(worker.take_turn(), Micros(7));
  worker.stop();
  EXPECT_EQ(hands.said, (std::vector<std::string>{"begin", "wake", "end"}));
}

}  // namespace
}  // namespace rekindle
