// Collectives of ranks on one host over one window of shared memory.
//
// Each rank has a slot of the window; an operation puts data into the own slot, meets the others, and
// reads theirs. Long data takes several rounds, and three buffers of every slot are used in turn. Between
// two uses of a buffer by its owner lie two meetings at least, and a rank reads what belongs to one meeting
// before it enters the next: so a fast rank never overwrites what a slow one still reads.
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
  static constexpr size_t kRoundBytes = 512u << 10;  // small enough that all buffers stay in a cache
  static constexpr size_t kSlotBytes = 64 + 3 * kRoundBytes;

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
  void sum_short(T* values, size_t count);
  template <typename T>
  void add_part(T* values, size_t begin, size_t end, uint64_t round);

  Head& head(int rank) const { return *reinterpret_cast<Head*>(slots_[rank]); }
  std::byte* buffer(int rank, uint64_t round) const { return slots_[rank] + 64 + round % 3 * kRoundBytes; }
  void meet();
  void wait_for(int rank);

  int rank_;
  std::vector<std::byte*> slots_;
  uint32_t meetings_ = 0;
  uint64_t round_ = 0;
};

}  // namespace rekindle::trainer
