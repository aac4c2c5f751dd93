// Settling: a day whose labels have matured becomes a Parquet blob. Private to this folder.
#pragma once

#include "artifacts/store.h"
#include "events/model_log.h"

namespace rekindle::events {

// As EventStore::settle.
Result<std::vector<v1::DatasetSnapshot>> settle(Database& db, artifacts::Store& artifacts, ModelLog& log,
                                                const v1::JobSpec& spec, int64_t watermark_us,
                                                std::span<const v1::Quarantine> quarantines);

Result<std::vector<v1::DatasetSnapshot>> settled_snapshots(Database& db, std::string_view model);

}  // namespace rekindle::events
