// Fitting: epochs of batches over all ranks, early stopping on the validation rows, guards, checkpoints.
//
// All ranks walk through it in step: they draw the same order, see the same reduced figures and so take the
// same decisions. With equal world size, build and processor a resumed fit ends bit-identical to one that
// was never interrupted; at another world size it goes on with the same batches.
#pragma once

#include <string>

#include "rekindle/v1/checkpoint.pb.h"
#include "trainer/context.h"
#include "trainer/kinds/module.h"

namespace rekindle::trainer {

struct FitData {
  Examples train, valid;
};

struct Fitted {
  enum class End {
    kFinished,
    kYielded,   // saved and left
    kRefused,   // a guard ended it: it would end so again
    kDiverged,  // the ranks hold different parameters
  };
  End end = End::kFinished;
  std::string safetensors;  // kFinished: parameters of the epoch with the least validation loss
  std::string parameters_sha256;
  v1::CheckpointState state;
  uint64_t resumed_from_step = 0;
  double rows_per_second = 0;
  std::string reduction;  // as Gradients::describe
  std::string problem;    // kYielded: why; kRefused, kDiverged: what happened and what to do
  int culprit = 0;        // kDiverged: the rank + 1 when one alone is in the wrong
};

// What a checkpoint must have been made of to be resumed by this plan.
std::string fit_identity(const v1::Plan& plan);

// `card` is what `module` was made from; a fresh fit begins with the parameters `begin`. Failures are of
// files or of ranks that fell apart: the attempt cannot go on, another may.
Result<Fitted> fit(Context& context, const v1::ModelCard& card, Module& module,
                   const models::Parameters& begin, const FitData& data);

}  // namespace rekindle::trainer
