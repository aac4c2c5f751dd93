// Gradients of all ranks against exact sums in rank order, both ways, whole and in parts, and as halves.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "base/hash.h"
#include "modules.h"
#include "run_ranks.h"
#include "trainer/fit/digest.h"
#include "trainer/fit/gradients.h"
#include "trainer/fit/stepper.h"

namespace rekindle::trainer {
namespace {

v1::Reduction reduction(v1::Reduction::Kind kind, v1::Reduction::Compress compress = v1::Reduction::NONE) {
  v1::Reduction out;
  out.set_kind(kind);
  out.set_compress(compress);
  return out;
}

std::unique_ptr<Collectives> all_ranks() {
  return open_mpi(std::atoi(std::getenv("OMPI_COMM_WORLD_SIZE"))).value();
}

// In step 3 the last rank has no rows.
size_t rows_of(uint64_t step, int rank, int size) {
  return step == 3 && rank == size - 1 ? 0 : 4 + static_cast<size_t>(rank);
}

// Each rank computes all ranks' gradients by itself and adds them up in rank order.
std::string exact(v1::Reduction::Kind kind) {
  auto c = all_ranks();
  SmallModule ours, alone;
  Gradients reduced(ours.module, *c, reduction(kind));
  const bool buckets = kind == v1::Reduction::BUCKETS && c->size() > 1;
  const float share = buckets ? 1.0f / static_cast<float>(c->size()) : 1.0f;
  constexpr size_t kBatch = 8;
  for (uint64_t step = 0; step < 6; ++step) {
    FlatBuffer want;
    for (int r = 0; r < c->size(); ++r) {
      auto examples = small_examples(rows_of(step, r, c->size()), step * 10 + static_cast<uint64_t>(r));
      alone.parameters().zero_gradients();
      if (examples.rows() > 0) {
        if (buckets || !alone.module.add_gradients(examples, positions(examples.rows()), {}, 1.0 / kBatch))
          alone.loss(examples, {}, (buckets ? c->size() : 1) / static_cast<double>(kBatch)).backward();
      }
      auto part = alone.gradients();
      for (float& g : part) g *= share;
      if (r == 0)
        want = part;
      else
        for (size_t i = 0; i < want.size(); ++i) want[i] += part[i];
    }
    auto examples =
        small_examples(rows_of(step, c->rank(), c->size()), step * 10 + static_cast<uint64_t>(c->rank()));
    reduced.begin(kBatch);
    reduced.add(examples, positions(examples.rows()), {}, true);
    double sums[2] = {0.1 + c->rank(), 1};
    reduced.finish(sums);
    if (std::memcmp(want.data(), ours.gradients().data(), want.size() * sizeof(float)) != 0)
      return "gradients of step " + std::to_string(step);
    const double n = c->size();
    if (std::abs(sums[0] - (0.1 * n + n * (n - 1) / 2)) > 1e-6 || sums[1] != n) return "sums beside them";
  }
  return "";
}
RANK_BODY(exact_flat) {
  return exact(v1::Reduction::FLAT);
}
RANK_BODY(exact_buckets) {
  return exact(v1::Reduction::BUCKETS);
}

// Twenty steps of a batch that all ranks share; the flat parameters after them.
FlatBuffer fitted(Collectives& c, const v1::Reduction& how, uint32_t accumulate = 1, bool bf16 = false) {
  SmallModule f;
  v1::Train spec;
  spec.mutable_optimizer()->mutable_sgd()->set_rate(0.1);
  *spec.mutable_reduction() = how;
  spec.set_accumulate(accumulate);
  if (bf16) spec.set_precision(v1::BF16);
  Stepper stepper(f.module, c, spec, 20);
  const auto examples = small_examples(33);
  for (uint64_t step = 0; step < 20; ++step) {
    stepper.gradients(examples, positions(33), step, {});
    stepper.update(step);
  }
  return f.parameters().host();
}

double apart(const FlatBuffer& a, const FlatBuffer& b) {
  double out = 0;
  for (size_t i = 0; i < a.size(); ++i) out = std::max(out, std::abs(double{a[i]} - b[i]));
  return out;
}

bool same_on_all(Collectives& c, const FlatBuffer& mine) {
  const uint64_t digest =
      stable_hash({reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(float)});
  std::vector<uint64_t> all(static_cast<size_t>(c.size()));
  c.gather(std::as_bytes(std::span(&digest, 1)), std::as_writable_bytes(std::span(all)));
  return compare(all).ranks.empty();
}

// Both ways, parts and halves end where one rank alone does.
RANK_BODY(ways_agree) {
  auto c = all_ranks();
  auto lone = lone_rank();
  const auto alone = fitted(*lone, reduction(v1::Reduction::FLAT));
  for (auto kind : {v1::Reduction::FLAT, v1::Reduction::BUCKETS}) {
    const std::string name = v1::Reduction::Kind_Name(kind);
    const auto whole = fitted(*c, reduction(kind));
    if (!same_on_all(*c, whole)) return name + ": the ranks differ";
    if (whole != fitted(*c, reduction(kind))) return name + ": another time other bits";
    if (double off = apart(alone, whole); off > 2e-6)
      return name + " is off one rank by " + std::to_string(off);
    // More parts than rows: some are empty.
    for (uint32_t parts : {3, 40}) {
      const auto summed = fitted(*c, reduction(kind), parts);
      if (!same_on_all(*c, summed)) return name + " in parts: the ranks differ";
      if (double off = apart(alone, summed); off > 2e-6)
        return name + " in parts is off by " + std::to_string(off);
    }
    for (auto compress : {v1::Reduction::HALF, v1::Reduction::BFLOAT}) {
      const auto halves = fitted(*c, reduction(kind, compress));
      if (!same_on_all(*c, halves)) return name + " compressed: the ranks differ";
      const double off = apart(alone, halves), most = compress == v1::Reduction::HALF ? 2e-3 : 2e-2;
      if (c->size() > 1 && (off == 0 || off > most))
        return name + " compressed is off by " + std::to_string(off);
    }
  }
  return "";
}

class AllRanks : public ::testing::TestWithParam<std::tuple<int, const char*>> {};
INSTANTIATE_TEST_SUITE_P(Table, AllRanks,
                         ::testing::Combine(::testing::Values(1, 2, 3),
                                            ::testing::Values("exact_flat", "exact_buckets", "ways_agree")));
TEST_P(AllRanks, Agree) {
  auto ended = run_ranks(std::get<0>(GetParam()), std::get<1>(GetParam()));
  EXPECT_EQ(ended.code, 0) << ended.log;
}

TEST(Precision, Bf16StaysNearAndIsNotTheSame) {
  auto lone = lone_rank();
  const auto full = fitted(*lone, reduction(v1::Reduction::FLAT));
  const auto half = fitted(*lone, reduction(v1::Reduction::FLAT), 1, true);
  EXPECT_GT(apart(full, half), 1e-6);
  EXPECT_LT(apart(full, half), 2e-2);
}

TEST(Choice, IsBySizeUnlessForced) {
  auto lone = lone_rank();
  SmallModule f;
  EXPECT_EQ(Gradients(f.module, *lone, reduction(v1::Reduction::BUCKETS)).describe(), "one rank");
}

TEST(Digest, TheMajorityIsRight) {
  auto sentence = [](std::vector<uint64_t> digests) {
    return compare(digests).sentence(static_cast<int>(digests.size()));
  };
  EXPECT_EQ(sentence({7, 7, 7}), "");
  EXPECT_EQ(sentence({7, 8, 7}), "rank 1 holds other parameters than the other 2");
  EXPECT_EQ(sentence({9, 7, 7, 8, 7}), "ranks 0 and 3 hold other parameters than the other 3");
  EXPECT_EQ(sentence({7, 8}),
            "ranks 0 and 1 hold different parameters, and no majority says which are right");
  EXPECT_EQ(sentence({7, 8, 7, 8}),
            "ranks 0, 1, 2 and 3 hold different parameters, and no majority says which are right");
  EXPECT_EQ(compare(std::vector<uint64_t>{7, 8, 7}).culprit(), 2);
  EXPECT_EQ(compare(std::vector<uint64_t>{7, 8}).culprit(), 0);
}

}  // namespace
}  // namespace rekindle::trainer
