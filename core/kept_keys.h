// Idempotency keys of runs that have left the state: eight bytes of each, for ever, so that no key makes a
// second run. Two keys of the same eight bytes are taken for one: whoever brings the other is refused,
// wrongly and once in 10^19.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/hash.h"

namespace rekindle::core {

class KeptKeys {
 public:
  void keep(std::string_view key) { keep(stable_hash(key)); }
  void keep(uint64_t hash) {
    if (known_.insert(hash).second) hashes_.push_back(hash);
  }
  bool has(std::string_view key) const { return !hashes_.empty() && known_.contains(stable_hash(key)); }
  const std::vector<uint64_t>& hashes() const { return hashes_; }  // in the order in which they came

 private:
  std::vector<uint64_t> hashes_;
  std::unordered_set<uint64_t> known_;
};

}  // namespace rekindle::core
