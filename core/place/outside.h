// Pools whose launcher has a queue of its own and places ranks itself, as Slurm does.
#pragma once

namespace rekindle::core::place {

// The name of such a pool's one node: as large as the pool's limits say, and what is placed on it may start
// much later.
inline constexpr const char* kOutside = "its cluster";

}  // namespace rekindle::core::place
