// The rows of one fit as its module takes them.
#pragma once

#include "trainer/context.h"
#include "trainer/fit/loop.h"
#include "trainer/rows.h"

namespace rekindle::trainer {

struct Prepared {
  RunRows rows;
  v1::ModelCard card;
  FitData data;
};

// By context.plan. Errors are this rank's own: all may yet be agreed on.
Result<Prepared> prepare(Context& context);

}  // namespace rekindle::trainer
