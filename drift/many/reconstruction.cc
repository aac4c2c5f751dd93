#include "drift/many/reconstruction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "drift/compat/histogram.h"

namespace rekindle::drift {

namespace {

constexpr double kVarianceKept = 0.65;

Status check_table(const Table& table) {
  if (table.empty() || table.front().size() == 0)
    return invalid_argument("a reconstruction needs a column and a row");
  for (size_t i = 0; i < table.size(); ++i) {
    if (table[i].size() != table.front().size())
      return invalid_argument(
          fmt::format("column {} has {} rows, the first has {}", i, table[i].size(), table.front().size()));
    if (std::ranges::any_of(table[i].numbers, [](double x) { return std::isinf(x); }))
      return invalid_argument(fmt::format("column {} holds an infinite value", i));
  }
  return ok_status();
}

}  // namespace

Result<Reconstruction::Encoding> Reconstruction::learn(const Column& column) {
  Encoding out;
  out.categorical = column.categorical();
  std::vector<double> values;
  if (out.categorical) {
    std::map<int32_t, double> counts;
    for (const int32_t category : column.categories)
      if (category >= 0) ++counts[category];
    if (counts.empty()) return invalid_argument("a column of the reference has no value");
    const auto most = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
    for (const int32_t category : column.categories) most->second += category < 0;
    for (const auto& [category, count] : counts)
      out.shares[category] = count / static_cast<double>(column.size());
    out.fill = out.shares.at(most->first);
  } else {
    for (const double value : column.numbers)
      if (!std::isnan(value)) values.push_back(value);
    if (values.empty()) return invalid_argument("a column of the reference has no value");
    out.fill = numpy::mean(values);
  }
  values.clear();
  for (size_t row = 0; row < column.size(); ++row) values.push_back(encoded(out, column, row));
  out.mean = numpy::mean(values);
  const double spread = numpy::spread(values), n = static_cast<double>(values.size());
  // A column of one value is left as it is; what rounding makes of its spread is no scale.
  constexpr double kEps = std::numeric_limits<double>::epsilon();
  const double rounding = n * kEps * spread * spread + std::pow(n * out.mean * kEps, 2);
  out.scale = spread * spread <= rounding ? 1 : spread;
  return out;
}

double Reconstruction::encoded(const Encoding& encoding, const Column& column, size_t row) {
  if (!encoding.categorical) return std::isnan(column.numbers[row]) ? encoding.fill : column.numbers[row];
  const int32_t category = column.categories[row];
  if (category < 0) return encoding.fill;
  const auto share = encoding.shares.find(category);
  return share == encoding.shares.end() ? 0 : share->second;
}

std::vector<double> Reconstruction::standardised(const Table& table) const {
  const size_t rows = table.front().size();
  std::vector<double> out(rows * table.size());
  for (size_t row = 0; row < rows; ++row)
    for (size_t k = 0; k < table.size(); ++k) {
      const Encoding& by = encodings_[k];
      out[row * table.size() + k] = (encoded(by, table[k], row) - by.mean) / by.scale;
    }
  return out;
}

Result<Reconstruction> Reconstruction::fit(const Table& reference, size_t chunk_rows) {
  TRY_STATUS(check_table(reference));
  const size_t rows = reference.front().size();
  if (rows < 2 || chunk_rows == 0)
    return invalid_argument(
        "a reconstruction is learned from two rows or more, judged in chunks of at least one");
  Reconstruction out;
  for (const Column& column : reference) out.encodings_.push_back(TRY(learn(column)));
  const std::vector<double> values = out.standardised(reference);
  const Rows all{values, reference.size()};
  out.pca_ = Pca::fit(all, kVarianceKept);
  std::vector<double> chunks;
  for (const auto& [from, until] : nannyml::chunks_of(rows, chunk_rows)) {
    std::vector<double> residuals;
    for (size_t row = from; row < until; ++row) residuals.push_back(out.pca_.residual(all[row]));
    chunks.push_back(numpy::mean(residuals));
  }
  out.limits_ = nannyml::limits_of(chunks, {});
  // A distance is never below zero, so a limit there or lower says nothing.
  if (*out.limits_.lower <= 0) out.limits_.lower.reset();
  return out;
}

Result<ReconstructionError> Reconstruction::score(const Table& live) const {
  TRY_STATUS(check_table(live));
  if (live.size() != encodings_.size())
    return invalid_argument(fmt::format("{} columns, the reference had {}", live.size(), encodings_.size()));
  for (size_t k = 0; k < live.size(); ++k)
    if (live[k].categorical() != encodings_[k].categorical)
      return invalid_argument(fmt::format("column {} is of another kind than in the reference", k));
  const std::vector<double> values = standardised(live);
  const Rows rows{values, live.size()};
  std::vector<double> residuals;
  for (size_t row = 0; row < rows.size(); ++row) residuals.push_back(pca_.residual(rows[row]));
  const auto n = static_cast<double>(residuals.size());
  ReconstructionError out{numpy::mean(residuals), 0};
  out.standard_error = n > 1 ? numpy::spread(residuals) * std::sqrt(n / (n - 1)) / std::sqrt(n)
                             : std::numeric_limits<double>::quiet_NaN();
  return out;
}

}  // namespace rekindle::drift
