// Who makes way for a gang that waits: those whose leaving loses the least work. Pure.
#pragma once

#include <vector>

#include "core/place/cluster.h"

namespace rekindle::core::place {

struct Victim {
  size_t held = 0;  // index among what is held
  // Rank-seconds since its last durable checkpoint: what is lost should it not save when asked.
  double lost = 0;
};

// Rank-seconds that a gang would do again, were it ended now.
double lost_work(uint32_t ranks, int64_t saved_us, int64_t now_us);

// Of the candidates those to be asked so that the gang fits at once; none is asked in vain: without any one
// of them it would not fit. Empty: it fits already, or would not though all of them left.
std::vector<size_t> victims(const Pool& pool, const std::vector<Held>& held, std::vector<Victim> candidates,
                            const Gang& gang);

}  // namespace rekindle::core::place
