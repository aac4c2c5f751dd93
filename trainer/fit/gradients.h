// Brings the ranks' gradients together, after the last part of each rank's rows.
//
//   flat      one message: the flat buffer of gradients, with what the ranks agree on in the step behind it
//   buckets   c10d::Reducer, the engine of PyTorch's DDP: buckets travel while backward goes on
// Small models wait for messages and large ones for bytes: so the choice is by size unless it is forced.
// Either way sums on the CPU are in rank order, so every rank ends with the same bits, and a repeated step
// with those it had. Gradients may travel as halves: each rank's are rounded before they are added, in float,
// and their sum once more.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "rekindle/v1/job.pb.h"
#include "trainer/collectives/collectives.h"
#include "trainer/gpu/graph.h"
#include "trainer/kinds/module.h"
#include "trainer/reporter.h"

namespace rekindle::trainer {

// Gradients of more bytes than this go in buckets.
inline constexpr size_t kFlatBytes = 1u << 20;

class DeviceGradients;

class Gradients {
 public:
  // `graphs`: of a GPU, or empty.
  Gradients(Module& module, Collectives& collectives, const v1::Reduction& spec,
            v1::Precision precision = v1::FP32, Reporter* reporter = nullptr, MakeGraph graphs = {});
  ~Gradients();

  // "one rank", "flat, recorded", "buckets, half": what the choice came to.
  std::string describe() const;

  // A whole step of this rank's rows, with what is in `sums` besides their loss, which is added to the first:
  // where a GPU does it in one go. False where it does not; nothing has been done then. `ahead`: the next
  // step's, if known, to get ready meanwhile.
  bool at_once(const Examples& examples, const StepRows& now, const StepRows& ahead, size_t batch,
               std::span<double> sums);
  // Otherwise, for each step: begin, add each part of this rank's rows (the last one even without rows),
  // finish. `add` returns the sum of the rows' losses; the gradients are of the mean over all ranks' `batch`
  // rows.
  void begin(size_t batch);
  double add(const Examples& examples, std::span<const int64_t> rows, const StepKey& key, bool last);
  // Then the flat gradients and `sums` (at most eight numbers) are those of all ranks.
  void finish(std::span<double> sums);

 private:
  enum class Way { kAlone, kFlat, kBuckets };
  double backward(const Examples& examples, std::span<const int64_t> rows, const StepKey& key, bool last);
  void sum_flat(std::span<double> sums);

  struct Buckets;
  Module& module_;
  Collectives& collectives_;
  const v1::Reduction::Compress compress_;
  const bool autocast_;
  Reporter* reporter_;  // may be absent
  Way way_ = Way::kAlone;
  double scale_ = 1;
  std::unique_ptr<Buckets> buckets_;
  std::unique_ptr<DeviceGradients> device_;
};

}  // namespace rekindle::trainer
