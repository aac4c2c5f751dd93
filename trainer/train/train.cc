#include "trainer/train/train.h"

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "proto/candidates.h"
#include "registry/choice.h"
#include "registry/gate/figures.h"
#include "trainer/fit/start.h"
#include "trainer/gpu/device.h"
#include "trainer/predict/load.h"
#include "trainer/publish/evaluate.h"
#include "trainer/publish/judge.h"
#include "trainer/publish/reuse.h"
#include "trainer/refusal.h"
#include "trainer/train/fits.h"
#include "trainer/train/prepare.h"

namespace rekindle::trainer {
namespace {

// A fit that the run may come to.
struct Made {
  const PlannedFit* planned = nullptr;
  v1::ModelCard card;
  Fitted fitted;
  std::string started_from;
  std::optional<RunRows> rows;  // absent: to be read again
};

Result<std::unique_ptr<models::Predictor>> predictor_of(const Context& context, const Made& made) {
  auto code = TRY(
      PluginCode::prepare(context.store, made.card.kind(), made.card.code(), context.scratch() / "code-new"));
  return make_version(made.card, made.fitted.safetensors, std::move(code));
}

class Training {
 public:
  explicit Training(Context& context) : run_(context), fits_(fits_of(context.plan)) {}

  Result<v1::Outcome> run() {
    for (const PlannedFit& planned : fits_) {
      if (auto ended = TRY(one(planned))) return *std::move(ended);
    }
    return finish();
  }

 private:
  // Nothing: the run goes on.
  using Ended = std::optional<v1::Outcome>;

  bool several() const { return fits_.size() > 1; }
  Context context_of(const PlannedFit& planned) const;
  Result<Ended> one(const PlannedFit& planned);
  Result<Ended> after_fit(Context& context, const PlannedFit& planned, Prepared prepared, Fitted fitted,
                          std::string started_from);
  Result<Ended> reused(Context& context, const RunRows& rows);
  Result<Ended> pass_over(v1::Outcome::Kind kind, const Status& status);
  Status compare(Context& context, const Made& made);
  Result<v1::Outcome> finish();
  void count(const Fitted& fitted);
  void describe(const Fitted& fitted, const std::string& started_from, v1::Outcome& out) const;
  v1::CandidateFit& told() { return *told_.rbegin(); }

