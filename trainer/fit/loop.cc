#include "trainer/fit/loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <future>

#include "base/hash.h"
#include "base/log.h"
#include "base/stats.h"
#include "dataio/order.h"
#include "proto/time.h"
#include "trainer/fit/adamw.h"
#include "trainer/fit/checkpoint.h"
#include "trainer/fit/gradients.h"
#include "trainer/kinds/heads.h"
#include "trainer/record.h"

namespace rekindle::trainer {
namespace {

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

class Loop {
 public:
  Loop(Context& context, const v1::ModelCard& card, Module& module, const FitData& data)
      : context_(context),
        spec_(context.plan.spec().train()),
        label_(card.label()),
        data_(data),
        module_(module),
        adamw_(module.parameters()),
        gradients_(module.parameters(), context.collectives),
        checkpoints_(context.plan.checkpoints()),
        recorder_(context.faults.records(), context.folder.root(), context.collectives.rank()) {
    module.parameters().load(module.layout().flat(module.initial(spec_.seed(), data.train)));
    best_ = module.parameters().host();
    state_.set_identity(fit_identity(context.plan));
    state_.set_seed(spec_.seed());
    state_.set_world(static_cast<uint32_t>(context.collectives.size()));
    *state_.mutable_transforms() = card.transforms();
  }

  Result<Fitted> run();

 private:
  enum class Epoch { kDone, kYielded, kNotFinite };

  Status resume();
  Result<Epoch> run_epoch();
  // Whether all ranks go on; the sums of the step over all ranks are in it.
  struct StepSums {
    double loss = 0;
    bool yield = false;
    bool save = false;
  };
  StepSums step(std::span<const int64_t> order, uint64_t batch);
  double validation_loss();
  Status equal_parameters();
  Status save();
  Status saved();  // waits for the checkpoint that is being written
  void report(double rows_per_second);
  Fitted fitted(Fitted::End end) const;

  uint64_t batches() const { return dataio::batches_per_epoch(data_.train.rows(), spec_.batch()); }
  uint64_t steps_max() const { return batches() * spec_.stop().epochs(); }
  double elapsed() const { return seconds_before_ + seconds_since(begun_); }

  Context& context_;
  const v1::Train& spec_;
  const v1::Label& label_;
  const FitData& data_;
  Module& module_;
  AdamW adamw_;
  Gradients gradients_;
  CheckpointFolder checkpoints_;
  Recorder recorder_;
  FlatBuffer best_;
  v1::CheckpointState state_;

