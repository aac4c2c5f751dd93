#include "backtest/policies/detector.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

namespace rekindle::backtest {
namespace {

// As Modyn's dynamic thresholds: the newest scores, and a warm-up without an opinion.
constexpr size_t kWindowsKept = 15;
constexpr size_t kWindowsLeast = 4;

}  // namespace

Detector::Detector(const Policy& policy, int64_t window_us)
    : kind_(policy.kind), value_(policy.value), window_us_(window_us) {
  if (kind_ == Kind::kAdwin) stream_ = drift::Adwin(value_);
  if (kind_ == Kind::kDdm) stream_ = drift::Ddm();
  if (kind_ == Kind::kHddmA) stream_ = drift::HddmA();
}

void Detector::see(int64_t time_us, double loss, double error) {
  if (auto* adwin = std::get_if<drift::Adwin>(&stream_)) {
    // Better is no reason to fit.
    if (adwin->update(error) && adwin->after() > adwin->before())
      fired_ = fmt::format("adwin: errors rose from {:.3f} to {:.3f}", adwin->before(), adwin->after());
  } else if (auto* ddm = std::get_if<drift::Ddm>(&stream_)) {
    if (ddm->update(error)) fired_ = "ddm: errors rose";
  } else if (auto* hddm = std::get_if<drift::HddmA>(&stream_)) {
    if (hddm->update(error)) fired_ = "hddm-a: errors rose";
  } else {
    if (window_.rows == 0) window_from_us_ = time_us;
    if (time_us >= window_from_us_ + window_us_) {
      end_window();
      window_from_us_ = time_us;
    }
    window_ += {loss, 1};
  }
}

void Detector::end_window() {
  const double mean = window_.mean();
  if (kind_ == Kind::kStatic && mean > value_)
    fired_ = fmt::format("a window lost {:.4f}, over {:g}", mean, value_);
  if (kind_ == Kind::kDynamic && means_.size() >= kWindowsLeast) {
    const double before =
        std::accumulate(means_.begin(), means_.end(), 0.0) / static_cast<double>(means_.size());
    if (mean > before * (1 + value_))
      fired_ = fmt::format("a window lost {:.4f}, {:.0f} % over the {} before", mean,
                           100 * (mean / before - 1), means_.size());
  }
  means_.push_back(mean);
  if (means_.size() > kWindowsKept) means_.pop_front();
  window_ = {};
}

std::string Detector::why() {
  return std::exchange(fired_, {});
}

std::unique_ptr<Detector> make_detector(const Policy& policy, int64_t window_us,
                                        std::unique_ptr<Detector> before) {
  auto out = std::make_unique<Detector>(policy, window_us);
  // What windows usually lose is known whatever version served in them.
  if (before) out->means_ = std::move(before->means_);
  return out;
}

}  // namespace rekindle::backtest
