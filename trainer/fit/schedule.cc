#include "trainer/fit/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace rekindle::trainer {

double peak_rate(const v1::Optimizer& spec) {
  switch (spec.kind_case()) {
    case v1::Optimizer::kAdam:
      return spec.adam().rate();
    case v1::Optimizer::kSgd:
      return spec.sgd().rate();
    case v1::Optimizer::kAdagrad:
      return spec.adagrad().rate();
    default:
      return spec.adamw().rate();
  }
}

std::string rate_field(const v1::Optimizer& spec) {
  switch (spec.kind_case()) {
    case v1::Optimizer::kAdam:
      return "train.optimizer.adam.rate";
    case v1::Optimizer::kSgd:
      return "train.optimizer.sgd.rate";
    case v1::Optimizer::kAdagrad:
      return "train.optimizer.adagrad.rate";
    default:
      return "train.optimizer.adamw.rate";
  }
}

double scheduled_rate(const v1::Optimizer& spec, uint64_t step, uint64_t steps) {
  const double peak = peak_rate(spec);
  const auto& warmup = spec.warmup();
  const double share = warmup.has_share() ? warmup.share() : 0.05;
  const double most = warmup.most() > 0 ? static_cast<double>(warmup.most()) : 100.0;
  const double warm = std::max(1.0, std::min(most, share * static_cast<double>(steps)));
  const double at = static_cast<double>(step) + 1;
  if (at < warm) return peak * at / warm;
  const double way = std::min(1.0, (at - warm) / std::max(1.0, static_cast<double>(steps) - warm));
  const auto& schedule = spec.schedule();
  switch (schedule.kind_case()) {
    case v1::Schedule::kConstant:
      return peak;
    case v1::Schedule::kStep:
      return peak * std::pow(schedule.step().factor(), static_cast<double>(step / schedule.step().every()));
    case v1::Schedule::kLinear: {
      const double floor = schedule.linear().floor();
      return peak * (1 - (1 - floor) * way);
    }
    default: {
      const double floor = schedule.cosine().has_floor() ? schedule.cosine().floor() : 0.1;
      return peak * (floor + (1 - floor) * 0.5 * (1 + std::cos(std::numbers::pi * way)));
    }
  }
}

}  // namespace rekindle::trainer
