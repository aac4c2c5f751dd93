// A model's sealed slots, hour by hour, as the policy is told of them.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "drift/policy.h"

namespace rekindle::drift {

inline constexpr int64_t kHour = 3'600'000'000, kDay = 24 * kHour;
inline const int64_t kStart = to_micros(*parse_time("2013-02-01"));

inline v1::Retrain spec() {
  v1::Retrain r;
  r.add_when()->mutable_drift()->set_psi(0.25);
  r.add_when()->mutable_quality();
  r.mutable_at_most()->set_runs(8);
  r.mutable_at_most()->mutable_per()->set_seconds(365 * 86400);
  r.mutable_at_most()->set_burst(2);
  r.mutable_cooldown()->set_seconds(7 * 86400);
  r.mutable_persistence()->set_hits(2);
  r.mutable_persistence()->set_of(3);
  r.mutable_window()->set_seconds(7 * 86400);
  r.set_min_rows(1000);
  return r;
}

struct Stream {
  v1::Retrain retrain = spec();
  v1::DecisionState state;
  PolicyContext context{.champion = 1};
  int64_t champion_from = kStart;  // first slot that it answered
  int64_t slot = kStart;
  bool drifts = false, worse = false;
  std::optional<double> psi;       // another than 3.1 or 0.1
  std::optional<double> expected;  // rise of the expected loss, over 0.02
  std::optional<double> regret;    // over 0.01
  int64_t risen_since = 0;         // errors have, says quality
  int64_t lost_since = 0;          // the version has become worse, says regret
  int64_t rows = 6000;
  std::vector<int64_t> triggers;
  std::string reason;

  v1::JudgedWindow window() const {
    v1::JudgedWindow w;
    w.set_slot_us(slot);
    w.set_until_us(slot + kHour);
    w.set_clock_us(slot + 2 * kHour);
    w.set_from_us(std::max(champion_from, slot + kHour - 7 * kDay));
    w.set_version(context.champion);
    w.set_rows(rows);
    fill(*w.add_drift(), psi.value_or(drifts ? 3.1 : 0.1), 0.25);
    w.mutable_drift(0)->set_detector("psi");
    w.mutable_drift(0)->set_feature("temp");
    if (expected) fill(*w.mutable_estimate(), *expected, 0.02);
    if (regret) fill(*w.mutable_regret(), *regret, 0.01);
    if (regret) w.mutable_regret()->set_since_us(lost_since);
    v1::Score* adwin = w.add_quality();
    adwin->set_version(1);
    adwin->set_fired(worse);
    adwin->set_since_us(risen_since);
    adwin->set_reason("version 1: log-loss went up");
    return w;
  }
  static void fill(v1::Score& score, double value, double threshold) {
    score.set_value(value);
    score.set_threshold(threshold);
    score.set_fired(value > threshold);
    score.set_reason(fmt::format("{} against {}", value, threshold));
  }
  // One slot; what a trigger leads to is up to the test.
  std::optional<v1::Cause> hour() {
    PolicyStep s = step(retrain, state, window(), context);
    state = s.state;
    reason = s.reason;
    EXPECT_FALSE(reason.empty());
    EXPECT_EQ(state.last_reason(), reason);
    if (s.cause) triggers.push_back(slot);
    slot += kHour;
    return s.cause;
  }
  std::optional<v1::Cause> until_trigger(int64_t limit) {
    while (slot < limit)
      if (auto cause = hour()) return cause;
    return std::nullopt;
  }
  void publish() {
    v1::Run run;
    run.set_id("m-1");
    run.set_state(v1::PUBLISHED);
    state = after_run(retrain, state, run, slot + kHour, 0);
    ++context.champion;
    champion_from = slot;
  }
};

// Nothing but the trigger under test decides.
inline Stream bare() {
  Stream s;
  s.retrain.clear_when();
  s.retrain.mutable_cooldown()->set_seconds(0);
  s.retrain.mutable_at_most()->set_runs(1000);
  s.retrain.mutable_at_most()->set_burst(1000);
  return s;
}

}  // namespace rekindle::drift
