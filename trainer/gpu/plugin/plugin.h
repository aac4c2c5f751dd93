// The entry points of librekindle_gpu.so, the only part that links CUDA and NCCL. rekindle-trainer loads it
// with dlopen before anything asks LibTorch for a GPU, and only for a plan that wants one.
//
// Program and plugin are of one build (they compare stamps) and share LibTorch's libraries; protobuf and
// our own archives are hidden in both, so nothing but plain memory and the seams Collectives and Graph passes
// here.
// Each function that can fail returns nothing when it did not, else a text that lives until the thread's
// next call.
#pragma once

#include "trainer/collectives/collectives.h"
#include "trainer/gpu/graph.h"

namespace rekindle::trainer {
inline constexpr int kNcclIdBytes = 128;
// Raise the number with every change to this header, to Collectives or to Graph.
inline constexpr const char* kGpuStamp = "rekindle " REKINDLE_VERSION ", GPU seam 2";
}  // namespace rekindle::trainer

extern "C" {
// What this build is called; equal to the program's.
const char* rekindle_gpu_stamp();
// Whether the GPU that CUDA_VISIBLE_DEVICES leaves can be used. If so, what the calling thread does on it
// goes to a stream of its own from now on: work on CUDA's default stream cannot be recorded.
const char* rekindle_gpu_begin();
// A new graph, the caller's to delete.
const char* rekindle_gpu_graph(rekindle::trainer::Graph** out);
// A new id for a gang, kNcclIdBytes long: made by its rank 0, handed to all.
const char* rekindle_gpu_new_id(char* id);
// Brings the ranks of `id` together; blocks until all have come. `lost` is called from another thread when
// a peer is gone for good, with the reason, and must end the process. Destroy on the thread that opened.
const char* rekindle_gpu_open(int rank, int world, const char* id, void (*lost)(const char* why),
                              rekindle::trainer::Collectives** out);
}
