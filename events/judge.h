// Judging one sealed slot: feed checks, drift scores over the window, errors of each version.
// Private to this folder. What comes out is a function of event data, quarantines and the slot alone.
#pragma once

#include <optional>

#include "events/model_log.h"

namespace rekindle::events {

// As EventStore::judge_next. On failure the log must be loaded again.
Result<std::optional<v1::JudgedWindow>> judge_next(Database& db, ModelLog& log, const JudgeInput& input);

// Rows of this time and node are kept out by the breach.
bool covers(const v1::Breach& breach, int64_t time_us, std::string_view node);

}  // namespace rekindle::events
