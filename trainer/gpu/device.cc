#include "trainer/gpu/device.h"

#include "trainer/gpu/gpu.h"

namespace rekindle::trainer {

at::Device choose_device(const v1::Plan& plan) {
  if (!wants_gpu(plan)) return at::kCPU;  // its kernels are reproducible as they are
  const auto& train = plan.spec().train();
  auto& context = at::globalContext();
  const bool deterministic = !train.has_deterministic() || train.deterministic();
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);
  context.setDeterministicCuDNN(deterministic);
  // Trying out algorithms may choose another one the next time.
  context.setBenchmarkCuDNN(!deterministic);
  context.setAllowTF32CuBLAS(train.tf32());
  context.setAllowTF32CuDNN(train.tf32());
  return {at::kCUDA, 0};
}

std::string refusal_of(const std::string& torch_error) {
  if (torch_error.find("does not have a deterministic implementation") == std::string::npos) return {};
  return torch_error.substr(0, torch_error.find(',')) +
         " on a GPU: set train.deterministic to false, and two runs may differ in their last bits";
}

at::Tensor to_device(const at::Tensor& host, at::Device device) {
  if (device.is_cpu()) return host;
  if (host.numel() == 0) return host.to(device);  // a rank without rows
  return host.pin_memory().to(device, /*non_blocking=*/true);
}

void wait_for_gpu(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl gpu(device.type());
  gpu.synchronizeStream(gpu.getStream(device));
}

}  // namespace rekindle::trainer
