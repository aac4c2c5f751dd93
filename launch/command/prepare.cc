#include "launch/command/prepare.h"

#include <cstdio>

#include "artifacts/store.h"
#include "base/files/passing_files.h"
#include "base/log.h"
#include "jobs/task.h"
#include "proto/json.h"
#include "runtime/code.h"
#include "runtime/environment.h"

namespace rekindle::launch {
namespace {

// Trying again would not help: the spec, or what it names, is at fault.
bool lasting(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kFailedPrecondition:
    case Code::kDataLoss:
      return true;
    default:
      return false;
  }
}

// Folders that a script which died was still writing.
void remove_unfinished(const fs::path& checkpoints) {
  std::error_code error;
  std::vector<fs::path> spent;
  for (const auto& entry : fs::directory_iterator(checkpoints, error)) {
    if (entry.path().extension() == ".tmp") spent.push_back(entry.path());
  }
  for (const fs::path& path : spent) fs::remove_all(path, error);
}

Status write_spec(const v1::Plan& plan, const fs::path& path) {
  return write_file_atomically(path, TRY(to_json(plan.spec(), JsonForm::kFile)), 0640);
}

Status prepare(const WorkFolder& work, const v1::Plan& plan) {
  const fs::path checkpoints = plan.checkpoints();
  const bool task = jobs::is_task(plan.spec());
  TRY_STATUS(make_folders(task ? work.root() : work.out(), 0750));
  // Durable with the first checkpoint in it (CheckpointWatch).
  TRY_STATUS(make_folders(checkpoints, 0750));
  remove_unfinished(checkpoints);
  TRY_STATUS(write_spec(plan, work.spec()));
  if (plan.spec().has_code()) {
    const auto store = TRY(artifacts::open_folder_store(plan.artifacts()));
    TRY_STATUS(runtime::prepare_code(*store, plan.spec().code(), work.code()));
  } else {
    TRY_STATUS(make_folders(work.code(), 0750));
  }
  const fs::path kept =
      plan.environments().empty() ? work.root() / "environments" : fs::path(plan.environments());
  const auto say = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  const runtime::Environment environment =
      TRY(runtime::prepare_environment(plan.spec().train().env(), work.code(), kept, say));
  return runtime::keep(environment, work.environment());
}

}  // namespace

int run_prepare(const GangOptions& options) {
  const AttemptFolder folder(options.folder);
  const Result<v1::Plan> plan = folder.read_plan();
  if (!plan.ok()) {
    log_error("the plan cannot be read", {{"reason", plan.status().message()}});
    return kGangNoPlan;
  }
  return run_prepare(folder, WorkFolder(folder), *plan);
}

int run_prepare(const AttemptFolder& folder, const WorkFolder& work, const v1::Plan& plan) {
  const Status prepared = prepare(work, plan);
  if (prepared.ok()) return kExitFinished;
  log_error("the script cannot be prepared", {{"reason", prepared.message()}});
  if (!lasting(prepared)) return 1;
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::SPEC_REFUSED);
  outcome.set_message(prepared.message());
  return folder.write_outcome(outcome).ok() ? kExitSpecRefused : 1;
}

}  // namespace rekindle::launch
