// TRAIN: the fits of a run one after the other, the choice of one, its verdict's evidence and its version.
#pragma once

#include "trainer/context.h"

namespace rekindle::trainer {

// A run with train.candidates makes several fits in the same attempt. An attempt that goes on finds those
// that were finished in their last checkpoints, and the one under way in its newest: so it ends with the same
// bits, and with the same choice. A fit that would end as refused however often it is tried is passed over
// while there are others. The one that is best on the validation rows (registry/choice.h) alone sees the
// holdout.
Result<v1::Outcome> train(Context& context);

}  // namespace rekindle::trainer
