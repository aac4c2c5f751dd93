#include "trainer/collectives/messages.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace rekindle::trainer {
namespace {

template <typename T>
MPI_Datatype type_of() {
  return std::is_same_v<T, float> ? MPI_FLOAT : MPI_DOUBLE;
}

// `from` has `count` values of each rank, one rank after the other.
template <typename T>
void add_up(const T* from, size_t count, size_t ranks, T* __restrict out) {
  std::memcpy(out, from, count * sizeof(T));
  for (size_t r = 1; r < ranks; ++r) {
    const T* __restrict more = from + r * count;
    for (size_t i = 0; i < count; ++i) out[i] += more[i];
  }
}

}  // namespace

// One round of a sum. Part r of it, counts[r] values from places[r] on, is rank r's to add up.
template <typename T>
struct Messages::Round {
  T* values = nullptr;
  T* received = nullptr;            // this rank's part, from each rank in turn
  std::vector<int> counts, places;  // MPI reads them until the request is done
  std::vector<int> own_counts, own_places;
  MPI_Request request = MPI_REQUEST_NULL;

  void lay_out(T* begin, size_t count, T* buffer, int rank, int size) {
    values = begin;
    received = buffer;
    const auto ranks = static_cast<size_t>(size);
    counts.resize(ranks), places.resize(ranks), own_places.resize(ranks);
    for (size_t r = 0, at = 0; r < ranks; ++r) {
      counts[r] = static_cast<int>(count / ranks + (r < count % ranks ? 1 : 0));
      places[r] = static_cast<int>(at);
      at += static_cast<size_t>(counts[r]);
    }
    const int own = counts[static_cast<size_t>(rank)];
    own_counts.assign(ranks, own);
    for (int r = 0; r < size; ++r) own_places[static_cast<size_t>(r)] = r * own;
  }
};

Messages::Messages(int rank, int size) : rank_(rank), size_(size) {}

std::byte* Messages::room(size_t bytes) {
  if (buffer_.size() < bytes) buffer_.resize(bytes);
  return buffer_.data();
}

template <typename T>
void Messages::begin(Round<T>& round) {
  MPI_Ialltoallv(round.values, round.counts.data(), round.places.data(), type_of<T>(), round.received,
                 round.own_counts.data(), round.own_places.data(), type_of<T>(), MPI_COMM_WORLD,
                 &round.request);
}

template <typename T>
void Messages::finish(Round<T>& round) {
  MPI_Wait(&round.request, MPI_STATUS_IGNORE);
  const auto me = static_cast<size_t>(rank_);
  add_up(round.received, static_cast<size_t>(round.counts[me]), static_cast<size_t>(size_),
         round.values + round.places[me]);
  MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, round.values, round.counts.data(), round.places.data(),
                 type_of<T>(), MPI_COMM_WORLD);
}

template <typename T>
void Messages::sum_whole(std::span<T> values) {
  const int count = static_cast<int>(values.size());
  T* all = reinterpret_cast<T*>(room(values.size_bytes() * static_cast<size_t>(size_)));
  MPI_Allgather(values.data(), count, type_of<T>(), all, count, type_of<T>(), MPI_COMM_WORLD);
  add_up(all, values.size(), static_cast<size_t>(size_), values.data());
}

template <typename T>
void Messages::sum_of(std::span<T> values) {
  if (values.size_bytes() <= kWholeBytes) return sum_whole(values);
  constexpr size_t kRound = kRoundBytes / sizeof(T);
  const size_t stride = kRound + static_cast<size_t>(size_);  // the first parts are one value longer
  T* buffers = reinterpret_cast<T*>(room(2 * stride * sizeof(T)));
  Round<T> rounds[2];
  size_t begun = 0;
  for (size_t at = 0, number = 0; at < values.size(); at += kRound, ++number) {
    for (; begun < std::min(values.size(), at + 2 * kRound); begun += kRound) {
      const size_t turn = begun / kRound % 2;
      rounds[turn].lay_out(values.data() + begun, std::min(kRound, values.size() - begun),
                           buffers + turn * stride, rank_, size_);
      begin(rounds[turn]);
    }
    finish(rounds[number % 2]);
  }
}

void Messages::sum(std::span<float> values) {
  sum_of(values);
}
void Messages::sum(std::span<double> values) {
  sum_of(values);
}

void Messages::broadcast(std::span<std::byte> bytes, int root) {
  for (size_t at = 0; at < bytes.size(); at += kRoundBytes) {
    const int count = static_cast<int>(std::min(kRoundBytes, bytes.size() - at));
    MPI_Bcast(bytes.data() + at, count, MPI_BYTE, root, MPI_COMM_WORLD);
  }
}

void Messages::gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  std::byte* parts = room(std::min(kRoundBytes, mine.size()) * static_cast<size_t>(size_));
  for (size_t at = 0; at < mine.size(); at += kRoundBytes) {
    const int count = static_cast<int>(std::min(kRoundBytes, mine.size() - at));
    MPI_Allgather(mine.data() + at, count, MPI_BYTE, parts, count, MPI_BYTE, MPI_COMM_WORLD);
    for (int r = 0; r < size_; ++r) {
      std::memcpy(all.data() + static_cast<size_t>(r) * mine.size() + at,
                  parts + static_cast<size_t>(r) * static_cast<size_t>(count), static_cast<size_t>(count));
    }
  }
}

void Messages::barrier() {
  MPI_Barrier(MPI_COMM_WORLD);
}

}  // namespace rekindle::trainer
