// Collectives of ranks anywhere, over messages of MPI.
//
// MPI_Allreduce may add in another order for another layout. So each rank gets its part of the values from
// everybody, adds the parts up in rank order, and hands the sums round: all-to-all, ordered sum, all-gather.
// Long data travels in rounds; the next round's values are on their way while one is added up.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <span>
#include <vector>

namespace rekindle::trainer {

class Messages {
 public:
  static constexpr size_t kRoundBytes = 4u << 20;   // what a call moves: counts of MPI are int
  static constexpr size_t kWholeBytes = 16u << 10;  // up to it one exchange of everything beats two of parts

  Messages(int rank, int size);

  void sum(std::span<float> values);
  void sum(std::span<double> values);
  void broadcast(std::span<std::byte> bytes, int root);
  void gather(std::span<const std::byte> mine, std::span<std::byte> all);
  void barrier();

 private:
  template <typename T>
  struct Round;
  template <typename T>
  void sum_of(std::span<T> values);
  template <typename T>
  void sum_whole(std::span<T> values);
  template <typename T>
  void begin(Round<T>& round);
  template <typename T>
  void finish(Round<T>& round);
  std::byte* room(size_t bytes);

  int rank_;
  int size_;
  std::vector<std::byte> buffer_;
};

}  // namespace rekindle::trainer
