// Versions that answered in the same time slots, compared by their labelled rows: what a canary is judged by.
// Private to this folder.
#pragma once

#include <functional>
#include <span>

#include "events/errors.h"

namespace rekindle::events {

// One slot's labelled requests, into the comparisons of every two versions that have rows among them. Those
// for which `excluded` holds are left out.
void compare_versions(std::span<const LabelledRequest> requests, const ErrorTerms& terms, int64_t slot_end_us,
                      const std::function<bool(const LabelledRequest&)>& excluded, v1::JudgeState& state);

}  // namespace rekindle::events
