#include "trainer/fit/adamw.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace rekindle::trainer {

void AdamW::update(const AdamWOptions& options, uint64_t step) {
  at::NoGradGuard no_grad;
  // The kernel takes the number of the step as a tensor and reads it as this update's.
  auto number = at::full({}, static_cast<double>(step), parameters_.values().options());
  auto part = [&](size_t begin, size_t end, double decay) {
    if (begin == end) return;
    auto view = [&](const at::Tensor& flat) {
      return std::vector<at::Tensor>{
          flat.narrow(0, static_cast<int64_t>(begin), static_cast<int64_t>(end - begin))};
    };
    at::_fused_adamw_(view(parameters_.values()), view(parameters_.gradients()), view(first_), view(second_),
                      {}, {number}, options.rate, options.beta1, options.beta2, decay, options.epsilon,
                      /*amsgrad=*/false,
                      /*maximize=*/false);
  };
  const auto& layout = parameters_.layout();
  part(0, layout.decayed(), options.decay);
  part(layout.decayed(), layout.size(), 0.0);
}

double scheduled_rate(double peak, uint64_t step, uint64_t steps) {
  constexpr double kLeast = 0.1;
  const double warm = std::max(1.0, std::min(100.0, 0.05 * static_cast<double>(steps)));
  const double at = static_cast<double>(step) + 1;
  if (at < warm) return peak * at / warm;
  const double way = std::min(1.0, (at - warm) / std::max(1.0, static_cast<double>(steps) - warm));
  return peak * (kLeast + (1 - kLeast) * 0.5 * (1 + std::cos(std::numbers::pi * way)));
}

}  // namespace rekindle::trainer
