// Collectives over NCCL: sums and copies of GPU memory, and the small things that lie on the host.
//
// A sum on the GPU is ncclAllReduce: all ranks end with equal bits, and the same gang on the same devices
// gets the same bits each time, but NCCL and not the rank decides in which order it adds. What lies on the
// host is gathered through a small buffer on the GPU and added up here, in rank order, as on CPU ranks.
//
// Everything goes to the stream that is current for the caller. A thread of its own watches the
// communicator: NCCL tells it, and nobody else, that a peer is gone.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "trainer/collectives/collectives.h"

namespace rekindle::trainer {

std::string nccl_error(const char* doing, ncclResult_t result, ncclComm_t comm);

class NcclRanks final : public Collectives {
 public:
  // Throws std::runtime_error when the ranks cannot come together.
  NcclRanks(int rank, int world, const ncclUniqueId& id, void (*lost)(const char* why));
  ~NcclRanks() override;

  std::string describe() const override;
  void sum(std::span<float> values) override;
  void sum(std::span<double> values) override;
  void broadcast(std::span<std::byte> bytes, int root) override;
  void gather(std::span<const std::byte> mine, std::span<std::byte> all) override;
  void barrier() override;

  bool on_gpu() const override { return true; }
  void sum_on_gpu(void* values, size_t count, Element element) override;
  void broadcast_on_gpu(void* bytes, size_t count, int root) override;

 private:
  template <typename T>
  void sum_of(std::span<T> values);
  void gather_round(std::span<const std::byte> mine, std::byte* all);
  void watch();

  static constexpr size_t kRoundBytes = 1u << 20;

  ncclComm_t comm_ = nullptr;
  void (*lost_)(const char* why);
  // One round of this rank and of all: on the GPU, and pinned on the host.
  std::byte* on_device_ = nullptr;
  std::byte* on_host_ = nullptr;

  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread watcher_;
};

}  // namespace rekindle::trainer
