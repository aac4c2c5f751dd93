// Runs, models and what happened to them, in words. Pure: messages in, text out.
#pragma once

#include <string>

#include "cli/output.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {

std::string state_text(v1::RunState state);    // "published", coloured
std::string cause_text(v1::Cause cause);       // "drift"
std::string outcome_text(const v1::Run& run);  // one line: how it ended or why it waits
std::string runs_table(const google::protobuf::RepeatedPtrField<v1::Run>& runs);
// Of the attempt that lives: "attempt 2 on 2 ranks", and what was asked of it; empty: none lives.
std::string attempt_text(const v1::Run& run);
// With a timeline, and how far it is while it runs.
std::string describe_run(const v1::RunUpdate& update);
std::string describe_job(const v1::Job& job);
std::string versions_table(const v1::ModelState& model);
// "epoch 2/10  step 340/1700  loss 0.4830  41200 rows/s  ends in 33s", and what else the ranks tell
std::string progress_text(const v1::Progress& progress);

}  // namespace rekindle::cli
