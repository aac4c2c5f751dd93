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
// the quickest way to be served; beyond that the wait is long and sleeping costs nothing.
constexpr int kSpins = 2000;
constexpr int kYields = 200;
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

template <typename T>
void SharedWindow::sum_round(T* values, size_t count) {
  const int ranks = static_cast<int>(slots_.size());
  std::memcpy(half(rank_), values, count * sizeof(T));
  meet();
  // Which rank adds a value up never changes the order in which it is added: rank 0 first.
  const bool whole = count * sizeof(T) <= kWholeBytes;
  const size_t line = 64 / sizeof(T);
  const size_t part = (count / ranks + line) / line * line;
  const size_t begin = whole ? 0 : std::min(count, part * rank_);
  const size_t end = whole ? count : std::min(count, part * (rank_ + 1));
  T* __restrict out = values;
  std::memcpy(out + begin, half(0) + begin * sizeof(T), (end - begin) * sizeof(T));
  for (int r = 1; r < ranks; ++r) {
    const T* __restrict from = reinterpret_cast<const T*>(half(r));
    for (size_t i = begin; i < end; ++i) out[i] += from[i];
  }
  if (!whole) {
    // Each rank offers its part where its own input for that part lay, which nobody else reads.
    std::memcpy(half(rank_) + begin * sizeof(T), out + begin, (end - begin) * sizeof(T));
    meet();
    for (int r = 0; r < ranks; ++r) {
      const size_t from = std::min(count, part * r);
      const size_t to = std::min(count, part * (r + 1));
      if (r != rank_) std::memcpy(out + from, half(r) + from * sizeof(T), (to - from) * sizeof(T));
    }
  }
  ++round_;
}

template <typename T>
void SharedWindow::sum_of(std::span<T> values) {
  constexpr size_t kRound = kHalfBytes / sizeof(T);
  for (size_t at = 0; at < values.size(); at += kRound) {
    sum_round(values.data() + at, std::min(kRound, values.size() - at));
  }
}

void SharedWindow::sum(std::span<float> values) {
  sum_of(values);
}
void SharedWindow::sum(std::span<double> values) {
  sum_of(values);
}

void SharedWindow::broadcast(std::span<std::byte> bytes, int root) {
  for (size_t at = 0; at < bytes.size(); at += kHalfBytes) {
    const size_t count = std::min(kHalfBytes, bytes.size() - at);
    if (rank_ == root) std::memcpy(half(root), bytes.data() + at, count);
    meet();
    if (rank_ != root) std::memcpy(bytes.data() + at, half(root), count);
    ++round_;
  }
}

void SharedWindow::gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  for (size_t at = 0; at < mine.size(); at += kHalfBytes) {
    const size_t count = std::min(kHalfBytes, mine.size() - at);
    std::memcpy(half(rank_), mine.data() + at, count);
    meet();
    for (size_t r = 0; r < slots_.size(); ++r) {
      std::memcpy(all.data() + r * mine.size() + at, half(static_cast<int>(r)), count);
    }
    ++round_;
  }
}

}  // namespace rekindle::trainer
