#include "drift/many/domain.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "drift/many/auroc.h"
#include "drift/many/dice.h"
#include "drift/many/logistic.h"

namespace rekindle::drift {

namespace {

// Both sides' rows, each column with mean 0 and deviation 1 over all of them.
std::vector<double> standardised(const Rows& reference, const Rows& live) {
  std::vector<double> out(reference.values.begin(), reference.values.end());
  out.insert(out.end(), live.values.begin(), live.values.end());
  const size_t columns = reference.columns, rows = out.size() / columns;
  for (size_t column = 0; column < columns; ++column) {
    double sum = 0, squares = 0, count = 0;
    for (size_t i = 0; i < rows; ++i)
      if (const double x = out[i * columns + column]; !std::isnan(x)) {
        sum += x;
        count += 1;
      }
    const double mean = count > 0 ? sum / count : 0;
    for (size_t i = 0; i < rows; ++i) {
      double& x = out[i * columns + column];
      x = std::isnan(x) ? 0 : x - mean;
      squares += x * x;
    }
    const double spread = std::sqrt(squares / static_cast<double>(rows));
    for (size_t i = 0; i < rows && spread > 0; ++i) out[i * columns + column] /= spread;
  }
  return out;
}

// Rows in the order of `order`; the first `n` are one side. Position i of a side is in fold i mod K.
double out_of_fold_auroc(const Rows& rows, const std::vector<size_t>& order, size_t n,
                         const DomainRule& rule) {
  const auto folds = static_cast<size_t>(rule.folds);
  const auto fold_of = [&](size_t at) { return (at < n ? at : at - n) % folds; };
  std::vector<double> scores;
  std::vector<uint8_t> sides;
  for (size_t fold = 0; fold < folds; ++fold) {
    std::vector<double> known;
    std::vector<uint8_t> known_sides;
    for (size_t at = 0; at < order.size(); ++at) {
      if (fold_of(at) == fold) continue;
      const auto row = rows[order[at]];
      known.insert(known.end(), row.begin(), row.end());
      known_sides.push_back(at >= n);
    }
    const Logistic model = Logistic::fit({known, rows.columns}, known_sides, rule.ridge);
    for (size_t at = 0; at < order.size(); ++at) {
      if (fold_of(at) != fold) continue;
      scores.push_back(model(rows[order[at]]));
      sides.push_back(at >= n);
    }
  }
  return auroc(scores, sides);
}

}  // namespace

Result<DomainVerdict> tell_apart(const Rows& reference, const Rows& live, const DomainRule& rule) {
  if (!reference.sound() || !live.sound() || reference.columns != live.columns)
    return invalid_argument("a classifier of sides needs rows of the same columns on both");
  if (rule.folds < 2 || reference.size() < static_cast<size_t>(rule.folds) ||
      live.size() < static_cast<size_t>(rule.folds) || !(rule.ridge > 0))
    return invalid_argument("two folds or more, a row of each side in each, and a ridge above 0");
  for (const Rows& side : {reference, live})
    if (std::ranges::any_of(side.values, [](double x) { return std::isinf(x); }))
      return invalid_argument("an infinite value cannot be learned from");
  const std::vector<double> values = standardised(reference, live);
  const Rows rows{values, reference.columns};
  std::vector<size_t> order(rows.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  DomainVerdict out;
  out.auroc = out_of_fold_auroc(rows, order, reference.size(), rule);
  CHECK(rule.permutations >= 0, "no fewer than no permutations");
  Dice dice(rule.seed);
  int as_well = 1;
  for (int i = 0; i < rule.permutations; ++i) {
    dice.shuffle(std::span(order));
    as_well += out_of_fold_auroc(rows, order, reference.size(), rule) >= out.auroc;
  }
  out.p = static_cast<double>(as_well) / (rule.permutations + 1);
  return out;
}

}  // namespace rekindle::drift
