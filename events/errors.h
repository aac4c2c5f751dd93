// How well each version did: ADWIN on the mean clipped log-loss of each slot's labelled rows.
// Private to this folder. docs/drift.md says why slots and not rows.
#pragma once

#include <functional>

#include "events/model_log.h"

namespace rekindle::events {

// Feeds the detectors with the slots of event time that have matured at `until_us` (end <= until_us -
// matures_us) and were not fed before. Rows for which `excluded` holds are left out.
Status score_matured(Database& db, ModelLog& log, double delta, int64_t slot_us, int64_t until_us,
                     int64_t matures_us, const std::function<bool(const LabelledRequest&)>& excluded);

v1::Score error_score(const v1::DetectorState& state, double delta);

}  // namespace rekindle::events
