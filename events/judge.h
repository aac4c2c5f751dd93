// Judging one sealed slot: feed checks, drift scores over the window, errors of each version.
// Private to this folder. What comes out is a function of event data, quarantines and the slot alone.
#pragma once

#include <optional>

#include "events/model_log.h"

namespace rekindle::events {

// As EventStore::judge_next. On failure the log must be loaded again.
Result<std::optional<v1::JudgedWindow>> judge_next(Database& db, ModelLog& log, const JudgeInput& input);

// Rows of this time, node and sender of labels are kept out by the breach.
bool covers(const v1::Breach& breach, int64_t time_us, std::string_view node, std::string_view labelled_by);
// Whether rows of event times before `until_us` may yet turn out to be broken, as of the newest judgement:
// days that hold them are not settled before `watermark_us` has passed what there is to know.
bool undecided(const v1::JudgeState& state, int64_t until_us, int64_t watermark_us);
// The time up to which settling may go: not past what is sealed, and to be judged first.
Result<int64_t> settle_until(Database& db, ModelLog& log, const JudgeInput& input);

}  // namespace rekindle::events
