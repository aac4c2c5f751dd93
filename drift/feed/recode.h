// Values that came with the shares of values that went: a column whose codes were changed. Pure.
#pragma once

#include <optional>
#include <span>

#include "drift/feed/health.h"

namespace rekindle::drift {

struct Recode {
  int went = 0;      // values of the reference that no row has any more
  int came = 0;      // values that the reference does not know
  double apart = 0;  // total variation between the sorted shares of both
};

// Of the slots' rows together; nothing when what came is not what went under other names.
std::optional<Recode> find_recode(const v1::FeatureProfile& reference, std::span<const SlotHealth> slots,
                                  size_t feature);

}  // namespace rekindle::drift
