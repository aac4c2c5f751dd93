#include "trainer/rank.h"

#include "base/faults/crash_point.h"
#include "base/log.h"
#include "launch/command/work_folder.h"
#include "models/predictor.h"
#include "runtime/environment.h"
#include "trainer/command/version.h"
#include "trainer/context.h"
#include "trainer/gpu/device.h"
#include "trainer/publish/evaluate.h"
#include "trainer/publish/judge.h"
#include "trainer/publish/score.h"
#include "trainer/refusal.h"
#include "trainer/rows.h"
#include "trainer/torch.h"
#include "trainer/train/train.h"

namespace rekindle::trainer {
namespace {

Result<v1::Outcome> score(Context& context) {
  auto results = score_items(context);
  if (!results.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, results.status());
  v1::Outcome out;
  out.set_kind(v1::Outcome::FINISHED);
  for (auto& result : *results) *out.add_scores() = std::move(result);
  return out;
}

// Before a script runs; an outcome of no kind: it may.
Result<v1::Outcome> rows_for_script(Context& context) {
  context.reporter.phase(v1::PHASE_DATA);
  const auto rows = read_run_rows(context.store, context.plan);
  if (!rows.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, rows.status());
  context.reporter.advance();
  TRY_STATUS(write_script_rows(*rows, launch::WorkFolder(context.folder)));
  log_info("rows are written", {{"train", rows->train.size()}, {"validation", rows->valid.size()}});
  return v1::Outcome();
}

// After the scripts of all ranks have ended well: what they left becomes a version.
Result<v1::Outcome> version_from_script(Context& context) {
  context.reporter.phase(v1::PHASE_SCORE);
  const launch::WorkFolder work(context.folder);
  const auto environment = TRY(runtime::read_kept(context.plan.spec().train().env(), work.environment()));
  auto out = store_out(context.store, work.out());
  if (!out.ok()) return refuse_or_fail(v1::Outcome::SPEC_REFUSED, out.status());
  auto files = version_of_script(context.plan, std::move(out).value(), environment.described);
  if (!files.ok()) return refuse_or_fail(v1::Outcome::SPEC_REFUSED, files.status());
  context.reporter.advance();
  const auto rows = read_run_rows(context.store, context.plan);
  if (!rows.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, rows.status());
  context.reporter.advance();
  const std::string manifest = TRY(store_candidate(context.store, *files));
  const auto candidate = models::load_predictor(context.store, manifest, predictor_options(context.plan));
  if (!candidate.ok())
    return refuse_or_fail(v1::Outcome::SPEC_REFUSED,
                          candidate.status().within("the version that the script made does not answer"));
  auto judged = judge_and_publish(context, *rows, **candidate, std::move(files).value());
  if (!judged.ok())
    return refuse_or_fail(v1::Outcome::SPEC_REFUSED,
                          judged.status().within("the version that the script made cannot be scored"));
  return judged;
}

int exit_code(v1::Outcome::Kind kind) {
  switch (kind) {
    case v1::Outcome::FINISHED:
      return launch::kExitFinished;
    case v1::Outcome::YIELDED:
      return launch::kExitYielded;
    case v1::Outcome::SPEC_REFUSED:
      return launch::kExitSpecRefused;
    case v1::Outcome::DATA_REFUSED:
      return launch::kExitDataRefused;
    case v1::Outcome::DIVERGED:
      return launch::kExitDiverged;
    default:
      return 1;
  }
}

Result<v1::Outcome> do_task(const launch::AttemptFolder& folder, const v1::Plan& plan, Part part,
                            Collectives& collectives, Reporter& reporter, const std::atomic<bool>& yield) {
  auto faults = TRY(Faults::parse(plan.fault(), collectives.rank(), plan.attempt()));
  auto store = TRY(artifacts::open_folder_store(plan.artifacts()));
  Context context{plan, folder, *store, collectives, reporter, faults, yield};
  if (part == Part::kRows) return rows_for_script(context);
  if (part == Part::kScore) return version_from_script(context);
  switch (plan.task()) {
    case v1::Plan::TRAIN:
      return train(context);
    case v1::Plan::SCORE:
      return score(context);
    default:
      return refusal(v1::Outcome::SPEC_REFUSED, "the plan names no task: train or score");
  }
}

}  // namespace

int run_rank(const launch::AttemptFolder& folder, const v1::Plan& plan, Collectives& collectives,
             const std::atomic<bool>& yield, Part part) {
  at::set_num_threads(static_cast<int>(std::max<uint32_t>(plan.threads_per_rank(), 1)));
  auto reporter = Reporter::open(folder, collectives.rank(), plan.start_nonce());
  if (!reporter.ok()) {
    log_error("the report log cannot be opened", {{"reason", reporter.status().message()}});
    return 1;
  }
  (*reporter)->watch(&collectives.begun());
  Result<v1::Outcome> outcome = internal_error("nothing was done");
  try {
    outcome = do_task(folder, plan, part, collectives, **reporter, yield);
  } catch (const std::exception& error) {  // LibTorch throws
    outcome = internal_error(error.what());
    // All ranks do the same operations and so come here together.
    if (const auto refused = refusal_of(error.what()); !refused.empty())
      outcome = refusal(v1::Outcome::SPEC_REFUSED, refused);
  }
  const bool more_to_come =
      part == Part::kRows && outcome.ok() && outcome->kind() == v1::Outcome::KIND_UNSPECIFIED;
  if (more_to_come) return launch::kExitFinished;
  if (outcome.ok() && collectives.rank() == 0) {
    auto written = folder.write_outcome(*outcome);
    if (!written.ok()) outcome = written;
    crash_point("outcome-written");
  }
  if (!outcome.ok()) {
    // Peers may wait in a collective: leaving with a failure has mpirun end them.
    log_error("the rank cannot go on",
              {{"rank", collectives.rank()}, {"reason", outcome.status().message()}});
    (*reporter)->note(outcome.status().to_string());
    return 1;
  }
  (*reporter)->phase(v1::PHASE_END);
  collectives.barrier();
  if (collectives.rank() == 0) {
    log_info("the attempt ends",
             {{"outcome", v1::Outcome::Kind_Name(outcome->kind())}, {"message", outcome->message()}});
  }
  return exit_code(outcome->kind());
}

}  // namespace rekindle::trainer
