// What the ranks agree on in a step, as it travels behind the gradients: a number as two floats, the second
// what the first leaves over.
#pragma once

#include <array>
#include <cmath>
#include <span>

#include "trainer/kinds/flat_parameters.h"

namespace rekindle::trainer {

using StepFigures = std::array<float, FlatParameters::kSpare>;

inline StepFigures figures_of(std::span<const double> numbers) {
  CHECK(2 * numbers.size() <= FlatParameters::kSpare, "more figures than the message has room for");
  StepFigures out{};
  for (size_t i = 0; i < numbers.size(); ++i) {
    out[2 * i] = static_cast<float>(numbers[i]);
    out[2 * i + 1] = std::isfinite(numbers[i]) ? static_cast<float>(numbers[i] - out[2 * i]) : 0.0f;
  }
  return out;
}

inline void read_figures(std::span<const float> figures, std::span<double> numbers) {
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = double{figures[2 * i]} + figures[2 * i + 1];
}

}  // namespace rekindle::trainer
