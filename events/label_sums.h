// What the labels of a slot say, summed for the checks of drift/feed/labels.h.
// Private to this folder.
#pragma once

#include <span>

#include "events/errors.h"

namespace rekindle::events {

// Adds the slot's sums to the state, which keeps those of kFeedMemory. `requests` are all of the slot that
// have labels and whose rows are sound.
Status sum_labels(Database& db, ModelLog& log, const ErrorTerms& terms, int64_t slot_us,
                  std::span<const LabelledRequest> requests);

}  // namespace rekindle::events
