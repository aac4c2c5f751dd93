#include "dataio/order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace rekindle::dataio {
namespace {

using ::testing::ElementsAre;

// Known answers, so that another machine, compiler or release trains in the same order. From
// golden/order.py, which implements SplitMix64 and Lemire's draw on Python's integers.
TEST(Order, IsTheSameEverywhere) {
  EXPECT_THAT(permutation(8, 1, 0), ElementsAre(2, 3, 1, 0, 7, 5, 6, 4));
  EXPECT_THAT(permutation(8, 1, 1), ElementsAre(1, 3, 2, 7, 6, 5, 4, 0));
  EXPECT_THAT(permutation(5, 18446744073709551615u, 7), ElementsAre(0, 1, 3, 2, 4));
}

TEST(Order, HoldsEveryRowOnce) {
  for (uint64_t rows : {0u, 1u, 2u, 3u, 100u, 4097u}) {
    std::vector<int64_t> order = permutation(rows, 3, 4);
    std::sort(order.begin(), order.end());
    ASSERT_EQ(order.size(), rows);
    for (uint64_t i = 0; i < rows; ++i) EXPECT_EQ(order[i], static_cast<int64_t>(i));
  }
}

TEST(Order, DiffersBySeedAndEpochAndTheirSwap) {
  std::set<std::vector<int64_t>> orders;
  for (uint64_t seed = 0; seed < 8; ++seed)
    for (uint64_t epoch = 0; epoch < 8; ++epoch) orders.insert(permutation(100, seed, epoch));
  EXPECT_EQ(orders.size(), 64u);
}

// Each of the 24 orders of 4 rows over 24,000 epochs: chi-square with 23 degrees of freedom stays below
// its 99.99 % point.
TEST(Order, IsUniform) {
  std::map<std::vector<int64_t>, int> seen;
  constexpr int kEpochs = 24000;
  for (int epoch = 0; epoch < kEpochs; ++epoch) ++seen[permutation(4, 5, static_cast<uint64_t>(epoch))];
  ASSERT_EQ(seen.size(), 24u);
  double chi_square = 0;
  for (const auto& [order, count] : seen) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 58.6);
}

// Whatever the world size, a batch's ranks together hold its rows in order.
TEST(Order, RanksTogetherHoldTheBatchInOrder) {
  for (uint64_t rows : {1u, 7u, 64u, 1000u, 1025u}) {
    for (uint64_t batch : {1u, 3u, 64u, 2000u}) {
      for (uint32_t world : {1u, 2u, 3u, 5u}) {
        uint64_t next = 0;
        for (uint64_t b = 0; b < batches_per_epoch(rows, batch); ++b) {
          const Slice whole = batch_slice(rows, batch, b);
          EXPECT_LE(whole.size(), batch);
          for (uint32_t rank = 0; rank < world; ++rank) {
            const Slice part = rank_part(whole, rank, world);
            EXPECT_EQ(part.begin, next);
            EXPECT_LE(part.size(), (whole.size() + world - 1) / world);
            EXPECT_GE(part.size(), whole.size() / world);
            next = part.end;
          }
        }
        EXPECT_EQ(next, rows);
      }
    }
  }
}

TEST(Order, NoRowsNoBatches) {
  EXPECT_EQ(batches_per_epoch(0, 10), 0u);
}

}  // namespace
}  // namespace rekindle::dataio
