// Whether a pool can do what it is for, looked at from this host, with what to do about each thing that is
// wrong. Blocks for some seconds at most; starts nothing that outlives it.
#pragma once

#include <vector>

#include "base/files.h"
#include "rekindle/v1/api.pb.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::launch {

// `runs`: the folder in which attempts have theirs.
std::vector<v1::Finding> check_pool(const v1::Pool& pool, const fs::path& runs);

}  // namespace rekindle::launch
