#include "trainer/fit/stepper.h"

#include <algorithm>
#include <cmath>

#include "dataio/order.h"
#include "trainer/fit/schedule.h"

namespace rekindle::trainer {
namespace {

// Moments of units that have fallen silent fade into denormals, which cost a hundred times an ordinary
// number: within a step they are zero. Only there, so that validation has the bits of the published
// predictor.
class FlushDenormals {
 public:
  FlushDenormals() { at::globalContext().setFlushDenormal(true); }
  ~FlushDenormals() { at::globalContext().setFlushDenormal(false); }
};

}  // namespace

Stepper::Stepper(Module& module, Collectives& collectives, const v1::Train& spec, uint64_t steps,
                 Reporter* reporter)
    : module_(module),
      collectives_(collectives),
      spec_(spec),
      steps_(steps),
      reporter_(reporter),
      gradients_(module, collectives, spec.reduction(), spec.precision(), reporter),
      optimizer_(module.parameters(), spec.optimizer()) {
  if (spec.optimizer().average() > 0) average_ = module.parameters().zeros();
}

std::span<const int64_t> Stepper::part(std::span<const int64_t> batch) const {
  const auto mine = dataio::rank_part({0, batch.size()}, static_cast<uint32_t>(collectives_.rank()),
                                      static_cast<uint32_t>(collectives_.size()));
  return batch.subspan(mine.begin, mine.size());
}

Stepper::Sums Stepper::gradients(const Examples& examples, std::span<const int64_t> batch, uint64_t step,
                                 const Wishes& mine, bool poison) {
  const FlushDenormals flush;
  const auto rows = part(batch);
  const auto first_row = static_cast<uint64_t>(rows.data() - batch.data());
  const uint32_t pieces = std::max<uint32_t>(spec_.accumulate(), 1);
  phase(v1::PHASE_FORWARD);
  gradients_.begin(batch.size());
  double loss = 0;
  for (uint32_t i = 0; i < pieces; ++i) {
    const auto piece = dataio::rank_part({0, rows.size()}, i, pieces);
    const StepKey key{spec_.seed(), step, first_row + piece.begin};
    loss += gradients_.add(examples, rows.subspan(piece.begin, piece.size()), key, i + 1 == pieces);
  }
  phase(v1::PHASE_REDUCE);
  // What the ranks must agree on in this step travels with the gradients.
  double sums[4] = {poison ? std::nan("") : loss, mine.leave ? 1.0 : 0.0, mine.save ? 1.0 : 0.0,
                    mine.end ? 1.0 : 0.0};
  gradients_.finish(sums);
  return {sums[0], {sums[1] != 0, sums[2] != 0, sums[3] != 0}};
}

void Stepper::update(uint64_t step, bool measure) {
  const FlushDenormals flush;
  phase(v1::PHASE_OPTIMIZER);
  const auto& spec = spec_.optimizer();
  if (measure || spec.clip() > 0) norm_ = gradient_norm(module_.parameters());
  if (spec.clip() > 0) clip_gradients(module_.parameters(), norm_, spec.clip());
  rate_ = scheduled_rate(spec, step, steps_);
  optimizer_.update(step + 1, rate_);
  if (!average_.defined()) return;
  at::NoGradGuard no_grad;
  if (step == 0) {
    average_.copy_(module_.parameters().values());
  } else {
    average_.lerp_(module_.parameters().values(), 1 - spec.average());
  }
}

}  // namespace rekindle::trainer
