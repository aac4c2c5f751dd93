#include "trainer/gpu/plugin/plugin.h"

#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>

#include <cstring>
#include <exception>

#include "trainer/collectives/nccl/nccl_ranks.h"
#include "trainer/gpu/plugin/cuda_graph.h"

namespace {

// Nothing thrown may cross the C entry points.
template <typename Body>
const char* said(Body body) {
  thread_local std::string problem;
  try {
    problem = body();
  } catch (const c10::Error& error) {
    problem = error.what_without_backtrace();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  return problem.empty() ? nullptr : problem.c_str();
}

}  // namespace

const char* rekindle_gpu_stamp() {
  return rekindle::trainer::kGpuStamp;
}

const char* rekindle_gpu_begin() {
  return said([]() -> std::string {
    if (c10::cuda::device_count_ensure_non_zero() < 1) return "CUDA shows no device";
    c10::cuda::set_device(0);
    c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, 0));
    return "";
  });
}

const char* rekindle_gpu_graph(rekindle::trainer::Graph** out) {
  return said([out]() -> std::string {
    *out = new rekindle::trainer::CudaGraph;
    return "";
  });
}

const char* rekindle_gpu_new_id(char* id) {
  return said([id]() -> std::string {
    static_assert(sizeof(ncclUniqueId) == rekindle::trainer::kNcclIdBytes);
    ncclUniqueId made;
    const ncclResult_t result = ncclGetUniqueId(&made);
    if (result != ncclSuccess) return rekindle::trainer::nccl_error("making an id", result, nullptr);
    std::memcpy(id, &made, sizeof(made));
    return "";
  });
}

const char* rekindle_gpu_open(int rank, int world, const char* id, void (*lost)(const char* why),
                              rekindle::trainer::Collectives** out) {
  return said([&]() -> std::string {
    ncclUniqueId gang;
    std::memcpy(&gang, id, sizeof(gang));
    *out = new rekindle::trainer::NcclRanks(rank, world, gang, lost);
    return "";
  });
}
