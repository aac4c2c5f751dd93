#include "drift/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/units.h"
#include "proto/time.h"

namespace rekindle::drift {

namespace {

constexpr uint32_t kDoublingsMax = 5;
constexpr int64_t kUsPerHour = 3'600'000'000;
// A token that accrued to within rounding is a token.
constexpr double kTokenSlack = 1e-9;

int64_t us(const google::protobuf::Duration& d) {
  return from_proto(d).count();
}

std::string when(int64_t clock_us) {
  return format_time(time_from_micros(clock_us));
}

// "12d 4h": what a person wants to know about a wait.
std::string wait_words(double wait_us) {
  const auto hours = static_cast<int64_t>(std::ceil(wait_us / static_cast<double>(kUsPerHour)));
  if (hours < 24) return fmt::format("{}h", std::max<int64_t>(hours, 1));
  return hours % 24 == 0 ? fmt::format("{}d", hours / 24) : fmt::format("{}d {}h", hours / 24, hours % 24);
}

struct Bucket {
  double burst;
  double per_us;  // tokens that accrue in a microsecond
};

// (runs - burst + 1) / per: with it no period ever holds more than `runs`, a full bucket spent at its
// start included.
Bucket bucket_of(const v1::Budget& budget) {
  const double runs = std::max<double>(budget.runs(), 1);
  const double burst = std::clamp<double>(budget.burst(), 1, runs);
  return {burst, (runs - burst + 1) / static_cast<double>(std::max<int64_t>(us(budget.per()), 1))};
}

void accrue(const v1::Retrain& retrain, int64_t clock_us, v1::DecisionState& state) {
  const Bucket bucket = bucket_of(retrain.at_most());
  const double tokens =
      state.tokens_us() == 0
          ? bucket.burst
          : state.tokens() + bucket.per_us * static_cast<double>(clock_us - state.tokens_us());
  state.set_tokens(std::min(tokens, bucket.burst));
  state.set_tokens_us(clock_us);
}

// The strongest of what fired: its share over its threshold decides.
const v1::Score* strongest(const google::protobuf::RepeatedPtrField<v1::Score>& scores, uint64_t version) {
  const v1::Score* best = nullptr;
  for (const auto& score : scores) {
    if (!score.fired() || (score.version() != 0 && score.version() != version)) continue;
    const auto excess = [](const v1::Score& s) { return s.value() / std::max(s.threshold(), 1e-12); };
    if (best == nullptr || excess(score) > excess(*best)) best = &score;
  }
  return best;
}

std::string drift_words(const v1::JudgedWindow& window, const v1::Score& best) {
  const auto fired = std::count_if(window.drift().begin(), window.drift().end(),
                                   [](const v1::Score& s) { return s.fired(); });
  std::string words = fmt::format("{} of {} is {:.3f}, over {:.3f}, in {} rows", best.detector(),
                                  best.feature(), best.value(), best.threshold(), best.rows());
  if (fired > 1) words += fmt::format(" (and {} other{})", fired - 1, fired == 2 ? "" : "s");
  return words;
}

std::string window_words(double us) {
  return us <= 0 ? "nothing" : wait_words(us);
}

std::string feed_words(const v1::JudgedWindow& window) {
  if (window.breaches().empty()) return {};
  const v1::Breach& breach = window.breaches(0);
  return fmt::format("the feed is broken ({} of {}): ", breach.check(), breach.feature());
}

// Why the window cannot be compared with the reference, or nothing.
std::string unfit(const v1::Retrain& retrain, const v1::JudgedWindow& window) {
  const int64_t length = us(retrain.window());
  // A part of a week is not a week: its weekdays alone would look like drift.
  if (window.from_us() > window.until_us() - length)
    return fmt::format("{}version {} has {} of the window of {}", feed_words(window), window.version(),
                       window_words(static_cast<double>(window.until_us() - window.from_us())),
                       format_duration(Micros(length)));
  if (window.rows() < static_cast<int64_t>(retrain.min_rows()))
    return fmt::format("{} rows in the window, {} are needed", window.rows(), retrain.min_rows());
  return {};
}

struct Wish {
  v1::Cause cause;
  std::string words;
};

// Hourly windows share nearly all their rows: hits are taken half a window apart, so that two of them
// are two pieces of evidence.
void take_hit(const v1::Retrain& retrain, const v1::JudgedWindow& window, bool hit,
              v1::DecisionState& state) {
  if (state.hit_slot_us() != 0 && window.slot_us() - state.hit_slot_us() < us(retrain.window()) / 2) return;
  state.add_drift_hits(hit);
  state.set_hit_slot_us(window.slot_us());
  const int of = static_cast<int>(std::max<uint32_t>(retrain.persistence().of(), 1));
  while (state.drift_hits_size() > of) state.mutable_drift_hits()->erase(state.mutable_drift_hits()->begin());
}

// What drift says: a wish, or in `against` why there is none.
std::optional<Wish> drift_wish(const v1::Retrain& retrain, const v1::JudgedWindow& window,
                               v1::DecisionState& state, std::string& against) {
  if (against = unfit(retrain, window); !against.empty()) return std::nullopt;
  const v1::Score* best = strongest(window.drift(), window.version());
  take_hit(retrain, window, best != nullptr, state);
  const auto hits =
      static_cast<uint32_t>(std::count(state.drift_hits().begin(), state.drift_hits().end(), true));
  const std::string count =
      fmt::format("{} of the last {} windows ({} of {} are needed)", hits, state.drift_hits_size(),
                  retrain.persistence().hits(), retrain.persistence().of());
  if (best == nullptr) {
    against = fmt::format("no score is over its threshold; drift in {}", count);
    return std::nullopt;
  }
  if (hits < retrain.persistence().hits()) {
    against = fmt::format("{}, but only in {}", drift_words(window, *best), count);
    return std::nullopt;
  }
  return Wish{v1::CAUSE_DRIFT, fmt::format("{}; drift in {}", drift_words(window, *best), count)};
}

std::optional<Wish> quality_wish(const v1::JudgedWindow& window) {
  for (const auto& score : window.quality())
    if (score.fired() && score.version() == window.version()) return Wish{v1::CAUSE_QUALITY, score.reason()};
  return std::nullopt;
}

std::optional<Wish> age_wish(const google::protobuf::Duration& limit, const v1::JudgedWindow& window,
                             const PolicyContext& context) {
  const int64_t age = window.clock_us() - context.champion_as_of_us;
  if (context.champion_as_of_us == 0 || age < us(limit)) return std::nullopt;
  return Wish{v1::CAUSE_AGE,
              fmt::format("version {} knows nothing after {}: older than {}", context.champion,
                          when(context.champion_as_of_us), format_duration(Micros(us(limit))))};
}

// Quality first: it is about what the model does, drift about what it is given, age about neither.
std::optional<Wish> wish_of(const v1::Retrain& retrain, const v1::JudgedWindow& window,
                            const PolicyContext& context, v1::DecisionState& state, std::string& against) {
  std::optional<Wish> quality, drift, age;
  std::vector<std::string> reasons;
  for (const auto& trigger : retrain.when()) {
    std::string why;
    if (trigger.has_quality()) {
      quality = quality_wish(window);
      if (!quality) why = "errors have not grown";
    } else if (trigger.has_drift()) {
      drift = drift_wish(retrain, window, state, why);
    } else if (trigger.has_age()) {
      age = age_wish(trigger.age(), window, context);
    }
    if (!why.empty()) reasons.push_back(why);
  }
  against = fmt::format("{}", fmt::join(reasons, "; "));
  return quality ? quality : drift ? drift : age;
}

// Why the wish must wait, or nothing.
std::string refusal(const v1::Retrain& retrain, const v1::JudgedWindow& window, const PolicyContext& context,
                    const v1::DecisionState& state) {
  if (context.frozen)
    return fmt::format("frozen{}{}", context.frozen_reason.empty() ? "" : ": ", context.frozen_reason);
  if (!context.behind.empty()) return context.behind;
  if (!state.active_run().empty()) return fmt::format("run {} is under way", state.active_run());
  if (context.rollout_active) return "a version is being rolled out";
  const int64_t cool_until = state.last_trigger_us() + cooldown_us(retrain, state);
  if (state.last_trigger_us() != 0 && window.clock_us() < cool_until)
    return fmt::format("cooling down until {}{}", when(cool_until),
                       state.rejections() == 0
                           ? ""
                           : fmt::format(" (doubled for {} rejected candidate{})", state.rejections(),
                                         state.rejections() == 1 ? "" : "s"));
  if (state.tokens() < 1 - kTokenSlack)
    return fmt::format("the budget of {} runs per {} is spent: the next accrues in {}",
                       retrain.at_most().runs(), format_duration(from_proto(retrain.at_most().per())),
                       wait_words((1 - state.tokens()) / bucket_of(retrain.at_most()).per_us));
  return {};
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
  if (state.hit_version() != window.version()) {
    state.clear_drift_hits();
    state.clear_hit_slot_us();
    state.set_hit_version(window.version());
  }
  state.set_judged_slot_us(window.slot_us());
  *state.mutable_last_window() = window;

  if (context.champion == 0) {
    out.reason = "no version is in service";
  } else if (retrain.when().empty()) {
    out.reason = "the spec names no trigger";
  } else if (window.version() != context.champion) {
    out.reason =
        fmt::format("the window is of version {}, in service is {}", window.version(), context.champion);
  } else {
    std::string against;
    const std::optional<Wish> wish = wish_of(retrain, window, context, state, against);
    if (!wish) {
      out.reason = against.empty() ? "nothing calls for it" : against;
    } else if (const std::string why = refusal(retrain, window, context, state); !why.empty()) {
      out.reason = fmt::format("{}, but {}", wish->words, why);
    } else {
      state.set_tokens(state.tokens() - 1);
      state.set_last_trigger_us(window.clock_us());
      state.clear_drift_hits();
      state.clear_hit_slot_us();
      out.cause = wish->cause;
      out.reason = wish->words;
    }
  }
  state.set_last_reason(out.reason);
  return out;
}

v1::DecisionState after_run(const v1::DecisionState& before, const v1::Run& run, int64_t clock_us) {
  v1::DecisionState state = before;
  if (state.active_run() == run.id()) state.clear_active_run();
  if (run.state() == v1::PUBLISHED) {
    state.set_rejections(0);
    state.set_last_trigger_us(clock_us);
  } else if (run.state() == v1::REJECTED && run.publish()) {
    state.set_rejections(state.rejections() + 1);
  }
  return state;
}

}  // namespace rekindle::drift
