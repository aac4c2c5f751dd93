// Numbers that come in another unit: do they look like what came before, times a known constant?
//
// Of the present and of the past only small samples of distinct values are known. Of a column that comes anew
// in each slot a change is told by three things together: under one of the known conversions the new values
// are likelier than as they are; their distribution then differs from the past's no more than parts of the
// past do among themselves, as wide as these; and it lasts. Of one that moves slowly, by its levels
// (levels.h). Genuine drift moves values too, but not onto a converted past. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "drift/feed/stretch.h"

namespace rekindle::drift {

// Of a feature that is known to be broken since then: the conversion that its values look like, in words, or
// "".
std::string looks_like(std::span<const SlotHealth> slots, const v1::FeatureProfile& reference, size_t feature,
                       int64_t since_us);

void check_units(Stretches& stretches, const v1::FeatureProfile& reference, std::string_view column,
                 size_t feature, std::span<const v1::Breach> ended);

}  // namespace rekindle::drift