  uint64_t resumed_from_ = 0;
  uint64_t rows_done_ = 0;  // by this process
  double seconds_before_ = 0;
  SteadyClock::time_point begun_ = SteadyClock::now();
  SteadyClock::time_point saved_at_ = SteadyClock::now();
  SteadyClock::time_point reported_ = SteadyClock::now();
  std::future<Status> writing_;  // last: ends before what it reads
};

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
  module_.parameters().load(checkpoint.values);
  FlatParameters::from_host(checkpoint.first, adamw_.first());
  FlatParameters::from_host(checkpoint.second, adamw_.second());
  best_ = std::move(checkpoint.best);
  const uint32_t world = state_.world();
  state_ = std::move(checkpoint.state);
  state_.set_world(world);
  resumed_from_ = state_.step();
  seconds_before_ = state_.train_seconds();
  if (context_.first())
    context_.reporter.note("resumed from checkpoint step-" + std::to_string(resumed_from_));
  return {};
}

Loop::StepSums Loop::step(std::span<const int64_t> order, uint64_t batch) {
  auto& reporter = context_.reporter;
  context_.faults.before_step(state_.step());
  reporter.phase(v1::PHASE_FORWARD);
  const auto whole = dataio::batch_slice(order.size(), spec_.batch(), batch);
  const auto part =
      dataio::rank_part(whole, static_cast<uint32_t>(context_.collectives.rank()), state_.world());
  const auto rows = order.subspan(part.begin, part.size());
  recorder_.rows(state_.epoch(), state_.step(), rows);
  gradients_.before_forward();
  const StepKey key{spec_.seed(), state_.step(), part.begin - whole.begin};
  // The Reducer takes the mean over the ranks: times the world, it is the sum over the global rows.
  const double scale = static_cast<double>(state_.world()) / static_cast<double>(whole.size());
  auto loss = module_.loss(data_.train, rows, key, scale);
  reporter.phase(v1::PHASE_BACKWARD);
  gradients_.backward(loss);

  // One small reduction carries what the ranks must agree on in this step.
  reporter.phase(v1::PHASE_REDUCE);
  const bool due =
      context_.first() && SteadyClock::now() - saved_at_ >= from_proto(spec_.checkpoints().every());
  double sums[3] = {loss.item<double>() / scale, context_.yield.load() ? 1.0 : 0.0, due ? 1.0 : 0.0};
  if (context_.faults.poisons(state_.step())) sums[0] = std::nan("");
  context_.collectives.sum(std::span<double>(sums));
  if (std::isfinite(sums[0])) {
    reporter.phase(v1::PHASE_OPTIMIZER);
    AdamWOptions options;
    options.rate = scheduled_rate(spec_.optimizer().adamw().rate(), state_.step(), steps_max());
    options.decay = spec_.optimizer().adamw().decay();
    recorder_.loss(state_.step(), sums[0] / static_cast<double>(whole.size()), options.rate);
    adamw_.update(options, state_.step() + 1);
    if (state_.step() == 0) state_.set_first_step_us(to_micros(SystemClock().wall()));
    state_.set_step(state_.step() + 1);
    state_.set_batch(batch + 1);
    state_.set_epoch_loss_sum(state_.epoch_loss_sum() + sums[0]);
    state_.set_epoch_rows(state_.epoch_rows() + whole.size());
    rows_done_ += whole.size();
    reporter.step(state_.step());
  }
  return {sums[0], sums[1] != 0, sums[2] != 0};
}

Result<Loop::Epoch> Loop::run_epoch() {
  const auto order = dataio::permutation(data_.train.rows(), spec_.seed(), state_.epoch());
  for (uint64_t batch = state_.batch(); batch < batches(); ++batch) {
    const auto sums = step(order, batch);
    if (!std::isfinite(sums.loss)) return Epoch::kNotFinite;
    if (sums.yield || sums.save) TRY_STATUS(save());
    if (sums.yield) return Epoch::kYielded;
    if (context_.first() && seconds_since(reported_) >= 0.5)
      report(rows_done_ / std::max(1e-9, seconds_since(begun_)));
  }
  return Epoch::kDone;
}

double Loop::validation_loss() {
  context_.reporter.phase(v1::PHASE_VALIDATE);
  const size_t rows = data_.valid.rows(), width = data_.valid.label_width;
  const auto part =
      dataio::rank_part({0, rows}, static_cast<uint32_t>(context_.collectives.rank()), state_.world());
  const auto answers = module_.outputs(data_.valid, part.begin, part.end);
  const size_t outputs = part.size() == 0 ? 0 : answers.size() / part.size();
  std::vector<double> losses(part.size());
  for (size_t i = 0; i < losses.size(); ++i) {
    losses[i] = head_row_loss(label_, std::span(data_.valid.labels).subspan((part.begin + i) * width, width),
                              std::span(answers).subspan(i * outputs, outputs));
  }
  double total = sum(losses);
  context_.collectives.sum(std::span<double>(&total, 1));
  return total / static_cast<double>(rows);
}

// Ranks that drifted apart train different models: nothing of them may be published.
Status Loop::equal_parameters() {
  const auto values = module_.parameters().host();
  uint64_t mine = stable_hash({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  std::vector<uint64_t> all(static_cast<size_t>(context_.collectives.size()));
  context_.collectives.gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  for (size_t r = 1; r < all.size(); ++r) {
    if (all[r] != all[0]) {
      return internal_error("rank " + std::to_string(r) + " holds other parameters than rank 0 after step " +
                            std::to_string(state_.step()) + ": the attempt cannot go on");
    }
  }
  return {};
}

// Rank 0 writes from copies while the ranks go on; one at a time.
Status Loop::save() {
  context_.reporter.phase(v1::PHASE_CHECKPOINT);
  TRY_STATUS(equal_parameters());
  TRY_STATUS(saved());
  saved_at_ = SteadyClock::now();
  state_.set_train_seconds(elapsed());
  if (!context_.first()) return {};
  Checkpoint checkpoint{state_, module_.parameters().host(), FlatParameters::to_host(adamw_.first()),
                        FlatParameters::to_host(adamw_.second()), best_};
  writing_ = std::async(std::launch::async, [this, checkpoint = std::move(checkpoint)] {
    const auto begun = SteadyClock::now();
    auto folder = checkpoints_.commit(module_.layout(), checkpoint, spec_.checkpoints().keep());
    if (folder.ok())
      context_.reporter.checkpoint(checkpoint.state.step(), folder->string(), seconds_since(begun));
    return folder.status();
  });
  return {};
}

Status Loop::saved() {
  return writing_.valid() ? writing_.get() : Status();
}

void Loop::report(double rows_per_second) {
  reported_ = SteadyClock::now();
  v1::Progress progress;
  progress.set_epoch(state_.epoch() + 1);
  progress.set_epochs(spec_.stop().epochs());
  progress.set_step(state_.step());
  progress.set_steps(steps_max());
  progress.set_rows_per_second(rows_per_second);
  if (state_.epoch_rows() > 0)
    progress.set_loss(state_.epoch_loss_sum() / static_cast<double>(state_.epoch_rows()));
  context_.reporter.progress(progress);
}

Fitted Loop::fitted(Fitted::End end) const {
  Fitted out;
  out.end = end;
  out.safetensors = module_.layout().safetensors(best_);
  out.parameters_sha256 = module_.layout().sha256(best_);
  out.state = state_;
  out.state.set_train_seconds(elapsed());
  out.resumed_from_step = resumed_from_;
  out.rows_per_second = static_cast<double>(rows_done_) / std::max(1e-9, seconds_since(begun_));
  if (end == Fitted::End::kNotFinite) {
    out.problem =
        "the loss is not finite at step " + std::to_string(state_.step()) +
        ": nothing is published; lower train.optimizer.adamw.rate or look for extreme values in the rows";
  }
  return out;
}

Result<Fitted> Loop::run() {
  TRY_STATUS(resume());
  TRY_STATUS(equal_parameters());
  recorder_.beginning(module_, data_.train);
  begun_ = saved_at_ = reported_ = SteadyClock::now();
  while (!state_.fitted()) {
    switch (TRY(run_epoch())) {
      case Epoch::kYielded:
        TRY_STATUS(saved());
        return fitted(Fitted::End::kYielded);
      case Epoch::kNotFinite:
        return fitted(Fitted::End::kNotFinite);
      case Epoch::kDone:
        break;
    }
    const double loss = validation_loss();
    if (!std::isfinite(loss)) return fitted(Fitted::End::kNotFinite);
    if (context_.first()) {
      report(rows_done_ / std::max(1e-9, seconds_since(begun_)));
      const double train_loss = state_.epoch_loss_sum() / static_cast<double>(state_.epoch_rows());
      context_.reporter.metric("train_loss", state_.step(), train_loss);
      context_.reporter.metric("valid_loss", state_.step(), loss);
      log_info("epoch ended", {{"epoch", state_.epoch() + 1},
                               {"step", state_.step()},
                               {"train_loss", train_loss},
                               {"valid_loss", loss}});
    }
    if (state_.best_epoch() == 0 || loss < state_.best_loss()) {
      state_.set_best_epoch(state_.epoch() + 1);
      state_.set_best_loss(loss);
      state_.set_epochs_without_gain(0);
      best_ = module_.parameters().host();
    } else {
      state_.set_epochs_without_gain(state_.epochs_without_gain() + 1);
    }
    state_.set_epoch(state_.epoch() + 1);
    state_.set_batch(0);
    state_.set_epoch_loss_sum(0);
    state_.set_epoch_rows(0);
    const uint32_t patience = spec_.stop().patience();
    state_.set_fitted(state_.epoch() >= spec_.stop().epochs() ||
                      (patience > 0 && state_.epochs_without_gain() >= patience));
    TRY_STATUS(save());
  }
  TRY_STATUS(saved());
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

Result<Fitted> fit(Context& context, const v1::ModelCard& card, Module& module, const FitData& data) {
  return Loop(context, card, module, data).run();
}

}  // namespace rekindle::trainer
