// A rule that watches the losses of the version in service and says when it has had enough. Pure.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <variant>

#include "backtest/judge/losses.h"
#include "backtest/policies/names.h"
#include "drift/streams/adwin.h"
#include "drift/streams/error_rate.h"
#include "drift/streams/hoeffding.h"

namespace rekindle::backtest {

class Detector {
 public:
  Detector(const Policy& policy, int64_t window_us);

  // The labelled rows of the version in service, by event time. `error` in [0, 1].
  void see(int64_t time_us, double loss, double error);
  // Why to fit now, in a sentence; empty: there is no reason.
  std::string why();

 private:
  friend std::unique_ptr<Detector> make_detector(const Policy&, int64_t, std::unique_ptr<Detector>);
  void end_window();

  const Kind kind_;
  const double value_;
  const int64_t window_us_;
  std::variant<std::monostate, drift::Adwin, drift::Ddm, drift::HddmA> stream_;
  std::string fired_;
  Column window_;  // that is being filled
  int64_t window_from_us_ = 0;
  std::deque<double> means_;  // of the windows before, newest last
};

// A fresh one, for a version that has just been fitted; `before` hands on what does not depend on the
// version.
std::unique_ptr<Detector> make_detector(const Policy& policy, int64_t window_us,
                                        std::unique_ptr<Detector> before = nullptr);

}  // namespace rekindle::backtest
