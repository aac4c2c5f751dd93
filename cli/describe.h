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
std::string describe_run(const v1::Run& run);  // with a timeline
std::string describe_job(const v1::Job& job);
std::string versions_table(const v1::ModelState& model);
// "epoch 2/10  step 340  loss 0.483  41200 rows/s"
std::string progress_text(const v1::Progress& progress);

}  // namespace rekindle::cli
