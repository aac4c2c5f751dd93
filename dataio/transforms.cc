#include "dataio/transforms.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/stats.h"

namespace rekindle::dataio {
namespace {

// A column whose values differ by less than this part of their size is constant but for rounding.
constexpr double kRelativeScaleMin = 1e-12;

Result<const Column*> number_like(const Table& table, const std::string& name) {
  const Column* column = table.find(name);
  if (column && column->type == v1::BOOL) return column;
  return table.get(name, v1::NUMBER);
}

Result<v1::NumericTransform> fit_number(const Table& training, const std::string& name,
                                        const FitOptions& options) {
  const Column* column = TRY(number_like(training, name));
  v1::NumericTransform out;
  out.set_column(name);
  out.set_scale(1);
  double low = 0, high = 0, total = 0;
  size_t seen = 0;
  for (double value : column->numbers) {
    if (std::isnan(value)) {
      out.set_indicator(true);
      continue;
    }
    if (!std::isfinite(value))
      return invalid_argument(
          fmt::format("column '{}' holds an infinite value; leave it empty when unknown", name));
    low = seen == 0 ? value : std::min(low, value);
    high = seen == 0 ? value : std::max(high, value);
    total += value;
    ++seen;
  }
  if (seen == 0) return out;  // nothing but missing values: always 0, told apart by the indicator
  // A running total of large, nearly equal values (a unix time) loses what tells them apart: a second pass
  // sums what is left around the rough mean and corrects it.
  const auto rows = static_cast<double>(seen);
  const double rough = total / rows;
  double residual = 0, squares = 0;
  for (double value : column->numbers) {
    if (std::isnan(value)) continue;
    residual += value - rough;
    squares += (value - rough) * (value - rough);
  }
  const double shift = residual / rows;
  const double mean = rough + shift;
  const double scale = std::sqrt(std::max(0.0, squares / rows - shift * shift));
  out.set_low(low);
  out.set_high(high);
  out.set_mean(mean);
  if (scale > kRelativeScaleMin * std::max(std::abs(low), std::abs(high))) out.set_scale(scale);
  if (options.clip_share > 0) {
    std::vector<double> values;
    for (double value : column->numbers) {
      if (!std::isnan(value)) values.push_back(value);
    }
    const double clip_low = quantile(values, options.clip_share);
    const double clip_high = quantile(values, 1 - options.clip_share);
    // A column that is rarely anything but one value would lose what it has to say.
    if (clip_low < clip_high) {
      out.set_low(clip_low);
      out.set_high(clip_high);
    }
  }
  return out;
}

Result<v1::CategoricalTransform> fit_category(const Table& training, const std::string& name,
                                              const FitOptions& options) {
  const Column* column = TRY(training.get(name, v1::TEXT));
  std::vector<uint64_t> rows_of_code(column->words.size());
  for (int32_t code : column->codes)
    if (code >= 0) ++rows_of_code[static_cast<size_t>(code)];
  std::unordered_map<std::string_view, uint64_t> rows_of;  // words may repeat
  for (size_t i = 0; i < rows_of_code.size(); ++i)
    if (rows_of_code[i] > 0) rows_of[column->words[i]] += rows_of_code[i];

  std::vector<std::pair<uint64_t, std::string_view>> kept;
  for (const auto& [word, rows] : rows_of)
    if (rows >= options.category_rows_min) kept.emplace_back(rows, word);
  std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (kept.size() > options.categories_max) kept.resize(options.categories_max);
  std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  v1::CategoricalTransform out;
  out.set_column(name);
  for (const auto& [rows, word] : kept) out.add_values(std::string(word));
  return out;
}

}  // namespace

size_t numeric_width(const v1::Transforms& transforms) {
  size_t width = 0;
  for (const auto& number : transforms.numeric()) width += number.indicator() ? 2 : 1;
  return width;
}

std::vector<int64_t> category_counts(const v1::Transforms& transforms) {
  std::vector<int64_t> counts;
  for (const auto& category : transforms.categorical()) counts.push_back(category.values_size() + 1);
  return counts;
}

Result<v1::Transforms> fit(const v1::Data& data, const Table& training, const FitOptions& options) {
  if (training.rows() == 0)
    return failed_precondition("there are no training rows to fit feature transforms on");
  v1::Transforms out;
  for (const std::string& name : data.numeric())
    *out.add_numeric() = TRY(fit_number(training, name, options));
  for (const std::string& name : data.categorical())
    *out.add_categorical() = TRY(fit_category(training, name, options));
  return out;
}

struct Encoder::Impl {
  using Vocabulary = std::unordered_map<std::string_view, int64_t>;  // views into `transforms`
  v1::Transforms transforms;
  size_t numeric_width = 0;
  std::vector<Vocabulary> vocabularies;
};

Encoder::Encoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

const v1::Transforms& Encoder::transforms() const {
  return impl_->transforms;
}

Result<Encoder> Encoder::make(v1::Transforms transforms) {
  auto impl = std::make_unique<Impl>();
  impl->transforms = std::move(transforms);
  impl->numeric_width = dataio::numeric_width(impl->transforms);
  for (const auto& number : impl->transforms.numeric())
    if (!std::isfinite(number.low()) || !std::isfinite(number.high()) || !std::isfinite(number.mean()) ||
        !std::isfinite(number.scale()) || number.scale() <= 0 || number.low() > number.high())
      return invalid_argument(
          fmt::format("the transform of column '{}' is not sound: low {}, high {}, mean {}, "
                      "scale {}",
                      number.column(), number.low(), number.high(), number.mean(), number.scale()));
  for (const auto& category : impl->transforms.categorical()) {
    Impl::Vocabulary vocabulary;
    vocabulary.reserve(static_cast<size_t>(category.values_size()));
    for (int i = 0; i < category.values_size(); ++i)
      if (!vocabulary.try_emplace(category.values(i), i + 1).second)
        return invalid_argument(fmt::format("the transform of column '{}' lists '{}' twice",
                                            category.column(), category.values(i)));
    impl->vocabularies.push_back(std::move(vocabulary));
  }
  return Encoder(std::move(impl));
}

namespace {

void encode_number(const v1::NumericTransform& transform, const Column& column, float* out, size_t width) {
  const double low = transform.low(), high = transform.high(), mean = transform.mean(),
               scale = transform.scale();
  const bool indicator = transform.indicator();
  for (double value : column.numbers) {
    const bool missing = std::isnan(value);
    out[0] = missing ? 0.0f : static_cast<float>((std::clamp(value, low, high) - mean) / scale);
    if (indicator) out[1] = missing ? 1.0f : 0.0f;
    out += width;
  }
}

// A request's table is built from outside input: no column may be longer than the buffers made for it.
Status check_rows(const Column& column, size_t rows) {
  if (column.rows() == rows) return ok_status();
  return invalid_argument(
      fmt::format("column '{}' has {} rows where the others have {}", column.name, column.rows(), rows));
}

int64_t bucket(const std::unordered_map<std::string_view, int64_t>& vocabulary, std::string_view word) {
  const auto found = vocabulary.find(word);
  return found == vocabulary.end() ? 0 : found->second;
}

void encode_category(const std::unordered_map<std::string_view, int64_t>& vocabulary, const Column& column,
                     int64_t* out, size_t width) {
  const size_t rows = column.codes.size();
  if (column.words.size() >= rows) {  // a request: about one word a row, a table of codes would not pay
    for (size_t row = 0; row < rows; ++row)
      out[row * width] = column.codes[row] < 0 ? 0 : bucket(vocabulary, column.text(row));
    return;
  }
  std::vector<int64_t> bucket_of(column.words.size());
  for (size_t i = 0; i < bucket_of.size(); ++i) bucket_of[i] = bucket(vocabulary, column.words[i]);
  for (size_t row = 0; row < rows; ++row)
    out[row * width] = column.codes[row] < 0 ? 0 : bucket_of[static_cast<size_t>(column.codes[row])];
}

}  // namespace

Status Encoder::encode(const Table& table, Encoded& out) const {
  const v1::Transforms& transforms = impl_->transforms;
  out.rows = table.rows();
  out.numeric_width = impl_->numeric_width;
  out.categorical_width = impl_->vocabularies.size();
  out.numeric.resize(out.rows * out.numeric_width);
  out.categorical.resize(out.rows * out.categorical_width);
  size_t at = 0;
  for (const auto& transform : transforms.numeric()) {
    const Column* column = TRY(number_like(table, transform.column()));
    TRY_STATUS(check_rows(*column, out.rows));
    encode_number(transform, *column, out.numeric.data() + at, out.numeric_width);
    at += transform.indicator() ? 2 : 1;
  }
  for (size_t i = 0; i < impl_->vocabularies.size(); ++i) {
    const Column* column = TRY(table.get(transforms.categorical(static_cast<int>(i)).column(), v1::TEXT));
    TRY_STATUS(check_rows(*column, out.rows));
    encode_category(impl_->vocabularies[i], *column, out.categorical.data() + i, out.categorical_width);
  }
  return ok_status();
}

Result<Encoded> apply(const v1::Transforms& transforms, const Table& table) {
  const Encoder encoder = TRY(Encoder::make(transforms));
  Encoded out;
  TRY_STATUS(encoder.encode(table, out));
  return out;
}

void gather(const Encoded& from, std::span<const int64_t> rows, Encoded& out) {
  out.rows = rows.size();
  out.numeric_width = from.numeric_width;
  out.categorical_width = from.categorical_width;
  out.numeric.resize(out.rows * out.numeric_width);
  out.categorical.resize(out.rows * out.categorical_width);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<size_t>(rows[i]);
    std::copy_n(from.numeric.begin() + static_cast<ptrdiff_t>(row * from.numeric_width), from.numeric_width,
                out.numeric.begin() + static_cast<ptrdiff_t>(i * from.numeric_width));
    std::copy_n(from.categorical.begin() + static_cast<ptrdiff_t>(row * from.categorical_width),
                from.categorical_width,
                out.categorical.begin() + static_cast<ptrdiff_t>(i * from.categorical_width));
  }
}

Encoded gather(const Encoded& from, std::span<const int64_t> rows) {
  Encoded out;
  gather(from, rows, out);
  return out;
}

void gather(std::span<const double> from, std::span<const int64_t> rows, AlignedVector<float>& out) {
  out.resize(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) out[i] = static_cast<float>(from[static_cast<size_t>(rows[i])]);
}

Encoded slice(const Encoded& from, size_t begin, size_t end) {
  CHECK(begin <= end && end <= from.rows, "a slice lies within its rows");
  Encoded out;
  out.rows = end - begin;
  out.numeric_width = from.numeric_width;
  out.categorical_width = from.categorical_width;
  const auto number = [&](size_t row) {
    return from.numeric.begin() + static_cast<ptrdiff_t>(row * from.numeric_width);
  };
  const auto category = [&](size_t row) {
    return from.categorical.begin() + static_cast<ptrdiff_t>(row * from.categorical_width);
  };
  out.numeric.assign(number(begin), number(end));
  out.categorical.assign(category(begin), category(end));
  return out;
}

}  // namespace rekindle::dataio
