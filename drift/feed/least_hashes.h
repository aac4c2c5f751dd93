// A bounded sample of distinct things: those whose hashes are least, with the rows of each.
//
// Which things are kept depends on the things alone: samples of many nodes and batches add up to the sample
// of all, exactly and in any order, and a thing that two samples kept is found in both ("coordinated", or
// bottom-k, sampling: Cohen and Kaplan, 2007). What is kept is counted exactly, for a thing among the least
// of all was among the least wherever it came up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace rekindle::drift {

// Of values of a numeric feature, of texts without a bin, of contents of rows; each in one slot.
inline constexpr size_t kSampleMax = 8;
inline constexpr size_t kStrangersMax = 64;
inline constexpr size_t kContentsMax = 16;

class LeastHashes {
 public:
  struct Kept {
    uint64_t hash;
    int64_t rows;
    friend bool operator==(const Kept&, const Kept&) = default;
  };
  explicit LeastHashes(size_t most) : most_(most) { kept_.reserve(most + 1); }

  // Never allocates.
  void add(uint64_t hash, int64_t rows = 1) {
    if (kept_.size() == most_ && hash > kept_.back().hash) return;
    insert(hash, rows);
  }
  std::span<const Kept> kept() const { return kept_; }  // by hash

 private:
  void insert(uint64_t hash, int64_t rows);

  size_t most_;
  std::vector<Kept> kept_;
};

// The hash of a number that is one, and the number of a hash. +0 and -0 are one number.
uint64_t hash_of(double value);
double number_of(uint64_t hash);

// What rows hold, put together column by column, in any order of the columns: equal rows have equal hashes
// wherever they were counted.
class RowContents {
 public:
  explicit RowContents(size_t rows) : hashes_(rows, 0) {}

  // The texts of one column, whose name is hashed once for all rows.
  class Texts {
   public:
    void add(size_t row, std::string_view value);
    void add_missing(size_t row);

   private:
    friend class RowContents;
    Texts(std::vector<uint64_t>& hashes, uint64_t seed) : hashes_(hashes), seed_(seed) {}
    std::vector<uint64_t>& hashes_;
    uint64_t seed_;
  };

  void add_numbers(std::string_view column, std::span<const double> values);  // one a row
  Texts texts(std::string_view column);                                       // good while the contents are
  std::span<const uint64_t> hashes() const { return hashes_; }

 private:
  std::vector<uint64_t> hashes_;
};

}  // namespace rekindle::drift
