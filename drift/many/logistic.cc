#include "drift/many/logistic.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace rekindle::drift {

namespace {

constexpr int kStepsMax = 60, kHalvingsMax = 30;
constexpr double kEnough = 1e-12;  // a step so small against the weights is the last

// Solves a x = b in place for a positive definite a (size by size), by Cholesky's factors.
void solve(std::vector<double>& a, std::vector<double>& b) {
  const size_t size = b.size();
  for (size_t j = 0; j < size; ++j) {
    for (size_t i = j; i < size; ++i) {
      double sum = a[i * size + j];
      for (size_t k = 0; k < j; ++k) sum -= a[i * size + k] * a[j * size + k];
      a[i * size + j] = i == j ? std::sqrt(std::max(sum, 1e-300)) : sum / a[j * size + j];
    }
  }
  for (size_t i = 0; i < size; ++i) {
    for (size_t k = 0; k < i; ++k) b[i] -= a[i * size + k] * b[k];
    b[i] /= a[i * size + i];
  }
  for (size_t i = size; i-- > 0;) {
    for (size_t k = i + 1; k < size; ++k) b[i] -= a[k * size + i] * b[k];
    b[i] /= a[i * size + i];
  }
}

double log_odds(const std::vector<double>& weights, std::span<const double> row) {
  double sum = weights.back();
  for (size_t k = 0; k < row.size(); ++k) sum += weights[k] * row[k];
  return sum;
}

double softplus(double x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

double cost(const std::vector<double>& weights, const Rows& rows, std::span<const uint8_t> labels,
            double ridge) {
  double sum = 0;
  for (size_t k = 0; k + 1 < weights.size(); ++k) sum += ridge / 2 * weights[k] * weights[k];
  for (size_t i = 0; i < rows.size(); ++i) {
    const double z = log_odds(weights, rows[i]);
    sum += softplus(labels[i] ? -z : z);
  }
  return sum;
}

std::vector<double> newton_step(const std::vector<double>& weights, const Rows& rows,
                                std::span<const uint8_t> labels, double ridge) {
  const size_t size = weights.size();
  std::vector<double> curvature(size * size), slope(size);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = rows[i];
    const double p = 1 / (1 + std::exp(-log_odds(weights, row)));
    const double off = (labels[i] ? 1.0 : 0.0) - p, weight = p * (1 - p);
    for (size_t a = 0; a < size; ++a) {
      const double left = a + 1 < size ? row[a] : 1;
      slope[a] += off * left;
      for (size_t b = 0; b <= a; ++b) curvature[a * size + b] += weight * left * (b + 1 < size ? row[b] : 1);
    }
  }
  for (size_t a = 0; a + 1 < size; ++a) {
    slope[a] -= ridge * weights[a];
    curvature[a * size + a] += ridge;
  }
  solve(curvature, slope);
  return slope;
}

}  // namespace

Logistic Logistic::fit(const Rows& rows, std::span<const uint8_t> labels, double ridge) {
  CHECK(rows.sound() && rows.size() == labels.size() && ridge > 0, "a label for each row, and a ridge");
  Logistic out;
  out.weights_.assign(rows.columns + 1, 0);
  double before = cost(out.weights_, rows, labels, ridge);
  for (int step = 0; step < kStepsMax; ++step) {
    const std::vector<double> move = newton_step(out.weights_, rows, labels, ridge);
    double largest = 0, length = 1;
    for (size_t k = 0; k < move.size(); ++k)
      largest = std::max(largest, std::abs(move[k]) / (1 + std::abs(out.weights_[k])));
    std::vector<double> next = out.weights_;
    double after = before;
    // Far from the end a whole step may overshoot.
    for (int halving = 0; halving < kHalvingsMax; ++halving, length /= 2) {
      for (size_t k = 0; k < move.size(); ++k) next[k] = out.weights_[k] + length * move[k];
      after = cost(next, rows, labels, ridge);
      if (after <= before) break;
    }
    if (after > before) break;
    out.weights_ = next;
    before = after;
    if (largest < kEnough) break;
  }
  return out;
}

double Logistic::operator()(std::span<const double> row) const {
  CHECK(row.size() + 1 == weights_.size(), "a row of other columns than those that were learned");
  return log_odds(weights_, row);
}

}  // namespace rekindle::drift
