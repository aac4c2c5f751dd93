// Which records from nodes and clients can be true, by the label of the job. Pure; each refusal says what was
// wrong.
#pragma once

#include "base/result.h"
#include "dataio/labels.h"
#include "rekindle/v1/events.pb.h"

namespace rekindle::events {

inline constexpr uint32_t kRequestRowsMax = 100'000;
inline constexpr size_t kRequestIdMax = 256;

Status check_request(const v1::RequestRecord& record, const dataio::LabelRule& rule);
Status check_labels(const v1::LabelRecord& record, const dataio::LabelRule& rule);
Status check_counts(const v1::SlotCounts& counts);

}  // namespace rekindle::events
