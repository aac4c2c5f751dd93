// What ranks do together: sums, copies and barriers over plain memory, in one order for all ranks.
//
// Every rank calls the same operations with the same sizes in the same order, from one thread at a time.
// Sums on the CPU add the ranks' values in rank order, whatever the size and position of a message, so that
// no layout of buckets and no timing changes a bit. Nothing fails softly: a dead peer ends the whole gang
// (mpirun kills it), an operation that never returns is ended by the coordinator's hang limit. Knows no
// LibTorch.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace rekindle::trainer {

// What a sum on a GPU adds.
enum class Element { kFloat, kDouble, kHalf, kBfloat16 };

class Collectives {
 public:
  virtual ~Collectives() = default;

  int rank() const { return rank_; }
  int size() const { return size_; }
  const std::atomic<uint64_t>& begun() const { return begun_; }  // any thread may ask
  virtual std::string describe() const = 0;  // for the lineage: "shared window of Open MPI 4.1.4"

  // In place; all ranks end with equal bits.
  virtual void sum(std::span<float> values) = 0;
  virtual void sum(std::span<double> values) = 0;
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  // `mine` has the same size on all ranks; `all` gets them in rank order.
  virtual void gather(std::span<const std::byte> mine, std::span<std::byte> all) = 0;
  virtual void barrier() = 0;

  // The same for memory on each rank's GPU, where the ranks have one: put on the stream that is current for
  // the caller, who alone waits for it. All ranks end with equal bits; the order of a sum is NCCL's.
  virtual bool on_gpu() const { return false; }
  virtual void sum_on_gpu(void* /*values*/, size_t /*count*/, Element) { no_gpu(); }
  virtual void broadcast_on_gpu(void* /*bytes*/, size_t /*count*/, int /*root*/) { no_gpu(); }
  // One of them is done once more, by a recorded launch.
  void repeated() { count(); }

 protected:
  Collectives(int rank, int size) : rank_(rank), size_(size) {}
  void count() { begun_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void no_gpu() const { CHECK(size_ == 1, "memory of a GPU was handed to ranks that have none"); }

  int rank_;
  int size_;
  std::atomic<uint64_t> begun_{0};
};

// The only rank of a gang of one: nothing to wait for, and no MPI in the process.
std::unique_ptr<Collectives> lone_rank();

// The rank that this process is under mpirun or srun. Call once per process, on the thread that also
// destroys it. `world` is what the plan says; another size is a failed_precondition that says how the
// rank was launched wrongly.
enum class Transport {
  kBest,      // shared memory when all ranks are on one host, else messages
  kMessages,  // point-to-point messages even on one host
};
Result<std::unique_ptr<Collectives>> open_mpi(int world, Transport transport = Transport::kBest);

}  // namespace rekindle::trainer
