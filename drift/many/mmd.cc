#include "drift/many/mmd.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "drift/many/dice.h"

namespace rekindle::drift {

namespace {

// The kernel of every pair of rows, reference rows first; 0 for a row with itself.
struct Kernel {
  size_t rows = 0, reference = 0;
  double bandwidth = 0;
  std::vector<double> values;
  std::vector<double> row_sums;
  double all = 0;

  // For the sides as `order` deals them: the first `reference` rows of it are the reference.
  double squared(const std::vector<size_t>& order) const {
    double within = 0, touching = 0;
    for (size_t i = 0; i < reference; ++i) {
      const double* row = values.data() + order[i] * rows;
      touching += row_sums[order[i]];
      for (size_t j = 0; j < reference; ++j) within += row[order[j]];
    }
    // Every pair is within the reference, within live rows or across, and across twice.
    const double across = touching - within, live_within = all - within - 2 * across;
    const auto n = static_cast<double>(reference), m = static_cast<double>(rows - reference);
    return within / (n * (n - 1)) + live_within / (m * (m - 1)) - 2 * across / (n * m);
  }
};

std::span<const double> row_of(const Rows& reference, const Rows& live, size_t i) {
  return i < reference.size() ? reference[i] : live[i - reference.size()];
}

double median(std::vector<double> values) {
  const size_t half = values.size() / 2;
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(half));
  const double above = values[half];
  if (values.size() % 2) return above;
  return (*std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half)) + above) / 2;
}

Result<Kernel> kernel_of(const Rows& reference, const Rows& live) {
  if (!reference.sound() || !live.sound() || reference.columns != live.columns || reference.size() < 2 ||
      live.size() < 2)
    return invalid_argument("MMD compares two rows or more with as many or other rows of the same columns");
  Kernel out;
  out.rows = reference.size() + live.size();
  out.reference = reference.size();
  if (out.rows > kMmdRowsMax)
    return invalid_argument(
        fmt::format("{} rows are too many for MMD: draw a sample of at most {}", out.rows, kMmdRowsMax));
  for (const Rows& side : {reference, live})
    if (!std::ranges::all_of(side.values, [](double x) { return std::isfinite(x); }))
      return invalid_argument("MMD is of numbers: fill in or leave out what is missing");
  out.values.assign(out.rows * out.rows, 0);
  std::vector<double> distances;
  distances.reserve(out.rows * (out.rows - 1) / 2);
  for (size_t i = 0; i < out.rows; ++i)
    for (size_t j = i + 1; j < out.rows; ++j) {
      const auto a = row_of(reference, live, i), b = row_of(reference, live, j);
      double sum = 0;
      for (size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
      distances.push_back(sum);
      out.values[i * out.rows + j] = sum;
    }
  const double middle = median(std::move(distances));
  out.bandwidth = middle > 0 ? std::sqrt(middle / 2) : 1;
  for (size_t i = 0; i < out.rows; ++i)
    for (size_t j = i + 1; j < out.rows; ++j) {
      double& here = out.values[i * out.rows + j];
      here = std::exp(-here / (2 * out.bandwidth * out.bandwidth));
      out.values[j * out.rows + i] = here;
    }
  for (size_t i = 0; i < out.rows; ++i) {
    const auto row = out.values.begin() + static_cast<std::ptrdiff_t>(i * out.rows);
    out.row_sums.push_back(std::accumulate(row, row + static_cast<std::ptrdiff_t>(out.rows), 0.0));
    out.all += out.row_sums.back();
  }
  return out;
}

std::vector<size_t> as_they_are(size_t rows) {
  std::vector<size_t> out(rows);
  std::iota(out.begin(), out.end(), size_t{0});
  return out;
}

}  // namespace

Result<Mmd> mmd(const Rows& reference, const Rows& live) {
  const Kernel kernel = TRY(kernel_of(reference, live));
  return Mmd{kernel.squared(as_they_are(kernel.rows)), kernel.bandwidth};
}

Result<MmdTest> mmd_test(const Rows& reference, const Rows& live, int permutations, uint64_t seed) {
  const Kernel kernel = TRY(kernel_of(reference, live));
  std::vector<size_t> order = as_they_are(kernel.rows);
  MmdTest out{{kernel.squared(order), kernel.bandwidth}, 1};
  // Sums in another order differ by their rounding: what is equal must count as equal.
  const double as_large = out.found.squared - 1e-12;
  CHECK(permutations >= 0, "no fewer than no permutations");
  Dice dice(seed);
  int larger = 1;
  for (int i = 0; i < permutations; ++i) {
    dice.shuffle(std::span(order));
    larger += kernel.squared(order) >= as_large;
  }
  out.p = static_cast<double>(larger) / (permutations + 1);
  return out;
}

}  // namespace rekindle::drift
