// Collectives of ranks on one host over one window of shared memory.
//
// Each rank has a slot of the window; an operation puts data into the own slot, meets the others, and
// reads theirs. Two halves of every slot are used in turn, so that a fast rank's next operation never
// overwrites what a slow one still reads: to come back to the same half it must first pass the meeting
// of the operation between, which the slow one enters only when it has finished reading.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace rekindle::trainer {

class SharedWindow {
 public:
  static constexpr size_t kHalfBytes = 2u << 20;  // what one round moves; longer data takes several
  static constexpr size_t kSlotBytes = 64 + 2 * kHalfBytes;

  // `slots[r]` is rank r's slot of kSlotBytes, zeroed before any rank constructs its object.
  SharedWindow(int rank, std::vector<std::byte*> slots);

  void sum(std::span<float> values);
  void sum(std::span<double> values);
  void broadcast(std::span<std::byte> bytes, int root);
  void gather(std::span<const std::byte> mine, std::span<std::byte> all);
  void barrier() { meet(); }

 private:
  // First cache line of each slot.
  struct Head {
    std::atomic<uint32_t> arrived;   // how many meetings the rank has come to
    std::atomic<uint32_t> sleepers;  // ranks asleep on `arrived`
  };
  template <typename T>
  void sum_of(std::span<T> values);
  template <typename T>
  void sum_round(T* values, size_t count);

  Head& head(int rank) const { return *reinterpret_cast<Head*>(slots_[rank]); }
  std::byte* half(int rank) const { return slots_[rank] + 64 + (round_ & 1) * kHalfBytes; }
  void meet();
  void wait_for(int rank);

  int rank_;
  std::vector<std::byte*> slots_;
  uint32_t meetings_ = 0;
  uint64_t round_ = 0;
};

}  // namespace rekindle::trainer
