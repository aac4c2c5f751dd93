#include "trainer/collectives/shared_window.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>

namespace rekindle::trainer {
namespace {

// Ranks meet within microseconds when each has a core of its own; when they share one, giving it away is
// the quickest way to be served, so spinning ends soon (a pause is some 50 ns); beyond that the wait is long
// and sleeping costs nothing.
constexpr int kSpins = 100;
constexpr int kYields = 500;
// Below this, each rank adds up everything itself instead of meeting a second time.
constexpr size_t kWholeBytes = 32u << 10;

void futex_wait(std::atomic<uint32_t>& word, uint32_t seen) {
  // The time limit is a belt for the braces of `sleepers`: a wake-up cannot be lost for longer.
  timespec limit{0, 100'000'000};
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT, seen, &limit, nullptr, 0);
}

void futex_wake_all(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

}  // namespace

SharedWindow::SharedWindow(int rank, std::vector<std::byte*> slots) : rank_(rank), slots_(std::move(slots)) {}

void SharedWindow::wait_for(int rank) {
  Head& peer = head(rank);
  auto behind = [&] {
    return static_cast<int32_t>(peer.arrived.load(std::memory_order_acquire) - meetings_) < 0;
  };
  for (int i = 0; i < kSpins; ++i) {
    if (!behind()) return;
    _mm_pause();
  }
  for (int i = 0; i < kYields; ++i) {
    if (!behind()) return;
    sched_yield();
  }
  while (true) {
    peer.sleepers.fetch_add(1);
    uint32_t seen = peer.arrived.load();
    if (static_cast<int32_t>(seen - meetings_) < 0) futex_wait(peer.arrived, seen);
    peer.sleepers.fetch_sub(1);
    if (!behind()) return;
  }
}

void SharedWindow::meet() {
  ++meetings_;
  Head& own = head(rank_);
  own.arrived.store(meetings_);
  if (own.sleepers.load() != 0) futex_wake_all(own.arrived);
  for (int r = 0; r < static_cast<int>(slots_.size()); ++r) {
    if (r != rank_) wait_for(r);
  }
}

// Everybody adds up everything: one meeting.
template <typename T>
void SharedWindow::sum_short(T* values, size_t count) {
  std::memcpy(buffer(rank_, round_), values, count * sizeof(T));
  meet();
  std::memcpy(values, buffer(0, round_), count * sizeof(T));
  T* __restrict out = values;
  for (int r = 1; r < static_cast<int>(slots_.size()); ++r) {
    const T* __restrict from = reinterpret_cast<const T*>(buffer(r, round_));
    for (size_t i = 0; i < count; ++i) out[i] += from[i];
  }
  ++round_;
}

// This rank's part of a round: added up in rank order, rank 0 first, left in `values` and, for the others,
// where this rank's own input would lie, which nobody else reads.
template <typename T>
void SharedWindow::add_part(T* values, size_t begin, size_t end, uint64_t round) {
  constexpr size_t kBlock = 1024;
  T sums[kBlock];
  T* offered = reinterpret_cast<T*>(buffer(rank_, round));
  for (size_t at = begin; at < end; at += kBlock) {
    const size_t n = std::min(kBlock, end - at);
    for (int r = 0; r < static_cast<int>(slots_.size()); ++r) {
      const T* from = (r == rank_ ? values : reinterpret_cast<const T*>(buffer(r, round))) + at;
      if (r == 0) {
        std::memcpy(sums, from, n * sizeof(T));
      } else {
        for (size_t i = 0; i < n; ++i) sums[i] += from[i];
      }
    }
    std::memcpy(values + at, sums, n * sizeof(T));
    std::memcpy(offered + at, sums, n * sizeof(T));
  }
}

// A round: inputs in, meet, add up the own part, meet, take the others' parts. The second meeting of a round
// is the first of the next.
template <typename T>
void SharedWindow::sum_of(std::span<T> values) {
  if (values.empty()) return;
  if (values.size_bytes() <= kWholeBytes) return sum_short(values.data(), values.size());
  constexpr size_t kRound = kRoundBytes / sizeof(T);
  const auto ranks = static_cast<size_t>(slots_.size());
  const size_t rounds = (values.size() + kRound - 1) / kRound;
  const auto me = static_cast<size_t>(rank_);
  auto count = [&](size_t k) { return std::min(kRound, values.size() - k * kRound); };
  auto part = [&](size_t k, size_t r) {  // where rank r's begins, on a cache line
    const size_t line = 64 / sizeof(T);
    return std::min(count(k), (count(k) / ranks + line) / line * line * r);
  };
  for (size_t k = 0; k <= rounds; ++k) {
    T* now = values.data() + std::min(values.size(), k * kRound);
    if (k < rounds) {
      std::byte* own = buffer(rank_, round_ + k);
      const size_t begin = part(k, me), end = part(k, me + 1);
      std::memcpy(own, now, begin * sizeof(T));
      std::memcpy(own + end * sizeof(T), now + end, (count(k) - end) * sizeof(T));
    }
    meet();
    if (k > 0) {
      T* before = values.data() + (k - 1) * kRound;
      for (size_t r = 0; r < ranks; ++r) {
        const size_t begin = part(k - 1, r), end = part(k - 1, r + 1);
        if (r != me)
          std::memcpy(before + begin, buffer(static_cast<int>(r), round_ + k - 1) + begin * sizeof(T),
                      (end - begin) * sizeof(T));
      }
    }
    if (k < rounds) add_part(now, part(k, me), part(k, me + 1), round_ + k);
  }
  round_ += rounds;
}

void SharedWindow::sum(std::span<float> values) {
  sum_of(values);
}
void SharedWindow::sum(std::span<double> values) {
  sum_of(values);
}

void SharedWindow::broadcast(std::span<std::byte> bytes, int root) {
  for (size_t at = 0; at < bytes.size(); at += kRoundBytes) {
    const size_t count = std::min(kRoundBytes, bytes.size() - at);
    if (rank_ == root) std::memcpy(buffer(root, round_), bytes.data() + at, count);
    meet();
    if (rank_ != root) std::memcpy(bytes.data() + at, buffer(root, round_), count);
    ++round_;
  }
}

void SharedWindow::gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  for (size_t at = 0; at < mine.size(); at += kRoundBytes) {
    const size_t count = std::min(kRoundBytes, mine.size() - at);
    std::memcpy(buffer(rank_, round_), mine.data() + at, count);
    meet();
    for (size_t r = 0; r < slots_.size(); ++r) {
      std::memcpy(all.data() + r * mine.size() + at, buffer(static_cast<int>(r), round_), count);
    }
    ++round_;
  }
}

}  // namespace rekindle::trainer
