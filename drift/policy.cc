#include "drift/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "drift/policy/brakes.h"
#include "drift/policy/evidence.h"
#include "drift/policy/triggers.h"
#include "drift/policy/words.h"

namespace rekindle::drift {

namespace {

constexpr uint32_t kDoublingsMax = 5;

// What one version has shown, and what waited because of it, says nothing of the next.
void turn_to(uint64_t version, v1::DecisionState& state) {
  if (state.hit_version() == version) return;
  forget_evidence(state);
  state.clear_words();
  state.clear_merged();
  state.clear_merged_since_us();
  state.clear_due();
  state.clear_due_reason();
  state.clear_due_us();
  state.set_hit_version(version);
}

// What was due in a quiet time starts after it, also when nothing calls for it any more.
std::optional<Wish> due_wish(const v1::DecisionState& state) {
  if (state.due() == v1::CAUSE_UNSPECIFIED) return std::nullopt;
  return Wish{state.due(), fmt::format("{}; due since {}", state.due_reason(), when(state.due_us())), 0};
}

void remember_due(const Wish& wish, int64_t clock_us, v1::DecisionState& state) {
  if (state.due() != v1::CAUSE_UNSPECIFIED) return;
  state.set_due(wish.cause);
  state.set_due_reason(wish.words);
  state.set_due_us(clock_us);
}

// Alarms while a run is under way become one.
void merge(int64_t clock_us, v1::DecisionState& state) {
  if (state.merged() == 0) state.set_merged_since_us(clock_us);
  state.set_merged(state.merged() + 1);
}

std::string merged_words(const v1::DecisionState& state) {
  if (state.merged() == 0) return {};
  return fmt::format("; {} window{} since {} called for it while another run was under way", state.merged(),
                     state.merged() == 1 ? "" : "s", when(state.merged_since_us()));
}

// The window in service has been judged: start a run, or say why not.
void decide(const v1::Retrain& retrain, const v1::JudgedWindow& window, const PolicyContext& context,
            PolicyStep& out) {
  v1::DecisionState& state = out.state;
  std::string against;
  std::optional<Wish> wish = wish_of(retrain, window, context, state, against);
  if (!wish) wish = due_wish(state);
  if (!wish) {
    out.reason = against.empty() ? "nothing calls for it" : against;
    return;
  }
  const Refusal refused = refusal(retrain, *wish, window, context, state);
  switch (refused.why) {
    case Refusal::Why::kNone:
      out.cause = wish->cause;
      out.gain = wish->gain;
      out.reason = wish->words + merged_words(state);
      start_run(window.clock_us(), state);
      forget_evidence(state);
      return;
    case Refusal::Why::kInFlight:
      merge(window.clock_us(), state);
      break;
    case Refusal::Why::kQuiet:
      remember_due(*wish, window.clock_us(), state);
      break;
    case Refusal::Why::kOther:
      break;
  }
  out.reason = fmt::format("{}, but {}", wish->words, refused.words);
}

}  // namespace

int64_t cooldown_us(const v1::Retrain& retrain, const v1::DecisionState& state) {
  return us(retrain.cooldown()) << std::min(state.rejections(), kDoublingsMax);
}

PolicyStep step(const v1::Retrain& retrain, const v1::DecisionState& before, const v1::JudgedWindow& window,
                const PolicyContext& context) {
  PolicyStep out;
  out.state = before;
  v1::DecisionState& state = out.state;
  if (window.clock_us() < state.tokens_us()) {
    // Another clock: a replay of the past took over. What was remembered belongs to the other history.
    state.Clear();
    state.set_active_run(before.active_run());
  } else if (window.slot_us() <= state.judged_slot_us()) {
    out.reason = state.last_reason();
    return out;
  }
  // A version published under the other clock (the first one, before a replay) starts no cooldown here.
  if (state.last_trigger_us() > window.clock_us()) state.set_last_trigger_us(0);
  accrue(retrain, window.clock_us(), state);
  turn_to(window.version(), state);
  state.set_judged_slot_us(window.slot_us());
  *state.mutable_last_window() = window;

  if (context.champion == 0)
    out.reason = "no version is in service";
  else if (retrain.when().empty())
    out.reason = "the spec names no trigger";
  else if (window.version() != context.champion)
    out.reason =
        fmt::format("the window is of version {}, in service is {}", window.version(), context.champion);
  else
    decide(retrain, window, context, out);
  state.set_last_reason(out.reason);
  return out;
}

v1::DecisionState after_run(const v1::Retrain& retrain, const v1::DecisionState& before, const v1::Run& run,
                            int64_t clock_us, double rank_seconds) {
  v1::DecisionState state = before;
  // A run that was held and comes back was paid when it came to rest.
  if (state.active_run() == run.id()) {
    state.clear_active_run();
    state.set_last_rank_seconds(rank_seconds);
    if (run.cause() != v1::CAUSE_MANUAL) charge(retrain, rank_seconds, state);
  }
  if (run.state() == v1::PUBLISHED) {
    state.set_rejections(0);
    state.set_last_trigger_us(clock_us);
  } else if (run.state() == v1::REJECTED && run.publish()) {
    state.set_rejections(state.rejections() + 1);
  }
  return state;
}

}  // namespace rekindle::drift