  Context& run_;
  const std::vector<PlannedFit> fits_;
  registry::CandidateFits told_;  // of the fits so far, in order
  std::optional<Made> best_;
  int best_at_ = -1;  // among told_
  Ended refusal_;     // of the first fit that was passed over
  // Of all fits together.
  uint64_t steps_ = 0, resumed_from_ = 0;
  double train_seconds_ = 0, stall_seconds_ = 0;
  int64_t first_step_us_ = 0;
};

Context Training::context_of(const PlannedFit& planned) const {
  Context out{planned.plan,  run_.folder, run_.store, run_.collectives,
              run_.reporter, run_.faults, run_.yield, FitPlace()};
  if (several()) out.place = {planned.number + 1, static_cast<uint32_t>(fits_.size()), steps_};
  return out;
}

Result<Training::Ended> Training::pass_over(v1::Outcome::Kind kind, const Status& status) {
  if (!lasting(status)) return status;
  told().set_passed_over(status.message());
  if (several()) run_.reporter.note(candidate_name(told().number()) + " is passed over: " + status.message());
  if (!refusal_) refusal_ = refusal(kind, status.message());
  return Ended();
}

Result<Training::Ended> Training::reused(Context& context, const RunRows& rows) {
  auto found = reusable(context, rows);
  if (!found.ok()) run_.reporter.note("older versions are not looked at: " + found.status().message());
  return found.ok() ? std::move(found).value() : Ended();
}

Result<Training::Ended> Training::one(const PlannedFit& planned) {
  told_.Add()->set_number(planned.number);
  told().set_train_from_us(planned.plan.windows().train_from_us());
  if (planned.same_as) {
    told().set_passed_over("it comes to the same fit as " + candidate_name(*planned.same_as));
    return Ended();
  }
  // Rows of one fit at a time are held.
  if (best_) best_->rows.reset();
  // Reading rows takes its time: until its first step a fit is as cold as a run.
  run_.reporter.step(0);
  Context context = context_of(planned);
  auto prepared = prepare(context);
  if (auto ready = agreed(context.collectives, prepared.status()); !ready.ok())
    return pass_over(v1::Outcome::DATA_REFUSED, ready);
  told().set_train_rows(prepared->rows.train.size());
  told().set_valid_rows(prepared->rows.valid.size());
  if (planned.number == 0) {
    if (auto again = TRY(reused(context, prepared->rows))) return again;
  }
  auto code = PluginCode::prepare(context.store, prepared->card.kind(), prepared->card.code(),
                                  context.scratch() / "code");
  auto module = code.ok() ? make_module(prepared->card, choose_device(context.plan), code->path())
                          : Result<std::unique_ptr<Module>>(code.status());
  if (auto there = agreed(context.collectives, module.status()); !there.ok())
    return pass_over(v1::Outcome::SPEC_REFUSED, there);

  if (context.first()) {
    log_info("rows are read", {{"train", prepared->rows.train.size()},
                               {"validation", prepared->rows.valid.size()},
                               {"holdout", prepared->rows.holdout.size()},
                               {"world", context.collectives.size()}});
  }
  auto start = start_of(context.store, context.plan, prepared->card, **module, prepared->data.train);
  auto started = agreed(context.collectives, start.status());
  if (!started.ok()) return pass_over(v1::Outcome::DATA_REFUSED, started.within("train.start"));
  if (context.first() && !start->from.empty()) context.reporter.note("started from " + start->from);
  auto fitted = TRY(fit(context, prepared->card, **module, start->parameters, prepared->data));
  return after_fit(context, planned, std::move(prepared).value(), std::move(fitted), start->from);
}

void Training::count(const Fitted& fitted) {
  const v1::CheckpointState& state = fitted.state;
  steps_ += state.step();
  resumed_from_ += fitted.resumed_from_step;
  train_seconds_ += state.train_seconds();
  stall_seconds_ += state.stall_seconds();
  if (first_step_us_ == 0) first_step_us_ = state.first_step_us();
  told().set_steps(state.step());
  told().set_epochs(state.epoch());
  told().set_best_epoch(state.best_epoch());
  told().set_train_seconds(state.train_seconds());
  told().set_parameters_sha256(fitted.parameters_sha256);
}

Result<Training::Ended> Training::after_fit(Context& context, const PlannedFit& planned, Prepared prepared,
                                            Fitted fitted, std::string started_from) {
  count(fitted);
  v1::Outcome out;
  switch (fitted.end) {
    case Fitted::End::kDiverged:
      out = refusal(v1::Outcome::DIVERGED, fitted.problem);
      out.set_culprit(fitted.culprit);
      break;
    case Fitted::End::kYielded:
      out.set_kind(v1::Outcome::YIELDED);
      out.set_message(fitted.problem + ", after step " + std::to_string(fitted.state.step()));
      if (several()) out.set_message(out.message() + " of " + candidate_name(planned.number));
      break;
    case Fitted::End::kRefused:
      if (several()) return pass_over(v1::Outcome::SPEC_REFUSED, failed_precondition(fitted.problem));
      out = refusal(v1::Outcome::SPEC_REFUSED, fitted.problem);
      break;
    case Fitted::End::kFinished: {
      Made made{&planned, std::move(prepared.card), std::move(fitted), std::move(started_from),
                std::move(prepared.rows)};
      if (several()) {
        if (Status scored = compare(context, made); !scored.ok())
          return pass_over(v1::Outcome::DATA_REFUSED, scored.within("the validation rows"));
      }
      const int best = several() ? registry::best_of(context.plan.spec().gate().metric(), told_) : 0;
      if (best == best_at_) return Ended();
      best_at_ = best;
      best_ = std::move(made);
      return Ended();
    }
  }
  describe(fitted, started_from, out);
  return Ended(std::move(out));
}

// What the version would answer to the validation rows, as the gate will judge it on others.
Status Training::compare(Context& context, const Made& made) {
  context.reporter.phase(v1::PHASE_VALIDATE);
  const auto predictor = predictor_of(context, made);
  TRY_STATUS(agreed(context.collectives, predictor.status()));
  const Window& valid = made.rows->valid;
  const auto answers = TRY(score_window(context.collectives, **predictor, valid.rows)).values;
  const v1::JobSpec& spec = context.plan.spec();
  const dataio::LabelRule rule(spec.data().label());
  const v1::Evaluation evaluation =
      evaluate(valid, {answers, {}, rule.constant_answer(made.rows->world().labels)}, spec.data());
  const auto figures = registry::figures_of(spec.gate().metric(), *registry::whole_of(evaluation));
  told().set_figure(figures.candidate);
  if (!std::isfinite(figures.candidate))
    return failed_precondition(std::string(figures.name) + " is not a finite number");
  return ok_status();
}

Result<v1::Outcome> Training::finish() {
  if (!best_) {
    v1::Outcome out = *refusal_;
    if (several()) {
      out.set_message("none of " + std::to_string(fits_.size()) + " fits could be made; " +
                      candidate_name(told_[0].number()) + ": " + out.message());
      *out.mutable_candidates() = told_;
    }
    return out;
  }
  Context context = context_of(*best_->planned);
  if (!best_->rows) best_->rows = TRY(read_run_rows(context.store, context.plan));
  VersionFiles files;
  files.card = best_->card;
  files.safetensors = best_->fitted.safetensors;
  files.lineage = make_lineage(context.plan, context.collectives.describe(), best_->fitted.reduction,
                               best_->fitted.parameters_sha256);
  if (several()) {
    told_[best_at_].set_chosen(true);
    if (context.first())
      context.reporter.note(registry::choice_told(context.plan.spec().gate().metric(), told_).text());
    files.lineage.set_candidate(best_->planned->number);
    *files.lineage.mutable_candidates() = told_;
    // How long it took is not what a model was made from.
    for (auto& fit : *files.lineage.mutable_candidates()) fit.clear_train_seconds();
  }
  const auto candidate = TRY(predictor_of(context, *best_));
  v1::Outcome out = TRY(judge_and_publish(context, *best_->rows, *candidate, std::move(files)));
  describe(best_->fitted, best_->started_from, out);
  return out;
}

void Training::describe(const Fitted& fitted, const std::string& started_from, v1::Outcome& out) const {
  out.set_steps(steps_);
  out.set_epochs(fitted.state.epoch());
  out.set_best_epoch(fitted.state.best_epoch());
  out.set_valid_loss(fitted.state.best_loss());
  out.set_train_seconds(train_seconds_);
  out.set_rows_per_second(fitted.rows_per_second);
  out.set_parameters_sha256(fitted.parameters_sha256);
  out.set_first_step_us(first_step_us_);
  out.set_resumed_from_step(resumed_from_);
  out.set_reduction(fitted.reduction);
  out.set_started_from(started_from);
  out.set_stall_seconds(stall_seconds_);
  if (several()) *out.mutable_candidates() = told_;
}

}  // namespace

Result<v1::Outcome> train(Context& context) {
  return Training(context).run();
}

}  // namespace rekindle::trainer
