#include "trainer/trainable.h"

#include <fmt/format.h>

namespace rekindle::trainer {
namespace {

template <typename Values>
bool varies(const Values& values, size_t rows, size_t width, size_t column) {
  for (size_t r = 1; r < rows; ++r) {
    if (values[r * width + column] != values[column]) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> constant_columns(const dataio::Encoded& rows, const v1::Transforms& transforms) {
  std::vector<std::string> out;
  size_t at = 0;
  for (const auto& n : transforms.numeric()) {
    bool any = false;
    for (size_t end = at + (n.indicator() ? 2 : 1); at < end; ++at)
      any |= varies(rows.numeric, rows.rows, rows.numeric_width, at);
    if (!any) out.push_back(n.column());
  }
  for (int c = 0; c < transforms.categorical_size(); ++c) {
    if (!varies(rows.categorical, rows.rows, rows.categorical_width, static_cast<size_t>(c)))
      out.push_back(transforms.categorical(c).column());
  }
  return out;
}

Status trainable(const dataio::Encoded& rows, size_t row_count, const v1::Transforms& transforms, int ranks) {
  if (row_count < static_cast<size_t>(ranks)) {
    return failed_precondition(
        fmt::format("{} training rows for {} ranks: name more data, widen train.rows, or take fewer ranks",
                    row_count, ranks));
  }
  const auto columns = static_cast<size_t>(transforms.numeric_size() + transforms.categorical_size());
  if (columns > 0 && rows.rows > 0 && constant_columns(rows, transforms).size() == columns) {
    return failed_precondition(fmt::format(
        "no feature column varies over the {} training rows: there is nothing to learn from; look at how the "
        "rows were made, or name other columns in data.numeric and data.categorical",
        row_count));
  }
  return {};
}

}  // namespace rekindle::trainer
