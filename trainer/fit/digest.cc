#include "trainer/fit/digest.h"

#include <algorithm>
#include <map>

#include "base/hash.h"

namespace rekindle::trainer {

std::string Disagreement::sentence(int world) const {
  if (ranks.empty()) return {};
  std::string out = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (i > 0) out += i + 1 == ranks.size() ? " and " : ", ";
    out += std::to_string(ranks[i]);
  }
  if (!sure) return out + " hold different parameters, and no majority says which are right";
  out += ranks.size() == 1 ? " holds" : " hold";
  return out + " other parameters than the other " + std::to_string(world - static_cast<int>(ranks.size()));
}

Disagreement compare(std::span<const uint64_t> digests) {
  std::map<uint64_t, size_t> holders;
  for (uint64_t d : digests) ++holders[d];
  Disagreement out;
  if (holders.size() <= 1) return out;
  const auto most = std::max_element(holders.begin(), holders.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  out.sure = 2 * most->second > digests.size();
  for (size_t r = 0; r < digests.size(); ++r) {
    if (!out.sure || digests[r] != most->first) out.ranks.push_back(static_cast<int>(r));
  }
  return out;
}

Disagreement compare_parameters(const FlatParameters& parameters, Collectives& collectives) {
  if (collectives.size() == 1) return {};
  auto values = parameters.values().cpu();
  const uint64_t mine = stable_hash({static_cast<const char*>(values.data_ptr()), values.nbytes()});
  std::vector<uint64_t> all(static_cast<size_t>(collectives.size()));
  collectives.gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  return compare(all);
}

}  // namespace rekindle::trainer
