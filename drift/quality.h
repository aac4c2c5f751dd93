// Is the feed broken? Checks of what a model is fed, apart from whether the world has moved.
//
// A broken feed (a column that went missing, changed its unit, froze, was recoded) must not start a
// retraining and must not be trained on; a season must not be taken for one. The rules and their
// reasons are in docs/drift.md. Pure: health per slot in, open breaches out.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "drift/feed/stretch.h"

namespace rekindle::drift {

// Slots that the checks look back on.
inline constexpr Micros kFeedMemory = std::chrono::hours(24 * 7);

// Breaches that are open after the newest of `slots`: those of `open` that last (same from_us, later
// until_us) and new ones; one of `open` that does not come back has ended. Suspects: what is a breach if it
// lasts. `slots`: those with rows, oldest first, at most kFeedMemory. `open` and `ended` (what was open
// lately) hold breaches of this source alone. `whole`: of a single source, the slots of all together.
Findings check_feed(const v1::Profile& reference, std::span<const FeedColumn> columns,
                    std::span<const SlotHealth> slots, Micros slot, std::string_view source,
                    std::span<const v1::Breach> open, std::span<const v1::Breach> ended = {},
                    std::span<const SlotHealth> whole = {});

// Who is at fault: `whole` is what all nodes together showed, `nodes` what each of them showed alone; at
// least two. What is new and shows on some nodes alone is theirs; what began on all of them at once, or shows
// on none for want of rows, is everybody's. A breach of all that was `open` stays one.
Findings attribute(Findings whole, std::vector<Findings> nodes, std::span<const v1::Breach* const> open);

}  // namespace rekindle::drift
