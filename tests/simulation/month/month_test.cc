// REKINDLE_DAYS=30 REKINDLE_NODES=200 REKINDLE_EVERY=120 simulates the month of docs/scheduling.md, with a
// pass every two minutes at most; a smaller one by default.
#include "tests/simulation/month/month.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace rekindle::core::place::testing {
namespace {

int number(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

TEST(Month, BackfillUsesWhatFifoLeavesAndKeepsItsPromises) {
  MonthOptions options;
  options.days = number("REKINDLE_DAYS", 7);
  options.nodes = static_cast<uint32_t>(number("REKINDLE_NODES", 40));
  options.seed = static_cast<uint64_t>(number("REKINDLE_SEED", 1));
  options.load = number("REKINDLE_LOAD", 90) / 100.0;
  const std::vector<Job> jobs = month(options);
  const Pool pool = cluster_of(options);
  const int64_t every_us = number("REKINDLE_EVERY", 0) * int64_t{1'000'000};
  const MonthResult fifo = simulate(jobs, pool, Policy::kFifo, every_us),
                    easy = simulate(jobs, pool, Policy::kEasy, every_us),
                    ours = simulate(jobs, pool, Policy::kOurs, every_us);
  std::cout
      << jobs.size() << " runs in " << options.days << " days on " << options.nodes << " nodes\n"
      << "| rule | used | mean wait | median | p95 | longest | wide gangs | slowdown | broken | pass |\n"
      << row("FIFO", fifo) << '\n'
      << row("EASY", easy) << '\n'
      << row("rekindle", ours) << '\n';
  EXPECT_GT(ours.utilisation, fifo.utilisation);
  EXPECT_LT(ours.wait_mean_s, fifo.wait_mean_s);
  EXPECT_LT(ours.slowdown_mean, fifo.slowdown_mean);
  EXPECT_GE(ours.utilisation, easy.utilisation - 0.02);
  EXPECT_EQ(ours.broken_promises, 0) << "the first of the queue was told a time";
}

}  // namespace
}  // namespace rekindle::core::place::testing
