#include "core/why.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "core/apply.h"
#include "core/plan.h"
#include "registry/aliases.h"
#include "registry/canary.h"

namespace rekindle::core {
namespace {

// Windows before a trigger that are told: those that made its persistence.
constexpr size_t kWindowsTold = 3;
constexpr int kScoresTold = 4;

std::string when(int64_t us) {
  return format_time(time_from_micros(us));
}

class Thread {
 public:
  void tell(const v1::Event& event, std::string what, std::string text) {
    auto* step = response.add_steps();
    step->set_time_us(event.time_us());
    step->set_what(std::move(what));
    step->set_text(std::move(text));
  }
  // A rollout of which the evidence alone has changed is told of once, as it was last.
  void tell_rollout(const v1::Event& event, std::string step, std::string text) {
    if (rollout_step_ == step) return response.mutable_steps(rollout_at_)->set_text(std::move(text));
    rollout_step_ = std::move(step);
    rollout_at_ = response.steps_size();
    tell(event, "rollout", std::move(text));
  }
  v1::WhyResponse response;

 private:
  std::string rollout_step_;
  int rollout_at_ = 0;
};

std::vector<const v1::Score*> fired_scores(const v1::JudgedWindow& window) {
  std::vector<const v1::Score*> fired;
  const auto look = [&fired](const v1::Score& score) {
    if (score.fired()) fired.push_back(&score);
  };
  for (const auto& score : window.drift()) look(score);
  for (const auto& score : window.quality()) look(score);
  look(window.estimate());
  look(window.regret());
  return fired;
}

std::string scores_text(const v1::JudgedWindow& window) {
  std::vector<const v1::Score*> fired = fired_scores(window);
  if (fired.empty()) return "no score over its threshold";
  std::stable_sort(fired.begin(), fired.end(), [](const v1::Score* a, const v1::Score* b) {
    return a->value() / std::max(a->threshold(), 1e-12) > b->value() / std::max(b->threshold(), 1e-12);
  });
  std::string text;
  for (size_t i = 0; i < fired.size() && i < kScoresTold; ++i) {
    const v1::Score& score = *fired[i];
    if (i > 0) text += "; ";
    text += fmt::format("{}{}{} {:.4g} over {:.4g} (null quantile {:.4g}, {} rows)", score.detector(),
                        score.feature().empty() ? "" : " of ", score.feature(), score.value(),
                        score.threshold(), score.null_quantile(), score.rows());
  }
  if (fired.size() > kScoresTold) text += fmt::format("; and {} more", fired.size() - kScoresTold);
  return text;
}

void tell_window(Thread& thread, const v1::Event& event) {
  const v1::JudgedWindow& window = event.window_judged().window();
  thread.tell(event, "window",
              fmt::format("slot {}, {} rows of version {}: {}", when(window.slot_us()), window.rows(),
                          window.version(), scores_text(window)));
}

std::string gang_text(const v1::AttemptPlaced& placed) {
  const uint32_t world = placed.world() != 0 ? placed.world() : placed.slots();
  std::string text = fmt::format("{} rank{}", world, world == 1 ? "" : "s");
  if (placed.devices_size() > 0)
    text +=
        fmt::format(", GPU{} {}", placed.devices_size() == 1 ? "" : "s", fmt::join(placed.devices(), ", "));
  return text;
}

void tell_placement(Thread& thread, const v1::Event& event) {
  const v1::AttemptPlaced& placed = event.attempt_placed();
  const v1::Windows& windows = placed.windows();
  uint64_t rows = 0;
  for (const auto& snapshot : placed.data()) rows += snapshot.rows();
  thread.tell(event, "attempt",
              fmt::format("attempt {} on {}: {} snapshots with {} rows; train {} to {}, validation to {}, "
                          "holdout to {}; champion {}",
                          placed.attempt(), gang_text(placed), placed.data_size(), rows,
                          when(windows.train_from_us()), when(windows.valid_from_us()),
                          when(windows.holdout_from_us()), when(windows.until_us()),
                          placed.champion() == 0 ? "none" : fmt::format("version {}", placed.champion())));
}

void tell_run(Thread& thread, const v1::Event& event) {
  switch (event.what_case()) {
    case v1::Event::kRunQueued: {
      const v1::Run& run = event.run_queued();
      if (run.cause() != v1::CAUSE_MANUAL)
        thread.tell(event, "trigger", cause_text(run.cause(), run.cause_detail()));
      thread.tell(event, "run",
                  fmt::format("{} queued as of {}, spec revision {} ({})", run.id(), when(run.as_of_us()),
                              run.job_revision(), cause_text(run.cause(), run.cause_detail())));
      return;
    }
    case v1::Event::kAttemptPlaced:
      return tell_placement(thread, event);
    case v1::Event::kAttemptStarted:
      return thread.tell(
          event, "attempt",
          fmt::format("attempt {} started on {}, process {}", event.attempt_started().attempt(),
                      event.attempt_started().gang().host(), event.attempt_started().gang().pid()));
    case v1::Event::kAttemptSignalled:
      return thread.tell(
          event, "attempt",
          fmt::format("attempt {} asked to {}: {}", event.attempt_signalled().attempt(),
                      event.attempt_signalled().signal() == v1::AttemptSignalled::KILL ? "die" : "leave",
                      event.attempt_signalled().reason()));
    case v1::Event::kAttemptEnded: {
      const v1::AttemptEnded& ended = event.attempt_ended();
      std::string name = v1::EndClass_Name(ended.end());
      if (ended.outcome().resumed_from_step() > 0)
        thread.tell(event, "checkpoint",
                    fmt::format("attempt {} went on from the checkpoint of step {}", ended.attempt(),
                                ended.outcome().resumed_from_step()));
      std::string text = fmt::format("attempt {} ended: {}", ended.attempt(), name);
      if (!ended.message().empty()) text += ": " + ended.message();
      return thread.tell(event, "attempt", text);
    }
    case v1::Event::kRunRequeued:
      return thread.tell(event, "run", "queued again: " + event.run_requeued().reason());
    case v1::Event::kRunFinished: {
      const v1::Outcome& outcome = event.run_finished().outcome();
      return thread.tell(
          event, "run",
          fmt::format("finished: {} steps, best epoch {} of {}, validation loss {:.4f}, {} training "
                      "rows in {:.1f} s; candidate {}",
                      outcome.steps(), outcome.best_epoch(), outcome.epochs(), outcome.valid_loss(),
                      outcome.train_rows(), outcome.train_seconds(), outcome.manifest()));
    }
    case v1::Event::kRunJudged: {
      const v1::Verdict& verdict = event.run_judged().verdict();
      std::string text = fmt::format("{}: {}", v1::Verdict::Kind_Name(verdict.kind()), verdict.reason());
      if (!verdict.approved_by().empty())
        text += fmt::format("; approved by {}: {}", verdict.approved_by(), verdict.approval_reason());
      return thread.tell(event, "gate", text);
    }
    case v1::Event::kRunEnded:
      return thread.tell(event, "run", event.run_ended().reason());
    default:
      return;
  }
}

void tell_version(Thread& thread, const v1::Event& event, uint64_t number) {
  switch (event.what_case()) {
    case v1::Event::kVersionPublished:
      if (event.version_published().number() != number) return;
      return thread.tell(
          event, "version",
          fmt::format("version {} published: manifest {}, rows known up to {}", number,
                      event.version_published().manifest(), when(event.version_published().as_of_us())));
    case v1::Event::kVersionBarred:
      if (event.version_barred().number() != number) return;
      return thread.tell(event, "version",
                         event.version_barred().barred() ? fmt::format("barred from automatic promotion: {}",
                                                                       event.version_barred().barred_reason())
                                                         : std::string("no longer barred"));
    case v1::Event::kAliasMoved: {
      const v1::AliasMove& move = event.alias_moved();
      if (move.to() != number && move.from() != number) return;
      return thread.tell(event, "version",
                         fmt::format("alias {} moved from version {} to {} by {}: {}", move.alias(),
                                     move.from(), move.to(), move.actor(), move.reason()));
    }
    case v1::Event::kRolloutChanged: {
      const v1::Rollout& rollout = event.rollout_changed();
      if (rollout.version() != number) return;
      std::string text =
          fmt::format("{}, plan revision {}", v1::Rollout::State_Name(rollout.state()), rollout.revision());
      if (rollout.state() == v1::Rollout::BAKING)
        text += fmt::format(", until {} on the model clock", when(rollout.bake_until_us()));
      if (!rollout.reason().empty()) text += ": " + rollout.reason();
      const std::string step = text;
      if (const std::string seen = registry::evidence_words(rollout.evidence()); !seen.empty())
        text += "; evidence: " + seen;
      return thread.tell_rollout(event, step, text);
    }
    default:
      return;
  }
}

}  // namespace

Result<v1::WhyResponse> why(const State& state, std::string_view model, uint64_t version,
                            const std::vector<v1::Event>& events) {
  const v1::ModelState* found = find_model(state, model);
  if (!found) return not_found(fmt::format("no model named '{}'; `rekindle list` shows the jobs", model));
  const v1::Version* published = registry::find_version(*found, version);
  if (!published)
    return not_found(fmt::format("model '{}' has no version {}; `rekindle versions {}` lists them", model,
                                 version, model));

  Thread thread;
  std::deque<const v1::Event*> windows;  // the newest judged before the run was queued
  for (const v1::Event& event : events) {
    if (event.has_window_judged() && event.window_judged().window().model() == model) {
      if (!fired_scores(event.window_judged().window()).empty()) windows.push_back(&event);
      if (windows.size() > kWindowsTold) windows.pop_front();
      continue;
    }
    const bool of_run = run_of(event) == published->run();
    if (of_run && event.has_run_queued() && event.run_queued().cause() != v1::CAUSE_MANUAL)
      for (const v1::Event* window : windows) tell_window(thread, *window);
    if (of_run) tell_run(thread, event);
    if (model_of(event) == model) tell_version(thread, event, version);
  }
  return thread.response;
}

}  // namespace rekindle::core
