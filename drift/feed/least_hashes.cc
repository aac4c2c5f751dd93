#include "drift/feed/least_hashes.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/hash.h"

namespace rekindle::drift {

namespace {

// The finaliser of SplitMix64: every step can be undone, so that the hash alone holds the number.
constexpr uint64_t kFirst = 0xbf58476d1ce4e5b9u, kFirstBack = 0x96de1b173f119089u;
constexpr uint64_t kSecond = 0x94d049bb133111ebu, kSecondBack = 0x319642b2d24d8ec3u;

// Apart from every hash of a value.
constexpr std::string_view kMissing("\0missing", 8);

}  // namespace

void LeastHashes::insert(uint64_t hash, int64_t rows) {
  const auto at = std::lower_bound(kept_.begin(), kept_.end(), hash,
                                   [](const Kept& kept, uint64_t h) { return kept.hash < h; });
  if (at != kept_.end() && at->hash == hash) {
    at->rows += rows;
    return;
  }
  kept_.insert(at, {hash, rows});
  if (kept_.size() > most_) kept_.pop_back();
}

uint64_t hash_of(double value) {
  auto x = std::bit_cast<uint64_t>(value + 0.0);
  x = (x ^ (x >> 30)) * kFirst;
  x = (x ^ (x >> 27)) * kSecond;
  return x ^ (x >> 31);
}

double number_of(uint64_t hash) {
  uint64_t x = hash;
  x = (x ^ (x >> 31) ^ (x >> 62)) * kSecondBack;
  x = (x ^ (x >> 27) ^ (x >> 54)) * kFirstBack;
  return std::bit_cast<double>(x ^ (x >> 30) ^ (x >> 60));
}

void RowContents::add_numbers(std::string_view column, std::span<const double> values) {
  CHECK(values.size() == hashes_.size(), "a value for each row");
  const uint64_t seed = stable_hash(column), missing = stable_hash(kMissing, seed);
  for (size_t row = 0; row < values.size(); ++row) {
    if (!std::isfinite(values[row])) {
      hashes_[row] += missing;
      continue;
    }
    const uint64_t value = hash_of(values[row]);
    hashes_[row] += stable_hash({reinterpret_cast<const char*>(&value), sizeof value}, seed);
  }
}

RowContents::Texts RowContents::texts(std::string_view column) {
  return {hashes_, stable_hash(column)};
}

void RowContents::Texts::add(size_t row, std::string_view value) {
  hashes_[row] += stable_hash(value, seed_);
}

void RowContents::Texts::add_missing(size_t row) {
  hashes_[row] += stable_hash(kMissing, seed_);
}

}  // namespace rekindle::drift
