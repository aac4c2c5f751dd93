#include "drift/many/auroc.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "base/check.h"

namespace rekindle::drift {

double auroc(std::span<const double> score, std::span<const uint8_t> labels) {
  CHECK(score.size() == labels.size(), "a label for each score");
  std::vector<size_t> order(score.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return score[i]; });
  double ones = 0, zeros = 0, ordered = 0;
  for (size_t i = 0; i < order.size();) {
    double tied_ones = 0, tied_zeros = 0;
    for (const double value = score[order[i]]; i < order.size() && score[order[i]] == value; ++i)
      (labels[order[i]] ? tied_ones : tied_zeros) += 1;
    ordered += tied_ones * (zeros + tied_zeros / 2);
    ones += tied_ones;
    zeros += tied_zeros;
  }
  return ones > 0 && zeros > 0 ? ordered / ones / zeros : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace rekindle::drift
