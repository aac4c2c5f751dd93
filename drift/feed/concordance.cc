#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "drift/feed/labels.h"

namespace rekindle::drift {

Concordance concordance(std::span<const double> scores, std::span<const double> labels) {
  CHECK(scores.size() == labels.size(), "a label for each score");
  std::vector<size_t> order;
  for (size_t i = 0; i < scores.size(); ++i)
    if (!std::isnan(scores[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  double ones = 0, zeros = 0, ties = 0;
  Concordance out;
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    double one = 0, zero = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[i]]; ++end)
      labels[order[end]] > 0.5 ? ++one : ++zero;
    out.concordant += one * (zeros + zero / 2);
    ones += one;
    zeros += zero;
    const auto tied = static_cast<double>(end - i);
    ties += tied * tied * tied - tied;
    i = end;
  }
  out.pairs = ones * zeros;
  const double n = ones + zeros;
  // Mann and Whitney's variance, corrected for ties.
  if (n > 1) out.chance = out.pairs / 12 * (n + 1 - ties / (n * (n - 1)));
  return out;
}

Concordance concordance(std::span<const std::string_view> values, std::span<const double> labels) {
  struct Sum {
    double rows = 0, ones = 0;
  };
  std::map<std::string_view, Sum> sums;
  for (size_t i = 0; i < values.size(); ++i) {
    Sum& sum = sums[values[i]];
    sum.rows += 1;
    sum.ones += labels[i] > 0.5 ? 1 : 0;
  }
  std::vector<double> scores;
  for (size_t i = 0; i < values.size(); ++i) {
    const Sum& sum = sums[values[i]];
    scores.push_back(sum.rows < 2 ? 0.5 : (sum.ones - (labels[i] > 0.5 ? 1 : 0)) / (sum.rows - 1));
  }
  return concordance(std::span<const double>(scores), labels);
}

}  // namespace rekindle::drift
