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
                 Reporter* reporter, const MakeGraph& graphs)
    : module_(module),
      collectives_(collectives),
      spec_(spec),
      steps_(steps),
      reporter_(reporter),
      gradients_(module, collectives, spec.reduction(), spec.precision(), reporter, graphs),
      optimizer_(module.parameters(), spec.optimizer()),
      launch_(graphs) {
  if (spec.optimizer().average() > 0) average_ = module.parameters().zeros();
}

std::span<const int64_t> Stepper::part(std::span<const int64_t> batch) const {
  const auto mine = dataio::rank_part({0, batch.size()}, static_cast<uint32_t>(collectives_.rank()),
                                      static_cast<uint32_t>(collectives_.size()));
  return batch.subspan(mine.begin, mine.size());
}

StepRows Stepper::rows_of(std::span<const int64_t> batch, uint64_t step) const {
  const auto rows = part(batch);
  return {rows, {spec_.seed(), step, static_cast<uint64_t>(rows.data() - batch.data())}};
}

Stepper::Sums Stepper::gradients(const Examples& examples, std::span<const int64_t> batch, uint64_t step,
                                 const Wishes& mine, std::span<const int64_t> next, bool poison) {
  const FlushDenormals flush;
  const StepRows now = rows_of(batch, step);
  const uint32_t pieces = std::max<uint32_t>(spec_.accumulate(), 1);
  phase(v1::PHASE_FORWARD);
  // What the ranks must agree on in this step travels with the gradients.
  double sums[4] = {poison ? std::nan("") : 0.0, mine.leave ? 1.0 : 0.0, mine.save ? 1.0 : 0.0,
                    mine.end ? 1.0 : 0.0};
  if (pieces > 1 || !gradients_.at_once(examples, now, rows_of(next, step + 1), batch.size(), sums)) {
    gradients_.begin(batch.size());
    for (uint32_t i = 0; i < pieces; ++i) {
      const auto piece = dataio::rank_part({0, now.rows.size()}, i, pieces);
      StepKey key = now.key;
      key.first_row += piece.begin;
      sums[0] += gradients_.add(examples, now.rows.subspan(piece.begin, piece.size()), key, i + 1 == pieces);
    }
    phase(v1::PHASE_REDUCE);
    gradients_.finish(sums);
  }
  return {sums[0], {sums[1] != 0, sums[2] != 0, sums[3] != 0}};
}

void Stepper::update(uint64_t step, bool measure) {
  const FlushDenormals flush;
  const at::NoGradGuard no_grad;
  phase(v1::PHASE_OPTIMIZER);
  rate_ = scheduled_rate(spec_.optimizer(), step, steps_);
  optimizer_.set(step + 1, rate_);
  if (average_.defined() && step == 0) {
    apply();
    average_.copy_(module_.parameters().values());
  } else {
    launch_.run([this] {
      apply();
      if (average_.defined()) average_.lerp_(module_.parameters().values(), 1 - spec_.optimizer().average());
    });
  }
  if (!measure) return;
  // Gradients that were clipped are no longer what they were.
  norm_ = (gradient_norm_.defined() ? gradient_norm_ : gradient_norm(module_.parameters())).item<double>();
}

void Stepper::apply() {
  const double most = spec_.optimizer().clip();
  if (most > 0) {
    gradient_norm_ = gradient_norm(module_.parameters());
    clip_gradients(module_.parameters(), gradient_norm_, most);
  }
  optimizer_.apply();
}

}  // namespace rekindle::trainer
