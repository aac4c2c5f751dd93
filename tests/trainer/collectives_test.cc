#include "trainer/collectives/collectives.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstring>

#include "run_ranks.h"

namespace rekindle::trainer {
namespace {

int world() {
  return std::atoi(std::getenv("OMPI_COMM_WORLD_SIZE"));
}

// Values whose sum depends on the order in which they are added.
template <typename T>
std::vector<T> values_of(int rank, size_t count) {
  std::vector<T> out(count);
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<T>(std::sin(1.0 + rank * 7919.0 + static_cast<double>(i) * 0.37) *
                            std::pow(10.0, (i + rank) % 7));
  }
  return out;
}

template <typename T>
std::vector<T> sum_in_rank_order(int ranks, size_t count) {
  auto out = values_of<T>(0, count);
  for (int r = 1; r < ranks; ++r) {
    auto more = values_of<T>(r, count);
    for (size_t i = 0; i < count; ++i) out[i] += more[i];
  }
  return out;
}

template <typename T>
std::string check_sums(Collectives& c) {
  for (size_t count :
       {0u, 1u, 3u, 17u, 1000u, 4096u, 4097u, 8192u, 8209u, 40'000u, 524'288u, 1'048'577u, 1'300'003u}) {
    auto whole = values_of<T>(c.rank(), count);
    c.sum(std::span<T>(whole));
    const auto want = sum_in_rank_order<T>(c.size(), count);
    if (std::memcmp(whole.data(), want.data(), count * sizeof(T)) != 0)
      return "a sum of " + std::to_string(count);
    // The same values in pieces, at other addresses: not a bit may change.
    auto pieces = values_of<T>(c.rank(), count);
    for (size_t at = 0, piece = 1; at < count; at += piece, piece = piece * 3 + 1) {
      piece = std::min(piece, count - at);
      std::vector<T> moved(pieces.begin() + at, pieces.begin() + at + piece);
      c.sum(std::span<T>(moved));
      if (std::memcmp(moved.data(), want.data() + at, piece * sizeof(T)) != 0)
        return "a piece of " + std::to_string(piece);
    }
  }
  return "";
}

std::string check_all(Transport transport) {
  auto opened = open_mpi(world(), transport);
  if (!opened.ok()) return opened.status().message();
  auto& c = **opened;
  if (auto problem = check_sums<float>(c); !problem.empty()) return problem;
  if (auto problem = check_sums<double>(c); !problem.empty()) return problem;
  for (size_t count : {1u, 100u, 5'000'001u}) {
    for (int root = 0; root < c.size(); ++root) {
      std::vector<std::byte> bytes(count, std::byte(c.rank() == root ? 40 + root : 1));
      c.broadcast(bytes, root);
      for (auto b : bytes)
        if (b != std::byte(40 + root)) return "a broadcast of " + std::to_string(count);
    }
    std::vector<std::byte> mine(count, std::byte(c.rank() + 1)), all(count * c.size());
    c.gather(mine, all);
    for (size_t i = 0; i < all.size(); ++i)
      if (all[i] != std::byte(i / count + 1)) return "a gather";
  }
  // Many short operations of all kinds in a row: a fast rank must not overtake a slow one.
  for (int i = 0; i < 3000; ++i) {
    double one[3] = {1.0 * i, 1.0 * c.rank(), 0.5};
    c.sum(std::span<double>(one));
    if (one[0] != 1.0 * i * c.size() || one[1] != c.size() * (c.size() - 1) / 2.0) return "a short sum";
    int32_t word = c.rank() == i % c.size() ? i : -1;
    c.broadcast(std::as_writable_bytes(std::span(&word, 1)), i % c.size());
    if (word != i) return "a short broadcast";
    if (i % 16 == 0) c.barrier();
    if (i % 500 == c.rank()) usleep(300);
  }
  if (c.begun() == 0) return "collectives are not counted";
  return "";
}

RANK_BODY(window) {
  return check_all(Transport::kBest);
}
RANK_BODY(messages) {
  return check_all(Transport::kMessages);
}
// 64 MB and a bit, against the same sum in rank order.
std::string check_long_sum(Transport transport) {
  auto opened = open_mpi(world(), transport);
  if (!opened.ok()) return opened.status().message();
  auto& c = **opened;
  const size_t count = (16u << 20) + 5;
  auto value = [](int rank, size_t i) {
    const auto mixed = static_cast<uint32_t>((i + 1) * 2654435761u * static_cast<uint32_t>(2 * rank + 1));
    return static_cast<float>(mixed >> 8) * (i % 3 == 0 ? 1e-3f : 1e3f);
  };
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = value(c.rank(), i);
  c.sum(std::span<float>(values));
  for (size_t i = 0; i < count; ++i) {
    float want = value(0, i);
    for (int r = 1; r < c.size(); ++r) want += value(r, i);
    if (std::memcmp(&want, &values[i], sizeof want) != 0) return "value " + std::to_string(i);
  }
  return "";
}
RANK_BODY(long_window) {
  return check_long_sum(Transport::kBest);
}
RANK_BODY(long_messages) {
  return check_long_sum(Transport::kMessages);
}

RANK_BODY(wrong_world) {
  auto opened = open_mpi(world() + 1);
  return opened.ok() ? "another world size was accepted" : "";
}

RANK_BODY(speed) {
  auto c = open_mpi(world()).value();
  for (size_t bytes : {64u, 64u << 10, 8u << 20}) {
    std::vector<float> values(bytes / 4, 1.0f);
    const int rounds = bytes > (1u << 20) ? 20 : 2000;
    c->barrier();
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i) c->sum(std::span<float>(values));
    const double us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count() / rounds;
    if (c->rank() == 0) std::printf("sum of %zu bytes: %.1f us\n", bytes, us);
  }
  return "";
}

class Ranks : public ::testing::TestWithParam<std::tuple<int, const char*>> {};
INSTANTIATE_TEST_SUITE_P(Table, Ranks,
                         ::testing::Combine(::testing::Values(1, 2, 3, 5),
                                            ::testing::Values("window", "messages")));

TEST_P(Ranks, CollectivesAreExactInRankOrder) {
  auto ended = run_ranks(std::get<0>(GetParam()), std::get<1>(GetParam()));
  EXPECT_EQ(ended.code, 0) << ended.log;
}

class LongSums : public ::testing::TestWithParam<std::tuple<int, const char*>> {};
INSTANTIATE_TEST_SUITE_P(Table, LongSums,
                         ::testing::Combine(::testing::Values(2, 3, 5),
                                            ::testing::Values("long_window", "long_messages")));

TEST_P(LongSums, AreExactInRankOrder) {
  auto ended = run_ranks(std::get<0>(GetParam()), std::get<1>(GetParam()));
  EXPECT_EQ(ended.code, 0) << ended.log;
}

TEST(Collectives, AWrongWorldSizeIsRefused) {
  auto ended = run_ranks(2, "wrong_world");
  EXPECT_EQ(ended.code, 0) << ended.log;
}

TEST(Collectives, Speed) {
  auto ended = run_ranks(2, "speed");
  EXPECT_EQ(ended.code, 0) << ended.log;
  std::printf("%s", ended.log.c_str());
}

TEST(Collectives, ALoneRankNeedsNobody) {
  auto c = lone_rank();
  std::vector<float> v = {1, 2};
  c->sum(std::span<float>(v));
  EXPECT_EQ(v, (std::vector<float>{1, 2}));
  int mine = 7, all = 0;
  c->gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(&all, 1)));
  EXPECT_EQ(all, 7);
}

}  // namespace
}  // namespace rekindle::trainer
