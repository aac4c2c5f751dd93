// Fashion-MNIST (Debian's dataset-fashion-mnist) as a stream: real pictures, imposed changes.
//
// A row is a picture of 28 x 28 pixels made smaller: the means of its 7 x 7 squares, in [0, 1]; its label is
// one of ten kinds of clothes.
#pragma once

#include <filesystem>
#include <functional>

#include "base/result.h"
#include "tests/worlds/generators.h"

namespace rekindle::worlds {

inline constexpr int kFashionFields = 49, kFashionClasses = 10;

bool fashion_is_installed();

// Pictures drawn one by one, each turned by what `degrees` says of its number (from 0). not_found without the
// package.
Result<Stream> fashion(uint32_t seed, std::function<double(double row)> degrees);

}  // namespace rekindle::worlds
