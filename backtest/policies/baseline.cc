#include "backtest/policies/baseline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "backtest/policies/detector.h"
#include "base/stats.h"
#include "base/units.h"

namespace rekindle::backtest {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;

class Walk {
 public:
  Walk(const Policy& policy, const History& history, const Maker& maker)
      : policy_(policy), history_(history), maker_(maker) {
    course_.schedule.push_back({0, history.from_us});
  }

  // Fits at times that are known beforehand.
  Result<Course> at(const std::vector<int64_t>& times, const std::string& detail) {
    for (const int64_t time : times)
      if (!busy(time)) TRY_STATUS(fit(time, detail, true).status());
    return std::move(course_);
  }

  // Asked at the end of each day, with what became known in it.
  Result<Course> by_watching() {
    std::unique_ptr<Detector> detector = make_detector(policy_, history_.window_us);
    for (int64_t now = history_.from_us + kDayUs; now <= history_.until_us && !course_.cut_off;
         now += kDayUs) {
      learn(now, [&](size_t row) {
        const size_t in_service = course_.schedule.back().fit;
        detector->see(history_.judged.times_us[row], maker_.loss(in_service, row),
                      maker_.error(in_service, row));
      });
      const std::string why = detector->why();
      if (why.empty() || busy(now)) continue;
      TRY_STATUS(fit(now, why, true).status());
      detector = make_detector(policy_, history_.window_us, std::move(detector));
    }
    return std::move(course_);
  }

  // The shadow of a slice is fitted at its end and compared over the next.
  Result<Course> by_regret() {
    double regret = 0;
    std::optional<size_t> shadow;
    for (const int64_t now : slice_ends(history_.from_us, history_.until_us, history_.slice_us)) {
      if (now >= history_.until_us) break;
      Column served, fresh;
      learn(now, [&](size_t row) {
        if (!shadow || history_.judged.times_us[row] < active(course_.fitted.back())) return;
        served += {maker_.loss(course_.schedule.back().fit, row), 1};
        fresh += {maker_.loss(*shadow, row), 1};
      });
      if (served.rows > 0) regret = std::max(0.0, regret + served.mean() - fresh.mean());
      if (shadow && regret > policy_.value) {
        Course::Fitted& taken = course_.fitted.back();
        taken.serving_us = std::max(now, active(taken));
        taken.detail = fmt::format("the version in service lost {:.4f} more than its shadow", regret);
        course_.schedule.push_back({*shadow, taken.serving_us});
        regret = 0;
      }
      if (const std::optional<size_t> made = TRY(fit(now, "shadow", false))) shadow = made;
    }
    return std::move(course_);
  }

 private:
  int64_t active(const Course::Fitted& fitted) const { return fitted.as_of_us + history_.run_takes_us; }
  bool busy(int64_t now) const { return now < course_.schedule.back().from_us || course_.cut_off; }

  // Nothing where what was known by then is too little to fit on: what serves goes on serving.
  Result<std::optional<size_t>> fit(int64_t as_of_us, std::string detail, bool serves) {
    const Result<size_t> fitted = maker_.fit_at(as_of_us);
    if (fitted.status().code() == Code::kFailedPrecondition) return std::optional<size_t>();
    const size_t made = TRY(fitted);
    const int64_t from = as_of_us + history_.run_takes_us;
    course_.fitted.push_back({made, as_of_us, std::move(detail), serves ? from : 0});
    if (serves) course_.schedule.push_back({made, from});
    course_.cut_off = course_.fitted.size() >= history_.fits_most;
    return std::optional(made);
  }

  // Labelled rows that became known by now, if the version in service answered them.
  template <typename See>
  void learn(int64_t now, const See& see) {
    const size_t until = history_.judged.at(now - history_.label_delay_us);
    const int64_t since = course_.schedule.back().from_us;
    for (; known_ < until; ++known_)
      if (history_.judged.labelled[known_] && history_.judged.times_us[known_] >= since) see(known_);
  }

  const Policy& policy_;
  const History& history_;
  const Maker& maker_;
  Course course_;
  size_t known_ = 0;
};

// Fits of which nothing would come before the end are not made.
std::vector<int64_t> times_of(const Policy& policy, const History& history) {
  std::vector<int64_t> times;
  if (policy.kind == Kind::kAlways) {
    times = slice_ends(history.from_us, history.until_us, history.slice_us);
  } else if (policy.kind == Kind::kEvery) {
    for (int64_t at = history.from_us + policy.every.count(); at < history.until_us;
         at += policy.every.count())
      times.push_back(at);
  } else if (policy.kind == Kind::kCron) {
    const auto parts = static_cast<int64_t>(policy.fits) + 1;
    for (int64_t k = 1; k < parts; ++k) {
      const int64_t at = history.from_us + (history.until_us - history.from_us) / parts * k;
      times.push_back(at - at % kHourUs);
    }
  }
  std::erase_if(times, [&](int64_t at) { return at + history.run_takes_us >= history.until_us; });
  return times;
}

}  // namespace

std::vector<int64_t> slice_ends(int64_t from_us, int64_t until_us, int64_t slice_us) {
  std::vector<int64_t> ends;
  for (int64_t at = from_us + slice_us; at < until_us; at += slice_us) ends.push_back(at);
  if (!ends.empty() && until_us - ends.back() < slice_us / 2)
    ends.back() = until_us;
  else
    ends.push_back(until_us);
  return ends;
}

Result<Course> walk(const Policy& policy, const History& history, const Maker& maker) {
  CHECK(policy.kind != Kind::kOwn, "rekindle's own policy is decided by the core");
  Walk walk(policy, history, maker);
  switch (policy.kind) {
    case Kind::kNever:
    case Kind::kAlways:
    case Kind::kEvery:
    case Kind::kCron:
      return walk.at(times_of(policy, history), policy.name);
    case Kind::kRegret:
      return walk.by_regret();
    default:
      return walk.by_watching();
  }
}

namespace {

double delay(const std::vector<int64_t>& turns, const Schedule& course, const History& history,
             int64_t early_us) {
  std::vector<double> delays;
  for (const int64_t turn : turns) {
    int64_t next = history.until_us;
    for (size_t i = 1; i < course.size(); ++i)
      if (course[i].from_us >= turn - early_us) {
        next = course[i].from_us;
        break;
      }
    delays.push_back(static_cast<double>(std::max<int64_t>(0, next - turn)) / static_cast<double>(kDayUs));
  }
  return median(delays);
}

}  // namespace

double delay_days(const std::vector<int64_t>& turns, const Schedule& course, const History& history) {
  return delay(turns, course, history, history.slice_us);
}

double delay_after(const std::vector<int64_t>& changes, const Schedule& course, const History& history) {
  return delay(changes, course, history, 0);
}

}  // namespace rekindle::backtest
