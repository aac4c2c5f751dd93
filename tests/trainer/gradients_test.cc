// Gradients of all ranks against an exact sum in rank order.
#include <gtest/gtest.h>

#include <cstring>

#include "modules.h"
#include "run_ranks.h"
#include "trainer/fit/gradients.h"

namespace rekindle::trainer {
namespace {

// Each rank computes all ranks' gradients by itself and adds them up in rank order.
RANK_BODY(reducer) {
  auto c = open_mpi(std::atoi(std::getenv("OMPI_COMM_WORLD_SIZE"))).value();
  SmallModule ours, alone;
  Gradients reduced(ours.parameters(), *c);
  auto lone = lone_rank();
  Gradients single(alone.parameters(), *lone);
  const float share = 1.0f / static_cast<float>(c->size());
  for (uint64_t step = 0; step < 6; ++step) {
    // In step 3 the last rank has no rows.
    auto rows_of = [&](int rank) {
      return step == 3 && rank == c->size() - 1 ? size_t{0} : size_t{4} + rank;
    };
    FlatBuffer want;
    for (int r = 0; r < c->size(); ++r) {
      auto examples = small_examples(rows_of(r), step * 10 + r);
      single.before_forward();
      single.backward(alone.loss(examples));
      auto part = alone.gradients();
      for (float& g : part) g *= share;
      if (r == 0)
        want = part;
      else
        for (size_t i = 0; i < want.size(); ++i) want[i] += part[i];
    }
    auto examples = small_examples(rows_of(c->rank()), step * 10 + c->rank());
    reduced.before_forward();
    reduced.backward(ours.loss(examples));
    if (std::memcmp(want.data(), ours.gradients().data(), want.size() * sizeof(float)) != 0) {
      return "gradients of step " + std::to_string(step);
    }
  }
  return "";
}

class ReducerRanks : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Table, ReducerRanks, ::testing::Values(1, 2, 3));
TEST_P(ReducerRanks, GradientsAreTheExactMeanInRankOrder) {
  auto ended = run_ranks(GetParam(), "reducer");
  EXPECT_EQ(ended.code, 0) << ended.log;
}

}  // namespace
}  // namespace rekindle::trainer
