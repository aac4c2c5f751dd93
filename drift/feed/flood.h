// One source that sends more than all have ever sent: what it sends is no sample of the world. Pure.
#pragma once

#include <span>

#include "drift/feed/stretch.h"

namespace rekindle::drift {

// `stretches` are of one source, `whole` the slots of all together. A source that takes over from others, or
// traffic that grows on all of them, is no flood.
void check_flood(Stretches& stretches, std::span<const SlotHealth> whole);

}  // namespace rekindle::drift
