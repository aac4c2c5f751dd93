#include "trainer/collectives/nccl/nccl_ranks.h"

#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace rekindle::trainer {
namespace {

constexpr std::chrono::milliseconds kWatchInterval{200};

void check(ncclResult_t result, const char* doing, ncclComm_t comm) {
  if (result != ncclSuccess) throw std::runtime_error(nccl_error(doing, result, comm));
}

void check(cudaError_t result, const char* doing) {
  if (result == cudaSuccess) return;
  throw std::runtime_error(std::string(doing) + ": CUDA says: " + cudaGetErrorString(result));
}

cudaStream_t stream() {
  return c10::cuda::getCurrentCUDAStream().stream();
}

// Nothing happens yet: it will when the record is repeated.
bool recording() {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream(), &status), "asking for a recording");
  return status != cudaStreamCaptureStatusNone;
}

void finish(const char* doing) {
  check(cudaStreamSynchronize(stream()), doing);
}

ncclDataType_t type_of(Element element) {
  switch (element) {
    case Element::kFloat:
      return ncclFloat32;
    case Element::kDouble:
      return ncclFloat64;
    case Element::kHalf:
      return ncclFloat16;
    case Element::kBfloat16:
      return ncclBfloat16;
  }
  throw std::logic_error("an element that NCCL does not add");
}

}  // namespace

std::string nccl_error(const char* doing, ncclResult_t result, ncclComm_t comm) {
  std::string out = std::string(doing) + ": NCCL says: " + ncclGetErrorString(result);
  const char* last = ncclGetLastError(comm);
  if (last != nullptr && *last != '\0') out += std::string(" (") + last + ")";
  return out;
}

NcclRanks::NcclRanks(int rank, int world, const ncclUniqueId& id, void (*lost)(const char* why))
    : Collectives(rank, world), lost_(lost) {
  check(cudaSetDevice(0), "choosing the GPU");
  check(ncclCommInitRank(&comm_, world, id, rank), "bringing the ranks together", nullptr);
  const size_t bytes = kRoundBytes * (static_cast<size_t>(world) + 1);
  check(cudaMalloc(reinterpret_cast<void**>(&on_device_), bytes), "making a buffer on the GPU");
  check(cudaMallocHost(reinterpret_cast<void**>(&on_host_), bytes), "making a pinned buffer");
  watcher_ = std::thread([this] { watch(); });
}

NcclRanks::~NcclRanks() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_one();
  watcher_.join();
  // The process is about to end: what cannot be given back any more is no reason to fail.
  static_cast<void>(ncclCommDestroy(comm_));
  static_cast<void>(cudaFree(on_device_));
  static_cast<void>(cudaFreeHost(on_host_));
}

std::string NcclRanks::describe() const {
  int version = 0;
  check(ncclGetVersion(&version), "asking for the version", comm_);
  return "NCCL " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

void NcclRanks::watch() {
  std::unique_lock lock(mutex_);
  while (!stop_.wait_for(lock, kWatchInterval, [this] { return stopping_; })) {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (asked == ncclSuccess && (state == ncclSuccess || state == ncclInProgress)) continue;
    const std::string why =
        nccl_error("a collective of the gang", asked == ncclSuccess ? state : asked, comm_);
    // Not aborted first: kernels that wait for the peer would end, and the main thread go on with half a sum.
    lost_(why.c_str());
    return;
  }
}

void NcclRanks::sum_on_gpu(void* values, size_t count, Element element) {
  if (!recording()) this->count();
  check(ncclAllReduce(values, values, count, type_of(element), ncclSum, comm_, stream()), "adding up", comm_);
}

void NcclRanks::broadcast_on_gpu(void* bytes, size_t count, int root) {
  if (!recording()) this->count();
  check(ncclBroadcast(bytes, bytes, count, ncclUint8, root, comm_, stream()), "sending to all", comm_);
}

// `all` gets the round of every rank, one after the other.
void NcclRanks::gather_round(std::span<const std::byte> mine, std::byte* all) {
  std::byte* parts = on_device_ + kRoundBytes;
  const size_t whole = mine.size() * static_cast<size_t>(size());
  std::memcpy(on_host_, mine.data(), mine.size());
  check(cudaMemcpyAsync(on_device_, on_host_, mine.size(), cudaMemcpyHostToDevice, stream()),
        "copying to the GPU");
  check(ncclAllGather(on_device_, parts, mine.size(), ncclUint8, comm_, stream()), "gathering", comm_);
  check(cudaMemcpyAsync(on_host_ + kRoundBytes, parts, whole, cudaMemcpyDeviceToHost, stream()),
        "copying from the GPU");
  finish("gathering");
  std::memcpy(all, on_host_ + kRoundBytes, whole);
}

template <typename T>
void NcclRanks::sum_of(std::span<T> values) {
  count();
  constexpr size_t kRound = kRoundBytes / sizeof(T);
  std::vector<T> all(std::min(kRound, values.size()) * static_cast<size_t>(size()));
  for (size_t at = 0; at < values.size(); at += kRound) {
    const auto part = values.subspan(at, std::min(kRound, values.size() - at));
    gather_round(std::as_bytes(part), reinterpret_cast<std::byte*>(all.data()));
    std::copy_n(all.begin(), part.size(), part.begin());
    for (size_t r = 1; r < static_cast<size_t>(size()); ++r) {
      for (size_t i = 0; i < part.size(); ++i) part[i] += all[r * part.size() + i];
    }
  }
}

void NcclRanks::sum(std::span<float> values) {
  sum_of(values);
}
void NcclRanks::sum(std::span<double> values) {
  sum_of(values);
}

void NcclRanks::broadcast(std::span<std::byte> bytes, int root) {
  count();
  for (size_t at = 0; at < bytes.size(); at += kRoundBytes) {
    const size_t n = std::min(kRoundBytes, bytes.size() - at);
    if (rank() == root) {
      std::memcpy(on_host_, bytes.data() + at, n);
      check(cudaMemcpyAsync(on_device_, on_host_, n, cudaMemcpyHostToDevice, stream()), "copying to the GPU");
    }
    check(ncclBroadcast(on_device_, on_device_, n, ncclUint8, root, comm_, stream()), "sending to all",
          comm_);
    check(cudaMemcpyAsync(on_host_, on_device_, n, cudaMemcpyDeviceToHost, stream()), "copying from the GPU");
    finish("sending to all");
    if (rank() != root) std::memcpy(bytes.data() + at, on_host_, n);
  }
}

void NcclRanks::gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  count();
  std::vector<std::byte> round(std::min(kRoundBytes, mine.size()) * static_cast<size_t>(size()));
  for (size_t at = 0; at < mine.size(); at += kRoundBytes) {
    const auto part = mine.subspan(at, std::min(kRoundBytes, mine.size() - at));
    gather_round(part, round.data());
    for (size_t r = 0; r < static_cast<size_t>(size()); ++r) {
      std::memcpy(all.data() + r * mine.size() + at, round.data() + r * part.size(), part.size());
    }
  }
}

void NcclRanks::barrier() {
  count();
  const std::byte one{1};
  std::vector<std::byte> all(static_cast<size_t>(size()));
  gather_round(std::span(&one, 1), all.data());
}

}  // namespace rekindle::trainer
