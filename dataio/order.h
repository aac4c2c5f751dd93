// Data order: one permutation of (seed, epoch) over all training rows, whatever the world size and
// whatever the machine. Batch b is its b-th slice; rank r takes the r-th contiguous part of a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rekindle::dataio {

// 0 .. rows-1 in an order that depends on nothing but the arguments (Fisher-Yates over SplitMix64, each
// draw without modulo bias).
std::vector<int64_t> permutation(uint64_t rows, uint64_t seed, uint64_t epoch);

// Half-open range of positions.
struct Slice {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
  bool operator==(const Slice&) const = default;
};

uint64_t batches_per_epoch(uint64_t rows, uint64_t batch);         // the last may be smaller
Slice batch_slice(uint64_t rows, uint64_t batch, uint64_t index);  // index < batches_per_epoch
// Contiguous parts whose sizes differ by at most one, larger ones first; empty when ranks outnumber rows.
Slice rank_part(Slice whole, uint32_t rank, uint32_t world);

}  // namespace rekindle::dataio
