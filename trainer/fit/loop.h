// Fitting: epochs of batches over all ranks, early stopping on the validation rows, checkpoints.
//
// All ranks walk through it in step: they draw the same order, see the same reduced figures and so take the
// same decisions. With equal world size, build and processor a resumed fit ends bit-identical to one that
// was never interrupted.
#pragma once

#include <string>
#include <vector>

#include "rekindle/v1/checkpoint.pb.h"
#include "trainer/context.h"
#include "trainer/kinds/module.h"

namespace rekindle::trainer {

struct FitData {
  Examples train, valid;
};

struct Fitted {
  enum class End { kFinished, kYielded, kNotFinite };
  End end = End::kFinished;
  std::string safetensors;  // parameters of the epoch with the least validation loss
  std::string parameters_sha256;
  v1::CheckpointState state;
  uint64_t resumed_from_step = 0;
  double rows_per_second = 0;
  std::string problem;  // kNotFinite: where
};

// What a checkpoint must have been made of to be resumed by this plan.
std::string fit_identity(const v1::Plan& plan);

// `card` is what `module` was made from. Failures are of files or of ranks that fell apart: the attempt
// cannot go on, another may.
Result<Fitted> fit(Context& context, const v1::ModelCard& card, Module& module, const FitData& data);

}  // namespace rekindle::trainer
