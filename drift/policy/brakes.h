// What keeps a wish for a run waiting, and the budgets that runs are paid from.
//
// Pure. The rules, in the order in which they refuse:
//   frozen by a person > a window from long ago > a run in flight > a rollout > cooldown > too few rows of a
//   changed world > budget of runs > budget of rank time > a quiet time.
// Of a budget that saves up runs the last one is not for more rows: a change of the world may come tomorrow.
// Budgets are token buckets on the model clock: no period holds more runs than the budget's, nor more rank
// time, but for what one run takes over what the one before it took.
#pragma once

#include <string>

#include "drift/policy.h"
#include "drift/policy/triggers.h"

namespace rekindle::drift {

// Brings both budgets up to the clock; the first time they are as full as they get.
void accrue(const v1::Retrain& retrain, int64_t clock_us, v1::DecisionState& state);
// A run is started: its token is spent, the cooldown begins, what waited has been served.
void start_run(int64_t clock_us, v1::DecisionState& state);
// What a run that was started by itself took.
void charge(const v1::Retrain& retrain, double rank_seconds, v1::DecisionState& state);

struct Refusal {
  enum class Why { kNone, kInFlight, kQuiet, kOther } why = Why::kNone;
  std::string words;
};
Refusal refusal(const v1::Retrain& retrain, const Wish& wish, const v1::JudgedWindow& window,
                const PolicyContext& context, const v1::DecisionState& state);

// Until when no run starts by itself; empty: now is no quiet time.
std::string quiet_until(const v1::Retrain& retrain, int64_t clock_us);

}  // namespace rekindle::drift
