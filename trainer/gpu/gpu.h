// The GPU of a rank: which one, whether it can be used, and the ranks' collectives over it.
//
// All of this comes before anything asks LibTorch for a GPU: the first question settles for good whether
// this process has one. What is missing (a driver, a device, a library of the wheels) is told as a failed
// precondition, the same on every try.
#pragma once

#include <memory>

#include "launch/attempt_folder.h"
#include "trainer/collectives/collectives.h"
#include "trainer/gpu/graph.h"
#include "trainer/gpu/rendezvous.h"

namespace rekindle::trainer {

inline bool wants_gpu(const v1::Plan& plan) {
  return plan.gpus_per_rank() > 0;
}

struct GpuOptions {
  fs::path plugin;  // librekindle_gpu.so; empty: where the build and the installation put it
  std::chrono::milliseconds id_limit{120'000};  // how long ranks wait for rank 0's id
};

// Where librekindle_gpu.so lies: in lib/ beside the program's folder.
fs::path gpu_plugin_path();

// Chooses the rank's device, loads the plugin and brings the ranks together. For a plan of one rank the
// collectives are those of a lone rank. Sets environment variables: call it before there are threads.
Result<std::unique_ptr<Collectives>> open_gpu(const launch::AttemptFolder& folder, const v1::Plan& plan,
                                              const GpuOptions& options = {});

// Makes graphs, once open_gpu has loaded the plugin; empty before and without a GPU.
const MakeGraph& gpu_graphs();

// What a rank's environment says before CUDA and NCCL read it: its device, reproducible matrix products,
// and, where ranks share a device, a host name of NCCL's for each (NCCL refuses two ranks of one host on
// one device; this is for tests, it makes nothing faster).
Status set_gpu_environment(const v1::Plan& plan, const Place& place);

// What dlopen's message means and what to install.
std::string missing_library(const std::string& dlopen_error);

}  // namespace rekindle::trainer
