#include "drift/policy/brakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/text/cron.h"
#include "base/units.h"
#include "drift/policy/learned.h"
#include "drift/policy/words.h"

namespace rekindle::drift {
namespace {

// A token that accrued to within rounding is a token.
constexpr double kTokenSlack = 1e-9;
// Quiet times longer than this are said not to end.
constexpr int64_t kQuietToldUs = int64_t{32} * 24 * kUsPerHour;

struct Bucket {
  double burst;
  double per_us;  // what accrues in a microsecond
};

double per_us(const v1::Budget& budget) {
  return 1 / static_cast<double>(std::max<int64_t>(us(budget.per()), 1));
}

// (runs - burst + 1) / per: with it no period ever holds more than `runs`, a full bucket spent at its
// start included.
Bucket runs_bucket(const v1::Budget& budget) {
  const double runs = std::max<double>(budget.runs(), 1);
  const double burst = std::clamp<double>(budget.burst(), 1, runs);
  return {burst, (runs - burst + 1) * per_us(budget)};
}

// Half saved up at the start of a period, half that accrues in it: together the budget.
Bucket time_bucket(const v1::Budget& budget) {
  const double half = static_cast<double>(us(budget.rank_time())) / 2e6;
  return {half, half * per_us(budget)};
}

double filled(double tokens, const Bucket& bucket, int64_t passed_us) {
  return std::min(tokens + bucket.per_us * static_cast<double>(passed_us), bucket.burst);
}

std::string hours_words(double seconds) {
  return seconds < 7200 ? fmt::format("{:.0f}s", seconds) : fmt::format("{:.1f}h", seconds / 3600);
}

// A run is expected to take what the newest did; one that takes more than can be saved up waits for a full
// bucket.
std::string rank_time_spent(const v1::Budget& budget, const v1::DecisionState& state) {
  if (!budget.has_rank_time()) return {};
  const Bucket bucket = time_bucket(budget);
  const double expected = std::clamp(state.last_rank_seconds(), bucket.burst * 1e-9, bucket.burst);
  const double lacking = expected - state.rank_seconds();
  if (lacking <= expected * kTokenSlack) return {};
  return fmt::format(
      "of the budget of {} of rank time per {} {} are left, and the newest run took {}: enough accrues in {}",
      format_duration(from_proto(budget.rank_time())), format_duration(from_proto(budget.per())),
      hours_words(state.rank_seconds()), hours_words(state.last_rank_seconds()),
      wait_words(lacking / bucket.per_us));
}

std::string flight_words(const v1::DecisionState& state, const PolicyContext& context) {
  if (!state.active_run().empty()) return fmt::format("run {} is under way", state.active_run());
  return context.rollout_active ? "a version is being rolled out" : "";
}

std::string cooling_words(const v1::Retrain& retrain, const v1::DecisionState& state, int64_t clock_us) {
  const int64_t until = state.last_trigger_us() + cooldown_us(retrain, state);
  if (state.last_trigger_us() == 0 || clock_us >= until) return {};
  return fmt::format("cooling down until {}{}", when(until),
                     state.rejections() == 0
                         ? ""
                         : fmt::format(" (doubled for {} rejected candidate{})", state.rejections(),
                                       state.rejections() == 1 ? "" : "s"));
}

// From when on the rows are that a run of this cause is to learn from; 0: a calendar, a person's limit or the
// number of labels waits for no rows of a changed world.
int64_t called_by_change(v1::Cause cause, const v1::DecisionState& state) {
  if (cause == v1::CAUSE_QUALITY || cause == v1::CAUSE_REGRET) return state.changed_us();
  if (cause == v1::CAUSE_DRIFT || cause == v1::CAUSE_ESTIMATE)
    return std::max(state.changed_us(), state.moved_us());
  return 0;
}

bool due_anyway(const v1::DecisionState& state) {
  return std::any_of(state.words().begin(), state.words().end(), [](const v1::TriggerWord& word) {
    return word.fired() &&
           (word.trigger() == "age" || word.trigger() == "labels" || word.trigger() == "schedule");
  });
}

std::string too_new_words(v1::Cause cause, const PolicyContext& context, const v1::DecisionState& state) {
  const int64_t from_us = called_by_change(cause, state);
  if (due_anyway(state) || !too_new(context, from_us)) return {};
  return fmt::format(
      "too few rows are known since the world changed at {}: a run would learn from {} of them in {}",
      when(from_us), format_duration(Micros(context.holdout_us)),
      wait_words(static_cast<double>(from_us + context.holdout_us - context.learns_until_us)));
}

std::string runs_spent(const v1::Budget& budget, bool for_more_rows, const v1::DecisionState& state) {
  const Bucket bucket = runs_bucket(budget);
  const double needed = for_more_rows ? std::min(2.0, bucket.burst) : 1;
  if (state.tokens() >= needed - kTokenSlack) return {};
  return fmt::format("the budget of {} runs per {} {}: the next accrues in {}", budget.runs(),
                     format_duration(from_proto(budget.per())),
                     state.tokens() < 1 - kTokenSlack
                         ? "is spent"
                         : "has one left, which is kept for when something has become worse",
                     wait_words((needed - state.tokens()) / bucket.per_us));
}

}  // namespace

void accrue(const v1::Retrain& retrain, int64_t clock_us, v1::DecisionState& state) {
  const Bucket runs = runs_bucket(retrain.at_most()), time = time_bucket(retrain.at_most());
  const bool first = state.tokens_us() == 0;
  const int64_t passed = clock_us - state.tokens_us();
  state.set_tokens(first ? runs.burst : filled(state.tokens(), runs, passed));
  state.set_rank_seconds(first ? time.burst : filled(state.rank_seconds(), time, passed));
  state.set_tokens_us(clock_us);
}

void start_run(int64_t clock_us, v1::DecisionState& state) {
  state.set_tokens(state.tokens() - 1);
  state.set_last_trigger_us(clock_us);
  state.set_scheduled_us(clock_us);
  state.clear_merged();
  state.clear_merged_since_us();
  state.clear_due();
  state.clear_due_reason();
  state.clear_due_us();
}

void charge(const v1::Retrain& retrain, double rank_seconds, v1::DecisionState& state) {
  if (retrain.at_most().has_rank_time()) state.set_rank_seconds(state.rank_seconds() - rank_seconds);
}

std::string quiet_until(const v1::Retrain& retrain, int64_t clock_us) {
  std::vector<Cron> quiet;
  for (const auto& text : retrain.quiet())
    if (auto cron = Cron::parse(text); cron.ok()) quiet.push_back(*cron);
  const auto covered = [&quiet](int64_t at_us) {
    return std::any_of(quiet.begin(), quiet.end(),
                       [&](const Cron& cron) { return cron.matches(time_from_micros(at_us)); });
  };
  if (!covered(clock_us)) return {};
  constexpr int64_t kMinute = 60'000'000;
  int64_t end = clock_us - clock_us % kMinute;
  while (covered(end) && end < clock_us + kQuietToldUs) end += kMinute;
  return when(end);
}

Refusal refusal(const v1::Retrain& retrain, const Wish& wish, const v1::JudgedWindow& window,
                const PolicyContext& context, const v1::DecisionState& state) {
  using Why = Refusal::Why;
  if (context.frozen)
    return {Why::kOther,
            fmt::format("frozen{}{}", context.frozen_reason.empty() ? "" : ": ", context.frozen_reason)};
  if (!context.behind.empty()) return {Why::kOther, context.behind};
  if (std::string words = flight_words(state, context); !words.empty()) return {Why::kInFlight, words};
  for (std::string words :
       {cooling_words(retrain, state, window.clock_us()), too_new_words(wish.cause, context, state),
        runs_spent(retrain.at_most(), wish.for_more_rows, state), rank_time_spent(retrain.at_most(), state)})
    if (!words.empty()) return {Why::kOther, words};
  if (const std::string until = quiet_until(retrain, window.clock_us()); !until.empty())
    return {Why::kQuiet, fmt::format("it is quiet until {}", until)};
  return {};
}

}  // namespace rekindle::drift
