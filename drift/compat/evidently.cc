#include "drift/compat/evidently.h"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "drift/compat/histogram.h"

namespace rekindle::drift::evidently {

namespace {

constexpr int64_t kCategoriesMax = 20;  // distinct reference numbers, up to which each is a category
constexpr double kLeastSpread = 0.001;
constexpr double kPValue = 0.05, kDistance = 0.1;

struct Columns {
  std::vector<double> reference, live;  // sorted
};

Result<Columns> clean(Values reference, Values live) {
  Columns out{numpy::finite_sorted(reference), numpy::finite_sorted(live)};
  if (out.reference.empty() || out.live.empty())
    return invalid_argument("a column without numbers cannot be compared");
  if (!numpy::has_range(out.reference, out.live))
    return invalid_argument("a column's least and greatest value lie further apart than a number says");
  return out;
}

std::vector<double> distinct(std::vector<double> sorted) {
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

std::vector<double> pooled(const Columns& columns) {
  std::vector<double> out(columns.reference.size() + columns.live.size());
  std::ranges::merge(columns.reference, columns.live, out.begin());
  return out;
}

struct CountPair {
  std::vector<int64_t> reference, live;
};

CountPair count_values(const Columns& columns) {
  CountPair out;
  const auto count = [](const std::vector<double>& sorted, double value) {
    const auto range = std::ranges::equal_range(sorted, value);
    return static_cast<int64_t>(range.size());
  };
  for (const double value : distinct(pooled(columns))) {
    out.reference.push_back(count(columns.reference, value));
    out.live.push_back(count(columns.live, value));
  }
  return out;
}

CountPair count_bins(const Columns& columns) {
  if (static_cast<int64_t>(distinct(columns.reference).size()) <= kCategoriesMax)
    return count_values(columns);
  const std::vector<double> edges = numpy::sturges_edges(pooled(columns));
  return {numpy::histogram(columns.reference, edges), numpy::histogram(columns.live, edges)};
}

double rows(Counts counts) {
  const int64_t sum = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  CHECK(sum > 0, "a side without rows has no shares");
  return static_cast<double>(sum);
}

std::vector<double> filled(Counts counts) {
  std::vector<double> out = numpy::shares(counts, rows(counts));
  double least = 1;
  for (const double share : out)
    if (share > 0) least = std::min(least, share);
  for (double& share : out)
    if (share == 0) share = least <= 0.0001 ? least / 1e6 : 0.0001;
  return out;
}

int64_t occurring(Counts reference, Counts live) {
  int64_t out = 0;
  for (size_t i = 0; i < live.size(); ++i) out += reference[i] > 0 || live[i] > 0;
  return out;
}

bool drifted(Test test, double score) {
  return test == Test::kJensenShannon || test == Test::kWasserstein ? score >= kDistance : score < kPValue;
}

}  // namespace

double psi(Counts reference, Counts live) {
  CHECK(reference.size() == live.size(), "counts over different bins cannot be compared");
  const std::vector<double> p = filled(reference), q = filled(live);
  std::vector<double> terms;
  for (size_t i = 0; i < p.size(); ++i) terms.push_back((p[i] - q[i]) * std::log(p[i] / q[i]));
  return numpy::sum(terms);
}

double jensen_shannon(Counts reference, Counts live) {
  return numpy::jensen_shannon(numpy::shares(reference, rows(reference)), numpy::shares(live, rows(live)));
}

double kullback_leibler(Counts reference, Counts live) {
  CHECK(reference.size() == live.size(), "counts over different bins cannot be compared");
  const std::vector<double> p = filled(reference), q = filled(live);
  const double all_p = numpy::sum(p), all_q = numpy::sum(q);
  std::vector<double> terms;
  for (size_t i = 0; i < p.size(); ++i) terms.push_back(numpy::relative_entropy(p[i] / all_p, q[i] / all_q));
  return numpy::sum(terms);
}

double hellinger(Counts reference, Counts live) {
  CHECK(reference.size() == live.size(), "counts over different bins cannot be compared");
  const double n = rows(reference), m = rows(live);
  double overlap = 0;
  for (size_t i = 0; i < live.size(); ++i)
    overlap += std::sqrt(static_cast<double>(reference[i]) / n * (static_cast<double>(live[i]) / m));
  return std::sqrt(1 - std::clamp(overlap, 0.0, 1.0));
}

double total_variation(Counts reference, Counts live) {
  return drift::total_variation(reference, live);
}

TestResult chi_square(Counts reference, Counts live) {
  CHECK(reference.size() == live.size(), "counts over different bins cannot be compared");
  const double norm = rows(live) / rows(reference);
  const int64_t categories = occurring(reference, live);
  double statistic = 0;
  for (size_t i = 0; i < live.size(); ++i) {
    if (reference[i] == 0 && live[i] == 0) continue;
    const double expected = static_cast<double>(reference[i]) * norm;
    const double off = static_cast<double>(live[i]) - expected;
    statistic += off * off / expected;
  }
  if (categories < 2) return {statistic, std::numeric_limits<double>::quiet_NaN()};
  if (std::isinf(statistic)) return {statistic, 0};
  const boost::math::chi_squared law(static_cast<double>(categories - 1));
  return {statistic, boost::math::cdf(boost::math::complement(law, statistic))};
}

TestResult z_test(Counts reference, Counts live) {
  CHECK(reference.size() == live.size(), "counts over different bins cannot be compared");
  if (occurring(reference, live) < 2) return {0, 1};
  const double n = rows(reference), m = rows(live);
  size_t first = 0;
  while (reference[first] == 0 && live[first] == 0) ++first;
  const double p = (n - static_cast<double>(reference[first])) / n;
  const double q = (m - static_cast<double>(live[first])) / m;
  const double both = (p * n + q * m) / (n + m);
  const double z = (p - q) / std::sqrt(both * (1 - both) * (1.0 / n + 1.0 / m));
  // As there: one less a number near one, so that nothing is below its rounding.
  const double below = 0.5 * boost::math::erfc(-std::abs(z) / std::sqrt(2.0));
  return {z, 2 * (1 - below)};
}

Result<double> psi(Values reference, Values live) {
  const CountPair bins = count_bins(TRY(clean(reference, live)));
  return psi(bins.reference, bins.live);
}

Result<double> jensen_shannon(Values reference, Values live) {
  const CountPair bins = count_bins(TRY(clean(reference, live)));
  // Shares of all rows, though all rows lie in the bins.
  return jensen_shannon(bins.reference, bins.live);
}

Result<double> kullback_leibler(Values reference, Values live) {
  const CountPair bins = count_bins(TRY(clean(reference, live)));
  return kullback_leibler(bins.reference, bins.live);
}

Result<double> hellinger(Values reference, Values live) {
  const Columns columns = TRY(clean(reference, live));
  const std::vector<double> edges = numpy::sturges_edges(distinct(pooled(columns)));
  const auto density = [&](const std::vector<double>& sorted) {
    const std::vector<int64_t> counts = numpy::histogram(sorted, edges);
    std::vector<double> out(counts.size());
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<double>(counts[i]) / (edges[i + 1] - edges[i]) / rows(counts);
    return out;
  };
  const std::vector<double> h1 = density(columns.reference), h2 = density(columns.live);
  const double width = (edges.back() - edges.front()) / static_cast<double>(edges.size() - 1);
  double overlap = 0;
  for (size_t i = 0; i < h1.size(); ++i) overlap += std::sqrt(h1[i] * h2[i]) * width;
  return std::sqrt(1 - std::clamp(overlap, 0.0, 1.0));
}

Result<double> wasserstein(Values reference, Values live) {
  const Columns columns = TRY(clean(reference, live));
  return drift::wasserstein(columns.reference, columns.live) /
         std::max(numpy::spread(columns.reference), kLeastSpread);
}

std::string_view test_name(Test test) {
  switch (test) {
    case Test::kKolmogorovSmirnov:
      return "ks";
    case Test::kChiSquare:
      return "chisquare";
    case Test::kZ:
      return "z";
    case Test::kJensenShannon:
      return "jensenshannon";
    case Test::kWasserstein:
      return "wasserstein";
  }
  return "";
}

Test default_test(bool categorical, int64_t reference_rows, int64_t distinct) {
  constexpr int64_t kSmall = 1000, kFewNumbers = 5;
  const bool small = reference_rows <= kSmall;
  if (!categorical && distinct > kFewNumbers) return small ? Test::kKolmogorovSmirnov : Test::kWasserstein;
  if (!small) return Test::kJensenShannon;
  return distinct > 2 ? Test::kChiSquare : Test::kZ;
}

Result<Verdict> judge(Values reference, Values live) {
  const Columns columns = TRY(clean(reference, live));
  const Test test = default_test(false, static_cast<int64_t>(columns.reference.size()),
                                 static_cast<int64_t>(distinct(pooled(columns)).size()));
  if (test == Test::kKolmogorovSmirnov) {
    const double p = kolmogorov_smirnov(columns.reference, columns.live).p;
    return Verdict{test, p, drifted(test, p)};
  }
  if (test == Test::kWasserstein) {
    const double distance = TRY(wasserstein(reference, live));
    return Verdict{test, distance, drifted(test, distance)};
  }
  // At most five numbers: each is a category.
  const CountPair counts = count_values(columns);
  const double score = test == Test::kJensenShannon ? jensen_shannon(counts.reference, counts.live)
                       : test == Test::kChiSquare   ? chi_square(counts.reference, counts.live).p
                                                    : z_test(counts.reference, counts.live).p;
  return Verdict{test, score, drifted(test, score)};
}

Verdict judge(Counts reference, Counts live) {
  const Test test = default_test(true, static_cast<int64_t>(rows(reference)), occurring(reference, live));
  const double score = test == Test::kJensenShannon ? jensen_shannon(reference, live)
                       : test == Test::kChiSquare   ? chi_square(reference, live).p
                                                    : z_test(reference, live).p;
  return {test, score, drifted(test, score)};
}

}  // namespace rekindle::drift::evidently
