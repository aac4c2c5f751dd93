// A model in service whose history is replayed.
#pragma once

#include "core/plan.h"
#include "tests/core/driver.h"

namespace rekindle::core::testing {

inline constexpr const char* kModel = "flight-delay";

inline v1::BeginReplayRequest begin(int64_t clock_us, const std::string& session = "s") {
  v1::BeginReplayRequest r;
  r.set_model(kModel);
  r.set_session(session);
  r.set_clock_us(clock_us);
  r.add_pin(1);
  *r.mutable_run_takes() = to_proto(Seconds(3600));
  return r;
}
inline AdvanceReplay to(int64_t clock_us, const std::string& session = "s", uint64_t canary_answers = 500) {
  v1::AdvanceRequest r;
  r.set_model(kModel);
  r.set_session(session);
  r.set_clock_us(clock_us);
  return {r, canary_answers};
}

// Version 1 in service, replay from 1 February.
struct Replaying : Driver {
  Replaying() {
    world.now = time_from_micros(to_micros(*parse_time("2026-11-22")));
    add_job();
    trains(start(), evaluation_of(.53, 0));
    nodes_follow();
    run(BeginReplay{begin(day_us(2, 1))});
    nodes_follow();
  }
  // The clock, the days that settle, and one judged slot with this score.
  void advance_to(int64_t clock_us, double psi) {
    run(to(clock_us));
    // A day is known a day and an hour after it ended.
    for (int64_t day = day_us(2, 1); day + 2 * kDayUs + kHourUs <= clock_us; day += kDayUs) {
      std::string name = format_time(time_from_micros(day)).substr(0, 10);
      run(AddSnapshot{snapshot_of(kModel, name, day, day + kDayUs, 900), true});
    }
    v1::JudgedWindow window =
        window_of(kModel, clock_us - 2 * kHourUs, model().aliases().at("champion"), psi);
    window.set_clock_us(clock_us);
    run(JudgeWindow{window});
  }
  // Hourly drift until a trigger starts a run.
  std::string until_triggered(int64_t& clock_us) {
    for (int i = 0; i < 24 * 60; ++i) {
      clock_us += kHourUs;
      advance_to(clock_us, 0.9);
      const std::string& flight = model().decision().active_run();
      if (!flight.empty()) return flight;
    }
    ADD_FAILURE() << "no trigger in 60 days: " << model().decision().last_reason();
    return {};
  }
};

}  // namespace rekindle::core::testing
