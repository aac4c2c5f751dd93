#include "trainer/fit/loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/hash.h"
#include "base/log.h"
#include "base/stats.h"
#include "dataio/order.h"
#include "proto/time.h"
#include "trainer/fit/checkpoint_writer.h"
#include "trainer/fit/digest.h"
#include "trainer/fit/pace.h"
#include "trainer/fit/schedule.h"
#include "trainer/fit/stepper.h"
#include "trainer/gpu/gpu.h"
#include "trainer/kinds/heads.h"
#include "trainer/record.h"

namespace rekindle::trainer {
namespace {

using SteadyClock = std::chrono::steady_clock;

// Before the attempt's time limit: for a step under way, and a checkpoint that takes longer than the longest.
constexpr double kLeaveSeconds = 3;
constexpr double kLeaveCheckpoints = 3;

uint64_t most_steps(const v1::Stop& stop, uint64_t batches) {
  const uint64_t steps = batches * std::max<uint32_t>(stop.epochs(), 1);
  return stop.steps() > 0 ? std::min<uint64_t>(steps, stop.steps()) : steps;
}

class Loop {
 public:
  Loop(Context& context, const v1::ModelCard& card, Module& module, const models::Parameters& begin,
       const FitData& data)
      : context_(context),
        spec_(context.plan.spec().train()),
        head_(models::head_of(card).value()),
        data_(data),
        module_(module),
        batches_(dataio::batches_per_epoch(data.train.rows(), spec_.batch())),
        steps_max_(most_steps(spec_.stop(), batches_)),
        stepper_(module, context.collectives, spec_, steps_max_, &context.reporter, gpu_graphs()),
        best_(module.parameters().zeros()),
        checkpoints_(context.plan.checkpoints()),
        recorder_(context.faults.records(), context.folder.root(), context.collectives.rank()),
        writer_(checkpoints_, module.layout(), spec_.checkpoints(), &context.reporter) {
    module.parameters().load(module.layout().flat(begin));
    best_.copy_(module.parameters().values());
    state_.set_identity(fit_identity(context.plan));
    state_.set_seed(spec_.seed());
    state_.set_world(static_cast<uint32_t>(context.collectives.size()));
    state_.set_optimizer(stepper_.optimizer().kind());
    *state_.mutable_transforms() = card.transforms();
  }

  Result<Fitted> run();

 private:
  // Nothing: the fit goes on.
  using Ended = std::optional<Fitted::End>;

  Status resume();
  Result<Ended> run_epoch();
  Result<Ended> step(std::span<const int64_t> order);
  Result<Ended> end_epoch();
  Wishes wishes();
  bool should_leave();
  double validation_loss();
  std::vector<double> judged_outputs(size_t begin, size_t end);
  Ended disagreement();
  Ended refuse(std::string problem);
  void save();
  void settle() { state_.set_stall_seconds(state_.stall_seconds() + writer_.taken()); }
  Groups groups() const;
  // Counted over all fits of the run.
  uint64_t step_of_run() const { return context_.place.steps_before + state_.step(); }
  // Of the epoch so far, in the unit of the label as the validation loss is.
  double train_loss() const {
    return head_.loss_unit() * state_.epoch_loss_sum() / static_cast<double>(state_.epoch_rows());
  }
  void report();
  void report_epoch(double train_loss, double valid_loss);
  Fitted fitted(Fitted::End end);

  Context& context_;
  const v1::Train& spec_;
  const models::Head head_;
  const FitData& data_;
  Module& module_;
  const uint64_t batches_, steps_max_;
  Stepper stepper_;
  at::Tensor best_;
  v1::CheckpointState state_;
  std::string problem_;
  int culprit_ = 0;

