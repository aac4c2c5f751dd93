// Where a plan's rank computes, and how its GPU does: the only place that sets LibTorch's switches.
#pragma once

#include "rekindle/v1/attempt.pb.h"
#include "trainer/torch.h"

namespace rekindle::trainer {

// The CPU, or the one GPU that CUDA_VISIBLE_DEVICES leaves this rank. Choosing it sets, for the process,
// whether only kernels that give the same bits each time are used and whether TF32 may stand in for float.
at::Device choose_device(const v1::Plan& plan);

// What to do about an error of LibTorch that no retry helps: the operation that it names has no such kernel.
// Empty for all other errors.
std::string refusal_of(const std::string& torch_error);

// A tensor on the device. To a GPU it goes through pinned memory, beside what the GPU still computes; the
// allocator keeps the pinned copy until it has arrived, so the caller may reuse its memory at once.
at::Tensor to_device(const at::Tensor& host, at::Device device);

// Waits until what this thread has put on the GPU is done; at once on a CPU.
void wait_for_gpu(at::Device device);

}  // namespace rekindle::trainer
