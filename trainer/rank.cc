#include "trainer/rank.h"

#include "base/faults/crash_point.h"
#include "base/log.h"
#include "base/stats.h"
#include "dataio/transforms.h"
#include "launch/command/work_folder.h"
#include "models/predictor.h"
#include "runtime/environment.h"
#include "trainer/command/version.h"
#include "trainer/context.h"
#include "trainer/fit/loop.h"
#include "trainer/fit/start.h"
#include "trainer/gpu/device.h"
#include "trainer/predict/load.h"
#include "trainer/publish/evaluate.h"
#include "trainer/publish/probe.h"
#include "trainer/publish/publish.h"
#include "trainer/publish/reuse.h"
#include "trainer/publish/score.h"
#include "trainer/rows.h"
#include "trainer/torch.h"
#include "trainer/trainable.h"

namespace rekindle::trainer {
namespace {

// Numbers beyond these quantiles of the training rows count as these: a month of winter says little about a
// summer's day, and the few warm days in it say it loudly.
constexpr double kClipShare = 0.02;

// What cannot be helped by trying again is a refusal; what may be the machine's fault is not.
bool lasting(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kFailedPrecondition:
    case Code::kOutOfRange:
    case Code::kUnimplemented:
    case Code::kDataLoss:
      return true;
    default:
      return false;
  }
}

v1::Outcome refusal(v1::Outcome::Kind kind, const std::string& message) {
  v1::Outcome out;
  out.set_kind(kind);
  out.set_message(message);
  return out;
}

// A failure that all ranks agree on: a refusal, or the end of this attempt.
Result<v1::Outcome> refuse_or_fail(v1::Outcome::Kind kind, const Status& status) {
  if (lasting(status)) return refusal(kind, status.message());
  return status;
}

struct Prepared {
  RunRows rows;
  v1::ModelCard card;
  FitData data;
};

Result<Prepared> prepare(Context& context) {
  context.reporter.phase(v1::PHASE_DATA);
  Prepared out;
  out.rows = TRY(read_run_rows(context.store, context.plan));
  context.reporter.advance();
  const auto& spec = context.plan.spec();
  dataio::FitOptions options;
  options.clip_share = kClipShare;
  out.card = model_card(spec, TRY(dataio::fit(spec.data(), out.rows.train.rows, options)));
  *out.card.mutable_transforms()->mutable_label() =
      models::fit_label(spec.data().label(), out.rows.train.labels);
  const auto advance = [&context] { context.reporter.advance(); };
  out.data.train = TRY(make_examples(out.card, out.rows.train.rows, advance));
  out.data.valid = TRY(make_examples(out.card, out.rows.valid.rows, advance));
  out.data.train.labels = out.rows.train.labels;
  out.data.valid.labels = out.rows.valid.labels;
  const auto& train = out.data.train.encoded;
  TRY_STATUS(trainable(train, out.rows.train.size(), out.card.transforms(), context.collectives.size()));
  for (const auto& column : constant_columns(train, out.card.transforms()))
    context.reporter.note("column '" + column + "' has one value in all training rows");
  context.reporter.advance();
  return out;
}

// Candidate and champion over the holdout, then the version's files: by rank 0, after all ranks scored.
// `files`: all but what comes of it.
Result<v1::Outcome> judge_and_publish(Context& context, const RunRows& rows,
                                      const models::Predictor& candidate, VersionFiles files) {
  context.reporter.phase(v1::PHASE_SCORE);
  const auto& plan = context.plan;
  const auto& holdout = rows.holdout;
  auto judged = score_window(context.collectives, candidate, holdout.rows);
  if (!judged.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, judged.status().within("the holdout"));
  const std::vector<double> candidate_scores = std::move(judged->values);
  const dataio::LabelRule rule(plan.spec().data().label());
  std::vector<double> champion_scores;
  if (!plan.champion_manifest().empty()) {
    auto champion = models::load_predictor(context.store, plan.champion_manifest(), predictor_options(plan));
    const dataio::LabelRule theirs(champion.ok() ? (*champion)->card().label() : v1::Label());
    auto loaded =
        agreed(context.collectives, champion.ok() ? check_goes_on(rule, theirs) : champion.status());
    const std::string who =
        "the champion, version " + std::to_string(plan.champion_version()) + ", cannot be compared with";
    if (!loaded.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, loaded.within(who));
    auto scores = score_window(context.collectives, **champion, holdout.rows);
    if (!scores.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, scores.status().within(who));
    champion_scores = rule.widened(theirs, std::move(scores->values));
  }

  context.reporter.phase(v1::PHASE_PUBLISH);
  v1::Outcome out;
  out.set_kind(v1::Outcome::FINISHED);
  const Answers answers{candidate_scores, champion_scores, rule.constant_answer(rows.world().labels)};
  *out.mutable_evaluation() = evaluate(holdout, answers, plan.spec().data());
  out.set_train_rows(rows.train.size());
  out.set_valid_rows(rows.valid.size());
  out.set_holdout_rows(holdout.size());
  if (!context.first()) return out;
  files.profile = TRY(make_profile(plan.spec().data(), rows.world(), holdout, candidate_scores));
  files.evaluation_parquet = TRY(evaluation_rows(holdout, plan.spec().data(), answers));
  out.set_manifest(TRY(publish(context.store, files)));
  crash_point("version-stored");
  if (plan.spec().gate().has_serving())
    if (auto probe = probe_serving(context, out.manifest()))
      *out.mutable_evaluation()->mutable_serving() = *std::move(probe);
  return out;
}

Result<v1::Outcome> publish_fitted(Context& context, const Prepared& prepared, const Fitted& fitted) {
  auto code = TRY(PluginCode::prepare(context.store, prepared.card.kind(), prepared.card.code(),
                                      context.scratch() / "code-new"));
  const auto candidate = TRY(make_version(prepared.card, fitted.safetensors, std::move(code)));
  VersionFiles files;
  files.card = prepared.card;
  files.safetensors = fitted.safetensors;
  files.lineage =
      make_lineage(context.plan, context.collectives.describe(), fitted.reduction, fitted.parameters_sha256);
  return judge_and_publish(context, prepared.rows, *candidate, std::move(files));
}

Result<v1::Outcome> train(Context& context) {
  auto prepared = prepare(context);
  auto ready = agreed(context.collectives, prepared.status());
  if (!ready.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, ready);
  auto reused = reusable(context, prepared->rows);
  if (reused.ok() && *reused) return **reused;
  if (!reused.ok()) context.reporter.note("older versions are not looked at: " + reused.status().message());
  auto code = PluginCode::prepare(context.store, prepared->card.kind(), prepared->card.code(),
                                  context.scratch() / "code");
  if (!code.ok()) return refuse_or_fail(v1::Outcome::SPEC_REFUSED, code.status());
  auto module = make_module(prepared->card, choose_device(context.plan), code->path());
  if (!module.ok()) return refuse_or_fail(v1::Outcome::SPEC_REFUSED, module.status());

  if (context.first()) {
    log_info("rows are read", {{"train", prepared->rows.train.size()},
                               {"validation", prepared->rows.valid.size()},
                               {"holdout", prepared->rows.holdout.size()},
                               {"world", context.collectives.size()}});
  }
  auto start = start_of(context.store, context.plan, prepared->card, **module, prepared->data.train);
  auto started = agreed(context.collectives, start.status());
  if (!started.ok()) return refuse_or_fail(v1::Outcome::DATA_REFUSED, started.within("train.start"));
  if (context.first() && !start->from.empty()) context.reporter.note("started from " + start->from);
  auto fitted = TRY(fit(context, prepared->card, **module, start->parameters, prepared->data));
  v1::Outcome out;
  switch (fitted.end) {
    case Fitted::End::kRefused:
      out = refusal(v1::Outcome::SPEC_REFUSED, fitted.problem);
      break;
    case Fitted::End::kDiverged:
      out = refusal(v1::Outcome::DIVERGED, fitted.problem);
      out.set_culprit(fitted.culprit);
      break;
    case Fitted::End::kYielded:
      out.set_kind(v1::Outcome::YIELDED);
      out.set_message(fitted.problem + ", after step " + std::to_string(fitted.state.step()));
      break;
    case Fitted::End::kFinished:
      out = TRY(publish_fitted(context, *prepared, fitted));
      break;
  }
  out.set_steps(fitted.state.step());
  out.set_epochs(fitted.state.epoch());
  out.set_best_epoch(fitted.state.best_epoch());
  out.set_valid_loss(fitted.state.best_loss());
  out.set_train_seconds(fitted.state.train_seconds());
  out.set_rows_per_second(fitted.rows_per_second);
  out.set_parameters_sha256(fitted.parameters_sha256);
  out.set_first_step_us(fitted.state.first_step_us());
  out.set_resumed_from_step(fitted.resumed_from_step);
  out.set_reduction(fitted.reduction);
  out.set_started_from(start->from);
  out.set_stall_seconds(fitted.state.stall_seconds());
  return out;
}

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
