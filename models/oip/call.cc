#include "models/oip/call.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>

#include "base/base64.h"
#include "models/oip/exact_json.h"
#include "models/oip/infer.h"

namespace rekindle::models {

namespace json = boost::json;

namespace {

constexpr size_t kDepthMax = 16;
constexpr size_t kErrorBytesMax = 500;
constexpr size_t kPartBytes = 4 << 20;  // of images and tokens in one request, and one row more
constexpr size_t kTokenBytes = 6;

void add_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "null";
    return;
  }
  if (std::isinf(value)) value = std::copysign(std::numeric_limits<double>::max(), value);
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, static_cast<size_t>(end - digits));
}

void add_value(std::string& out, const dataio::Column& column, size_t row) {
  if (column.missing(row)) {
    out += "null";
    return;
  }
  switch (column.type) {
    case v1::TEXT:
      out += json::serialize(json::string_view(column.text(row)));
      break;
    case v1::BYTES:
      out += '"';
      out += base64_encode(*column.blobs[row]);
      out += '"';
      break;
    case v1::TIMESTAMP:
      out += std::to_string(column.times[row]);
      break;
    case v1::BOOL:
      out += column.numbers[row] != 0 ? "true" : "false";
      break;
    default:
      add_number(out, column.numbers[row]);
  }
}

void add_tokens(std::string& out, const dataio::Column& column, size_t begin, size_t end) {
  size_t width = 1;
  for (size_t row = begin; row < end; ++row)
    if (column.lists[row]) width = std::max(width, column.lists[row]->size());
  out += fmt::format(R"("INT64","shape":[{},{}],"data":[)", end - begin, width);
  for (size_t row = begin; row < end; ++row)
    for (size_t i = 0; i < width; ++i) {
      if (row > begin || i > 0) out += ',';
      const bool there = column.lists[row] && i < column.lists[row]->size();
      out += there ? std::to_string((*column.lists[row])[i]) : "-1";
    }
}

Status bad(std::string what) {
  return internal_error("the predictor's answer is unsound: " + std::move(what));
}

// Flat, or nested row by row.
Status add_values(const json::array& data, std::vector<double>& values, size_t values_max, int depth = 0) {
  for (const json::value& value : data) {
    if (value.is_array() && depth < 2) {
      TRY_STATUS(add_values(value.get_array(), values, values_max, depth + 1));
      continue;
    }
    if (!value.is_number())
      return bad(
          fmt::format("value {} is {}, not a number", values.size(), json::serialize(value).substr(0, 40)));
    values.push_back(value.to_number<double>());
    if (!std::isfinite(values.back())) return bad(fmt::format("value {} is not finite", values.size() - 1));
    if (values.size() > values_max) return bad(fmt::format("more than the {} values asked for", values_max));
  }
  return ok_status();
}

}  // namespace

Result<std::vector<const dataio::Column*>> find_inputs(const v1::ModelCard& card, const dataio::Table& rows) {
  std::vector<const dataio::Column*> out;
  for (const v1::Column& input : card.inputs()) {
    if (input.name() == card.time_column() && rows.find(input.name()) == nullptr) continue;
    out.push_back(TRY(rows.get(input.name(), input.type())));
  }
  if (out.empty()) return invalid_argument("the model card names no inputs");
  return out;
}

size_t part_end(const std::vector<const dataio::Column*>& inputs, size_t begin, size_t rows_max) {
  const size_t rows = inputs.empty() ? 0 : inputs.front()->rows();
  const size_t most = std::min(rows, begin + rows_max);
  size_t bytes = 0, end = begin;
  while (end < most && bytes < kPartBytes) {
    for (const dataio::Column* column : inputs) {
      if (column->type == v1::BYTES && column->blobs[end]) bytes += column->blobs[end]->size() * 4 / 3;
      if (column->type == v1::TOKENS && column->lists[end]) bytes += column->lists[end]->size() * kTokenBytes;
    }
    ++end;
  }
  return end;
}

std::string to_request(const std::vector<const dataio::Column*>& inputs, size_t begin, size_t end) {
  std::string out;
  out.reserve(64 + inputs.size() * (80 + (end - begin) * 12));
  out += R"({"inputs":[)";
  for (const dataio::Column* column : inputs) {
    if (column != inputs.front()) out += ',';
    out += R"({"name":)";
    out += json::serialize(json::string_view(column->name));
    out += ",\"datatype\":";
    if (column->type == v1::TOKENS) {
      add_tokens(out, *column, begin, end);
    } else {
      out += fmt::format(R"("{}","shape":[{}],"data":[)", datatype_of(column->type), end - begin);
      for (size_t row = begin; row < end; ++row) {
        if (row > begin) out += ',';
        add_value(out, *column, row);
      }
    }
    out += "]}";
  }
  out += "]}";
  return out;
}

Result<std::vector<double>> read_answer(std::string_view body, size_t rows, size_t width) {
  const auto parsed = parse_exact(body, kDepthMax, {});
  if (!parsed.ok()) return bad(parsed.status().message());
  const json::value* outputs = parsed->is_object() ? parsed->get_object().if_contains("outputs") : nullptr;
  if (outputs == nullptr || !outputs->is_array() || outputs->get_array().empty())
    return bad("it has no 'outputs'");
  const json::value& first = outputs->get_array().front();
  const json::value* data = first.is_object() ? first.get_object().if_contains("data") : nullptr;
  if (data == nullptr || !data->is_array()) return bad("its first output has no 'data'");
  std::vector<double> values;
  values.reserve(rows * width);
  TRY_STATUS(add_values(data->get_array(), values, rows * width));
  if (values.size() != rows * width)
    return bad(fmt::format("{} values for {} rows of {}", values.size(), rows, width));
  return values;
}

std::string error_text(std::string_view body) {
  const auto parsed = parse_exact(body.substr(0, 64 * 1024), kDepthMax, {});
  if (parsed.ok() && parsed->is_object()) {
    const json::value* error = parsed->get_object().if_contains("error");
    if (error != nullptr && error->is_string())
      return std::string(error->get_string()).substr(0, kErrorBytesMax);
  }
  return std::string(body.substr(0, kErrorBytesMax));
}

}  // namespace rekindle::models
