#include "core/place/cluster.h"

#include <algorithm>

namespace rekindle::core::place {

bool carries(const Node& node, const Labels& labels) {
  return std::all_of(labels.begin(), labels.end(), [&node](const auto& wanted) {
    auto found = node.labels.find(wanted.first);
    return found != node.labels.end() && found->second == wanted.second;
  });
}

uint32_t ranks_in(const Node& node, const Gang& gang) {
  if (!carries(node, gang.labels)) return 0;
  uint64_t ranks = node.room.slots / std::max(1u, gang.rank.slots);
  if (gang.rank.gpus > 0) ranks = std::min<uint64_t>(ranks, node.room.gpus / gang.rank.gpus);
  if (gang.rank.memory > 0 && node.room.memory > 0)
    ranks = std::min(ranks, node.room.memory / gang.rank.memory);
  return static_cast<uint32_t>(ranks);
}

uint32_t ranks_in(const Pool& pool, const Gang& gang, bool closed_too) {
  uint64_t ranks = 0;
  for (const Node& node : pool.nodes)
    if (closed_too || node.closed.empty()) ranks += ranks_in(node, gang);
  return static_cast<uint32_t>(std::min<uint64_t>(ranks, std::numeric_limits<uint32_t>::max()));
}

}  // namespace rekindle::core::place