  uint64_t resumed_from_ = 0;
  Pace pace_;
  SteadyClock::time_point saved_at_ = SteadyClock::now();
  bool save_pending_ = false;  // rank 0: an epoch has ended while a checkpoint was being written
  bool time_is_up_ = false;    // `within` has passed
  CheckpointFolder checkpoints_;
  Recorder recorder_;
  CheckpointWriter writer_;  // last: ends before what it reads
};

Groups Loop::groups() const {
  Groups out{{"parameters", module_.parameters().values()}, {"best", best_}};
  for (const auto& moment : stepper_.optimizer().moments()) out.push_back(moment);
  if (stepper_.average().defined()) out.emplace_back("average", stepper_.average());
  return out;
}

// Rank 0 chooses and hands out, so that no two ranks can resume differently.
Status Loop::resume() {
  auto& collectives = context_.collectives;
  std::string packed;
  if (context_.first()) {
    checkpoints_.remove_leftovers();
    std::vector<std::string> passed_over;
    auto found = checkpoints_.newest(module_.layout(), state_.identity(), passed_over);
    for (const auto& sentence : passed_over) context_.reporter.note(sentence);
    if (found) packed = pack(module_.layout(), *found);
  }
  uint64_t size = packed.size();
  collectives.broadcast(std::as_writable_bytes(std::span(&size, 1)), 0);
  if (size == 0) return {};
  packed.resize(size);
  collectives.broadcast(std::as_writable_bytes(std::span(packed)), 0);
  auto checkpoint = TRY(unpack(module_.layout(), packed));
  for (const auto& [name, tensor] : groups()) {
    auto found = checkpoint.groups.find(name);
    if (found == checkpoint.groups.end())
      return data_loss("the checkpoint holds no '" + name + "': remove " + context_.plan.checkpoints());
    FlatParameters::from_host(found->second, tensor);
  }
  const uint32_t world = state_.world();
  state_ = std::move(checkpoint.state);
  resumed_from_ = state_.step();
  if (context_.first()) {
    std::string text = "resumed from checkpoint step-" + std::to_string(resumed_from_);
    if (state_.world() != world)
      text += ", which " + std::to_string(state_.world()) + " ranks made, on " + std::to_string(world);
    context_.reporter.note(text);
  }
  state_.set_world(world);
  return {};
}

bool Loop::should_leave() {
  if (context_.yield.load()) {
    problem_ = "left on request";
    return true;
  }
  if (!context_.first() || context_.plan.leave_by_us() == 0) return false;
  const double left =
      static_cast<double>(context_.plan.leave_by_us() - to_micros(SystemClock().wall())) * 1e-6;
  if (left > kLeaveSeconds + kLeaveCheckpoints * writer_.longest_seconds()) return false;
  problem_ = "left before the attempt's time limit";
  return true;
}

Wishes Loop::wishes() {
  Wishes out;
  out.leave = should_leave();
  if (!context_.first()) return out;
  const bool due = save_pending_ || SteadyClock::now() - saved_at_ >= from_proto(spec_.checkpoints().every());
  out.save = due && writer_.idle();
  const Micros within = from_proto(spec_.stop().within());
  out.end = within > Micros(0) && pace_.seconds() >= std::chrono::duration<double>(within).count();
  return out;
}

Result<Loop::Ended> Loop::step(std::span<const int64_t> order) {
  context_.faults.before_step(step_of_run());
  const auto batch_at = [&](uint64_t at) {
    const auto slice = dataio::batch_slice(order.size(), spec_.batch(), at);
    return order.subspan(slice.begin, slice.size());
  };
  const auto batch = batch_at(state_.batch());
  const bool last = state_.batch() + 1 == batches_ || state_.step() + 1 == steps_max_;
  const auto next = last ? std::span<const int64_t>() : batch_at(state_.batch() + 1);
  recorder_.rows(state_.epoch(), step_of_run(), stepper_.part(batch));
  const auto sums = stepper_.gradients(data_.train, batch, state_.step(), wishes(), next,
                                       context_.faults.poisons(step_of_run()));
  if (!std::isfinite(sums.loss)) {
    std::string problem = "the loss is not finite at step " + std::to_string(state_.step()) + ": lower " +
                          rate_field(spec_.optimizer()) + ", set train.optimizer.clip";
    if (spec_.precision() == v1::BF16) problem += ", try train.precision: fp32";
    if (spec_.reduction().compress() == v1::Reduction::HALF)
      problem += ", try train.reduction.compress: bfloat (fp16 ends at 65504)";
    return refuse(problem + " or look for extreme values in the rows");
  }
  settle();  // a checkpoint may still be copying what changes now
  const bool report_due = context_.first() && pace_.due();
  stepper_.update(state_.step(), report_due || last);
  recorder_.loss(step_of_run(), sums.loss / static_cast<double>(batch.size()), stepper_.rate());
  if (context_.faults.flips(step_of_run())) module_.parameters().values()[0].add_(0.5);
  if (state_.step() == 0) state_.set_first_step_us(to_micros(SystemClock().wall()));
  state_.set_step(state_.step() + 1);
  state_.set_batch(state_.batch() + 1);
  state_.set_epoch_loss_sum(state_.epoch_loss_sum() + sums.loss);
  state_.set_epoch_rows(state_.epoch_rows() + batch.size());
  pace_.step(batch.size());
  context_.reporter.step(state_.step());
  if (report_due) report();

  time_is_up_ = sums.wishes.end;
  const uint32_t digest = spec_.limits().has_digest() ? spec_.limits().digest() : 100;
  const bool saves = sums.wishes.save || sums.wishes.leave;
  if (saves || (digest > 0 && state_.step() % digest == 0)) {
    if (auto ended = disagreement()) return ended;
  }
  if (saves) save();
  if (!sums.wishes.leave) return Ended();
  if (problem_.empty()) problem_ = "left with the other ranks";
  TRY_STATUS(writer_.finish().within("the checkpoint to leave with"));
  return Ended(Fitted::End::kYielded);
}

Result<Loop::Ended> Loop::run_epoch() {
  const auto order = dataio::permutation(data_.train.rows(), spec_.seed(), state_.epoch());
  while (state_.batch() < batches_ && state_.step() < steps_max_ && !time_is_up_) {
    if (auto ended = TRY(step(order))) return ended;
  }
  settle();
  return end_epoch();
}

std::vector<double> Loop::judged_outputs(size_t begin, size_t end) {
  if (!stepper_.average().defined()) return module_.outputs(data_.valid, begin, end);
  at::NoGradGuard no_grad;
  const auto& values = module_.parameters().values();
  const auto kept = values.clone();
  values.copy_(stepper_.average());
  auto out = module_.outputs(data_.valid, begin, end);
  values.copy_(kept);
  return out;
}

double Loop::validation_loss() {
  context_.reporter.phase(v1::PHASE_VALIDATE);
  const size_t rows = data_.valid.rows(), width = head_.outputs();
  const auto part =
      dataio::rank_part({0, rows}, static_cast<uint32_t>(context_.collectives.rank()), state_.world());
  const auto answers = judged_outputs(part.begin, part.end);
  std::vector<double> losses(part.size());
  for (size_t i = 0; i < losses.size(); ++i) {
    losses[i] =
        head_.rule.loss(data_.valid.labels[part.begin + i], std::span(answers).subspan(i * width, width));
  }
  double total = sum(losses);
  context_.collectives.sum(std::span<double>(&total, 1));
  return total / static_cast<double>(rows);
}

Loop::Ended Loop::refuse(std::string problem) {
  problem_ = std::move(problem) + "; nothing is published";
  return Fitted::End::kRefused;
}

// Ranks that drifted apart train different models: nothing of them may be saved or published.
Loop::Ended Loop::disagreement() {
  const auto found = compare_parameters(module_.parameters(), context_.collectives);
  if (found.ranks.empty()) return {};
  culprit_ = found.culprit();
  problem_ = found.sentence(context_.collectives.size()) + " after step " + std::to_string(state_.step()) +
             ": memory or a processor is faulty there; nothing is published";
  return Fitted::End::kDiverged;
}

// Rank 0 writes while the ranks go on.
void Loop::save() {
  context_.reporter.phase(v1::PHASE_CHECKPOINT);
  if (!context_.first()) return;
  save_pending_ = false;
  saved_at_ = SteadyClock::now();
  state_.set_train_seconds(pace_.seconds());
  writer_.begin(state_, groups());
}

void Loop::report() {
  v1::Progress progress;
  progress.set_epoch(state_.epoch() + 1);
  progress.set_epochs(spec_.stop().epochs());
  progress.set_step(state_.step());
  progress.set_steps(steps_max_);
  progress.set_fit(context_.place.fit);
  progress.set_fits(context_.place.fits);
  if (state_.epoch_rows() > 0) progress.set_loss(train_loss());
  progress.set_rate(stepper_.rate());
  progress.set_gradient_norm(stepper_.norm());
  progress.set_stall_seconds(state_.stall_seconds());
  pace_.describe(steps_max_ - state_.step(), progress);
  context_.reporter.progress(progress);
}

void Loop::report_epoch(double train_loss, double valid_loss) {
  report();
  context_.reporter.metric("train_loss", step_of_run(), train_loss);
  context_.reporter.metric("valid_loss", step_of_run(), valid_loss);
  log_info("epoch ended", {{"epoch", state_.epoch() + 1},
                           {"step", state_.step()},
                           {"train_loss", train_loss},
                           {"valid_loss", valid_loss}});
}

Result<Loop::Ended> Loop::end_epoch() {
  const double train_loss = this->train_loss();
  const double loss = validation_loss();
  if (!std::isfinite(loss))
    return refuse("the validation loss is not finite after step " + std::to_string(state_.step()) +
                  ": lower " + rate_field(spec_.optimizer()) + " or set train.optimizer.clip");
  if (context_.first()) report_epoch(train_loss, loss);
  const double diverged = spec_.stop().has_diverged() ? spec_.stop().diverged() : 10;
  if (state_.epoch() == 0) state_.set_first_epoch_loss(train_loss);
  if (diverged > 0 && state_.epoch() > 0 && train_loss > diverged * state_.first_epoch_loss())
    return refuse("the loss has grown from " + std::to_string(state_.first_epoch_loss()) +
                  " in the first epoch to " + std::to_string(train_loss) + " at step " +
                  std::to_string(state_.step()) + ": lower " + rate_field(spec_.optimizer()) +
                  ", or raise train.stop.diverged if that is as it should be");
  if (state_.best_epoch() == 0 || loss < state_.best_loss()) {
    state_.set_best_epoch(state_.epoch() + 1);
    state_.set_best_loss(loss);
    state_.set_epochs_without_gain(0);
    best_.copy_(stepper_.judged());
  } else {
    state_.set_epochs_without_gain(state_.epochs_without_gain() + 1);
  }
  state_.set_epoch(state_.epoch() + 1);
  state_.set_batch(0);
  state_.set_epoch_loss_sum(0);
  state_.set_epoch_rows(0);
  const uint32_t patience = spec_.stop().patience();
  state_.set_fitted(state_.epoch() >= spec_.stop().epochs() || state_.step() >= steps_max_ || time_is_up_ ||
                    (patience > 0 && state_.epochs_without_gain() >= patience));
  if (auto ended = disagreement()) return ended;
  // The end of an epoch that comes while a checkpoint is being written is saved at one of the next steps.
  save_pending_ = true;
  if (state_.fitted() || writer_.idle()) save();
  return Ended();
}

Fitted Loop::fitted(Fitted::End end) {
  Fitted out;
  out.end = end;
  const auto best = FlatParameters::to_host(best_);
  if (end == Fitted::End::kFinished) out.safetensors = module_.layout().safetensors(best);
  out.parameters_sha256 = module_.layout().sha256(best);
  out.state = state_;
  out.state.set_train_seconds(pace_.seconds());
  out.resumed_from_step = resumed_from_;
  out.rows_per_second = pace_.rows_per_second();
  out.reduction = stepper_.reduction().describe();
  out.problem = problem_;
  out.culprit = culprit_;
  return out;
}

Result<Fitted> Loop::run() {
  TRY_STATUS(resume());
  if (auto ended = disagreement()) return fitted(*ended);
  recorder_.beginning(module_, data_.train);
  pace_.start(state_.train_seconds());
  saved_at_ = SteadyClock::now();
  while (!state_.fitted()) {
    if (auto ended = TRY(run_epoch())) return fitted(*ended);
  }
  // A fit whose last checkpoint failed is fitted all the same; the writer has said so.
  (void)writer_.finish();
  return fitted(Fitted::End::kFinished);
}

}  // namespace

std::string fit_identity(const v1::Plan& plan) {
  v1::Plan identity;
  identity.set_run(plan.run());
  *identity.mutable_spec()->mutable_train() = plan.spec().train();
  *identity.mutable_spec()->mutable_data() = plan.spec().data();
  // Neither how often nor on how many ranks changes what is fitted.
  identity.mutable_spec()->mutable_train()->clear_checkpoints();
  identity.mutable_spec()->mutable_train()->clear_ranks();
  identity.mutable_spec()->mutable_train()->clear_limits();
  *identity.mutable_data() = plan.data();
  *identity.mutable_windows() = plan.windows();
  return sha256_hex(identity.SerializeAsString());
}

Result<Fitted> fit(Context& context, const v1::ModelCard& card, Module& module,
                   const models::Parameters& begin, const FitData& data) {
  return Loop(context, card, module, begin, data).run();
}

}  // namespace rekindle::trainer
