// An older version that fits the present: looked for before anything is trained.
#pragma once

#include <optional>

#include "trainer/context.h"
#include "trainer/rows.h"

namespace rekindle::trainer {

// Of the plan's older versions (plan.score) the one that loses least on the validation rows, if that is less
// than the champion loses there; its outcome, without a step, where it passes the gate against the champion
// on the holdout, which took no part in the choice. Nothing: none does, or there is none. Versions that
// cannot be loaded or compared are noted and passed over. All ranks call it together and get the same.
Result<std::optional<v1::Outcome>> reusable(Context& context, const RunRows& rows);

}  // namespace rekindle::trainer
