// What may keep the daemon from working, looked at one by one, each with what to do about it. Blocks.
#pragma once

#include "artifacts/store.h"
#include "coordinator/options.h"
#include "coordinator/state_folder.h"
#include "rekindle/v1/api.pb.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::coordinator {

// GPUs that the driver shows as devices nvidia0, nvidia1, ... in this folder.
uint32_t gpus_of_host(const fs::path& devices);

v1::DoctorResponse examine(const StateFolder& folder, artifacts::Store& store, const Options& options,
                           size_t nodes, const v1::PoolsFile& pools);

}  // namespace rekindle::coordinator
