#include "registry/canary.h"

#include <fmt/format.h>

#include <cmath>

#include "proto/time.h"
#include "registry/aliases.h"
#include "registry/evidence/sequential.h"
#include "registry/undo.h"

namespace rekindle::registry {
namespace {

constexpr double kFalseAlarms = 0.01;

double false_alarms(const v1::Serve& serve) {
  return serve.has_analysis() ? serve.analysis().false_alarms() : kFalseAlarms;
}

double failed_share(const v1::CanaryEvidence& evidence) {
  if (evidence.answered() == 0) return 0;
  return static_cast<double>(evidence.failed()) / static_cast<double>(evidence.answered());
}

bool enough_labels(const v1::CanaryEvidence& evidence, const v1::Analysis& analysis) {
  const auto least = static_cast<int64_t>(analysis.min_rows());
  return evidence.labels().version_rows() >= least && evidence.labels().against_rows() >= least;
}

std::string gain_words(const v1::CanaryEvidence& evidence) {
  return fmt::format(
      "gain {:+.4f} a row, between {:+.4f} and {:+.4f} at every look, on {} labelled rows beside {} of "
      "version {}",
      evidence.gain(), evidence.gain_low(), evidence.gain_high(), evidence.labels().version_rows(),
      evidence.labels().against_rows(), evidence.labels().against());
}

}  // namespace

void weigh_requests(const VersionView& view, const v1::Serve& serve, const RolloutClock& clock,
                    v1::CanaryEvidence& evidence) {
  if (clock.replay && view.failed == 0) return;
  evidence.set_answered(view.answered + view.failed);
  evidence.set_failed(view.failed);
  evidence.set_failure_evidence(failure_evidence(evidence.answered(), view.failed, serve.max_errors()));
}

std::string breach(const VersionView& view, const v1::CanaryEvidence& evidence, const v1::Serve& serve,
                   const RolloutClock& clock) {
  const double alarms = false_alarms(serve);
  if (evidence.failure_evidence() >= 1 / alarms)
    return fmt::format(
        "{} of {} canary answers failed or were not finite: {:.2f} %, over the limit of {:.2f} % but for a "
        "chance of "
        "{:g} %",
        evidence.failed(), evidence.answered(), 100 * failed_share(evidence), 100 * serve.max_errors(),
        100 * alarms);
  if (view.answered == 0 || view.answered < serve.min_requests()) return {};
  // A replay runs at the machine's own speed: its latency says nothing about the model.
  const double limit_ms = static_cast<double>(from_proto(serve.max_latency()).count()) / 1000;
  if (!clock.replay && limit_ms > 0 && view.latency_p99_ms > limit_ms)
    return fmt::format("99th percentile of canary answers {:.1f} ms, over the limit of {:.1f} ms",
                       view.latency_p99_ms, limit_ms);
  return {};
}

std::string held_back(const v1::CanaryEvidence& evidence, const v1::Serve& serve) {
  if (failed_share(evidence) > serve.max_errors())
    return fmt::format("{} of {} answers failed, over the limit of {:.2f} %, which may be chance",
                       evidence.failed(), evidence.answered(), 100 * serve.max_errors());
  if (!serve.has_analysis() || !serve.analysis().has_margin()) return {};
  if (!enough_labels(evidence, serve.analysis()))
    return fmt::format(
        "labels of {} of its rows and {} of the champion's in the same slots, {} of each are needed",
        evidence.labels().version_rows(), evidence.labels().against_rows(), serve.analysis().min_rows());
  if (evidence.gain_low() < -serve.analysis().margin())
    return fmt::format("labels have yet to show that it loses at most {:g} a row: {}",
                       serve.analysis().margin(), gain_words(evidence));
  return {};
}

RolloutStep weigh_labels(const v1::ModelState& model, const v1::JobSpec& spec,
                         const v1::LossComparison& labels, const RolloutClock& clock) {
  RolloutStep step;
  v1::Rollout rollout = model.rollout();
  const bool promoted = rollout.state() == v1::Rollout::PROMOTED && champion(model) == rollout.version();
  if (!spec.serve().has_analysis() || rollout.bake_until_us() == 0 || !(active(rollout) || promoted))
    return step;
  if (labels.version() != rollout.version() || labels.against() != rollout.from()) return step;
  v1::CanaryEvidence& evidence = *rollout.mutable_evidence();
  *evidence.mutable_labels() = labels;
  if (enough_labels(evidence, spec.serve().analysis())) {
    const AlwaysValid gain = always_valid(labels, false_alarms(spec.serve()));
    evidence.set_gain(gain.gain);
    evidence.set_gain_low(gain.low);
    evidence.set_gain_high(gain.high);
    if (gain.high < 0 && !model.frozen()) {
      const std::string reason =
          fmt::format("labels prove version {} worse: {}", rollout.version(), gain_words(evidence));
      step = promoted ? undo_promotion(model, spec, rollout, reason, clock)
                      : undo(model, spec, rollout, reason, clock);
      if (!step.empty()) return step;
    }
  }
  step.rollout = std::move(rollout);
  return step;
}

std::string evidence_words(const v1::CanaryEvidence& evidence) {
  std::string text;
  if (evidence.answered() > 0)
    text = fmt::format("{} of {} answers failed (evidence {:.3g})", evidence.failed(), evidence.answered(),
                       evidence.failure_evidence());
  if (evidence.gain_low() < evidence.gain_high()) text += (text.empty() ? "" : "; ") + gain_words(evidence);
  return text;
}

}  // namespace rekindle::registry
