#include "drift/compat/frouros.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "drift/compat/histogram.h"

namespace rekindle::drift::frouros {

namespace {

struct Pair {
  std::vector<double> p, q;
};

struct Columns {
  std::vector<double> reference, live;  // sorted
};

Result<Columns> checked(Values reference, Values live) {
  Columns out{numpy::finite_sorted(reference), numpy::finite_sorted(live)};
  if (out.reference.size() < reference.size() || out.live.size() < live.size())
    return invalid_argument("a column with missing or infinite values cannot be compared");
  if (out.reference.empty() || out.live.empty())
    return invalid_argument("a column without values cannot be compared");
  if (!numpy::has_range(out.reference, out.live))
    return invalid_argument("a column's least and greatest value lie further apart than a number says");
  return out;
}

Result<Pair> binned(Values reference, Values live, int64_t bins) {
  if (bins < 1) return invalid_argument("a histogram has a bin");
  const Columns columns = TRY(checked(reference, live));
  std::vector<double> pooled(columns.reference.size() + columns.live.size());
  std::ranges::merge(columns.reference, columns.live, pooled.begin());
  const std::vector<double> edges = numpy::edges(pooled, bins);
  const auto shares = [&](const std::vector<double>& sorted) {
    return numpy::shares(numpy::histogram(sorted, edges), static_cast<double>(sorted.size()));
  };
  return Pair{shares(columns.reference), shares(columns.live)};
}

// The distribution function of a histogram: straight between its edges.
class Steps {
 public:
  Steps(Sorted sample, std::vector<double> edges) : edges_(std::move(edges)) {
    const std::vector<int64_t> counts = numpy::histogram(sample, edges_);
    std::vector<double> density, mass;
    for (size_t i = 0; i < counts.size(); ++i) {
      const double width = edges_[i + 1] - edges_[i];
      density.push_back(static_cast<double>(counts[i]) / width);
      mass.push_back(density.back() * width);
    }
    const double all = numpy::sum(mass);
    upto_.push_back(0);
    double sum = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
      sum += density[i] / all * (edges_[i + 1] - edges_[i]);
      upto_.push_back(sum);
    }
  }
  double operator()(double x) const {
    if (x <= edges_.front()) return 0;
    if (x >= edges_.back()) return 1;
    const auto above = std::ranges::upper_bound(edges_, x) - edges_.begin();
    const auto i = static_cast<size_t>(above - 1);
    const double slope = (upto_[i + 1] - upto_[i]) / (edges_[i + 1] - edges_[i]);
    return slope * (x - edges_[i]) + upto_[i];
  }

 private:
  std::vector<double> edges_, upto_;
};

Result<Pair> resampled(Values reference, Values live, int64_t points) {
  if (points < 2) return invalid_argument("a distribution is read off at two points or more");
  const Columns columns = TRY(checked(reference, live));
  const double low = std::min(columns.reference.front(), columns.live.front());
  const double high = std::max(columns.reference.back(), columns.live.back());
  const std::vector<double> grid = numpy::edges(low, high, points - 1);
  const Steps f(columns.reference, TRY(numpy::auto_edges(columns.reference)));
  const Steps g(columns.live, TRY(numpy::auto_edges(columns.live)));
  Pair out;
  for (size_t i = 1; i < grid.size(); ++i) {
    out.p.push_back(f(grid[i]) - f(grid[i - 1]));
    out.q.push_back(g(grid[i]) - g(grid[i - 1]));
  }
  return out;
}

}  // namespace

Result<double> psi(Values reference, Values live, int64_t bins) {
  Pair shares = TRY(binned(reference, live, bins));
  std::vector<double> terms;
  for (size_t i = 0; i < shares.p.size(); ++i) {
    double &p = shares.p[i], &q = shares.q[i];
    if (p == 0) p = std::numeric_limits<double>::min();
    if (q == 0) q = std::numeric_limits<double>::min();
    terms.push_back((q - p) * std::log(q / p));
  }
  return numpy::sum(terms);
}

Result<double> hellinger(Values reference, Values live, int64_t bins) {
  const Pair shares = TRY(binned(reference, live, bins));
  std::vector<double> squares;
  for (size_t i = 0; i < shares.p.size(); ++i) {
    const double apart = std::sqrt(shares.p[i]) - std::sqrt(shares.q[i]);
    squares.push_back(apart * apart);
  }
  return std::sqrt(numpy::sum(squares)) / std::numbers::sqrt2;
}

Result<double> bhattacharyya(Values reference, Values live, int64_t bins) {
  const Pair shares = TRY(binned(reference, live, bins));
  std::vector<double> overlap;
  for (size_t i = 0; i < shares.p.size(); ++i) overlap.push_back(std::sqrt(shares.p[i] * shares.q[i]));
  return 1 - numpy::sum(overlap);
}

Result<double> jensen_shannon(Values reference, Values live, int64_t points) {
  const Pair shares = TRY(resampled(reference, live, points));
  return numpy::jensen_shannon(shares.p, shares.q);
}

Result<double> kullback_leibler(Values reference, Values live, int64_t points) {
  const Pair shares = TRY(resampled(reference, live, points));
  std::vector<double> terms;
  for (size_t i = 0; i < shares.p.size(); ++i)
    terms.push_back(numpy::relative_entropy(shares.q[i], shares.p[i]));
  return numpy::sum(terms);
}

}  // namespace rekindle::drift::frouros
