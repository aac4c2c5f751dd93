#include "drift/many/pca.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace rekindle::drift {

namespace {

constexpr int kSweepsMax = 100;

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

}  // namespace

Eigen eigen(std::vector<double> a, size_t size) {
  CHECK(a.size() == size * size, "a square matrix");
  std::vector<std::vector<double>> vectors(size, std::vector<double>(size));  // rows
  for (size_t i = 0; i < size; ++i) vectors[i][i] = 1;
  const auto at = [&](size_t i, size_t j) -> double& { return a[i * size + j]; };
  for (int sweep = 0; sweep < kSweepsMax; ++sweep) {
    double off = 0, all = 0;
    for (size_t i = 0; i < size; ++i)
      for (size_t j = 0; j < size; ++j) (i == j ? all : off) += at(i, j) * at(i, j);
    if (off <= 1e-30 * all) break;
    for (size_t p = 0; p < size; ++p)
      for (size_t q = p + 1; q < size; ++q) {
        if (at(p, q) == 0) continue;
        // The smaller of the two angles that make a(p, q) zero.
        const double theta = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (size_t k = 0; k < size; ++k) {
          const double kp = at(k, p), kq = at(k, q);
          at(k, p) = c * kp - s * kq;
          at(k, q) = s * kp + c * kq;
        }
        for (size_t k = 0; k < size; ++k) {
          const double pk = at(p, k), qk = at(q, k), vp = vectors[p][k], vq = vectors[q][k];
          at(p, k) = c * pk - s * qk;
          at(q, k) = s * pk + c * qk;
          vectors[p][k] = c * vp - s * vq;
          vectors[q][k] = s * vp + c * vq;
        }
      }
  }
  std::vector<size_t> order(size);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return at(i, i); });
  Eigen out;
  for (const size_t i : order) {
    out.values.push_back(at(i, i));
    out.vectors.push_back(vectors[i]);
  }
  return out;
}

Pca Pca::fit(const Rows& rows, double share) {
  CHECK(rows.sound() && rows.size() > 1 && share > 0 && share < 1, "components of two rows or more");
  const size_t columns = rows.columns;
  Pca out;
  out.mean_.assign(columns, 0);
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t k = 0; k < columns; ++k) out.mean_[k] += rows[i][k] / static_cast<double>(rows.size());
  std::vector<double> covariance(columns * columns), centred(columns);
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t k = 0; k < columns; ++k) centred[k] = rows[i][k] - out.mean_[k];
    for (size_t a = 0; a < columns; ++a)
      for (size_t b = 0; b < columns; ++b) covariance[a * columns + b] += centred[a] * centred[b];
  }
  const Eigen found = eigen(std::move(covariance), columns);
  const double all = std::accumulate(found.values.begin(), found.values.end(), 0.0);
  double held = 0;
  for (size_t k = 0; k < columns && (k == 0 || held <= share * all); ++k) {
    out.components_.push_back(found.vectors[k]);
    held += found.values[k];
  }
  return out;
}

double Pca::residual(std::span<const double> row) const {
  CHECK(row.size() == mean_.size(), "a row of other columns than those that were learned");
  std::vector<double> rest(row.size());
  for (size_t k = 0; k < rest.size(); ++k) rest[k] = row[k] - mean_[k];
  const std::vector<double> centred = rest;
  for (const auto& component : components_) {
    const double along = dot(centred, component);
    for (size_t k = 0; k < rest.size(); ++k) rest[k] -= along * component[k];
  }
  return std::sqrt(dot(rest, rest));
}

}  // namespace rekindle::drift
