// Do live rows still hang together as the reference's did? Data reconstruction by PCA, as nannyml 0.13.1
// defines it.
//
// A missing number is the reference's mean, a missing category its most frequent one; a category is its share
// in the reference (0 if it is new); columns are standardised by the reference; components that hold 65 % of
// its variance are kept; the score is the mean distance of rows from what the components make of them. It
// alerts on both sides of limits that chunks of the reference set: columns that hang together more closely
// are a change too.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/result.h"
#include "drift/compat/chunks.h"
#include "drift/many/pca.h"

namespace rekindle::drift {

// One column of a table; either numbers (missing: NaN) or categories by number (missing: -1, others from 0
// on).
struct Column {
  std::span<const double> numbers;
  std::span<const int32_t> categories;
  bool categorical() const { return !categories.empty(); }
  size_t size() const { return categorical() ? categories.size() : numbers.size(); }
};
using Table = std::vector<Column>;

struct ReconstructionError {
  double mean = 0;
  double standard_error = 0;  // of the mean; not a number for one row
};

class Reconstruction {
 public:
  // Refuses columns of differing length, of no row, or with nothing but missing or infinite values. Of
  // equally frequent categories the one with the least number stands for a missing one.
  static Result<Reconstruction> fit(const Table& reference, size_t chunk_rows);

  // Columns as in the reference, in the same order; no infinite numbers, and a row at least.
  Result<ReconstructionError> score(const Table& live) const;
  const nannyml::Limits& limits() const { return limits_; }
  size_t components() const { return pca_.components(); }

 private:
  struct Encoding {
    bool categorical = false;
    double fill = 0;                   // for what is missing, encoded
    std::map<int32_t, double> shares;  // categories
    double mean = 0, scale = 1;        // of the encoded column
  };
  static Result<Encoding> learn(const Column& column);
  static double encoded(const Encoding& encoding, const Column& column, size_t row);
  std::vector<double> standardised(const Table& table) const;

  std::vector<Encoding> encodings_;
  Pca pca_;
  nannyml::Limits limits_;
};

}  // namespace rekindle::drift
