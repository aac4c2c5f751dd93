#include "cli/rows/replay/infer.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "base/base64.h"

namespace rekindle::cli::replay {
namespace {

namespace json = boost::json;

// `width`: of the second axis; 0: there is none. `more`: further members of the object.
void begin_tensor(std::string& out, std::string_view name, std::string_view datatype, size_t rows,
                  size_t width = 0, std::string_view more = {}) {
  const std::string shape = width > 0 ? fmt::format("{},{}", rows, width) : fmt::format("{}", rows);
  fmt::format_to(std::back_inserter(out), R"({}{{"name":{},"datatype":"{}",{}"shape":[{}],"data":[)",
                 out.back() == '[' ? "" : ",", json::serialize(json::string(name)), datatype, more, shape);
}

void end_tensor(std::string& out) {
  if (out.back() == ',') out.pop_back();
  out += "]}";
}

void add_numbers(std::string& out, const dataio::Column& column, std::span<const uint32_t> rows) {
  begin_tensor(out, column.name, "FP64", rows.size());
  for (const uint32_t row : rows) {
    const double value = column.numbers[row];
    if (std::isfinite(value))
      fmt::format_to(std::back_inserter(out), "{},",
                     value);  // shortest form that reads back to the same bits
    else
      out += "null,";
  }
  end_tensor(out);
}

void add_texts(std::string& out, const dataio::Column& column, std::span<const uint32_t> rows) {
  begin_tensor(out, column.name, "BYTES", rows.size());
  for (const uint32_t row : rows) {
    if (column.missing(row))
      out += "null,";
    else
      out += json::serialize(json::string(column.text(row))) + ",";
  }
  end_tensor(out);
}

void add_blobs(std::string& out, const dataio::Column& column, std::span<const uint32_t> rows) {
  begin_tensor(out, column.name, "BYTES", rows.size(), 0, R"("parameters":{"content_type":"base64"},)");
  for (const uint32_t row : rows) {
    if (column.missing(row))
      out += "null,";
    else
      out += '"' + base64_encode(*column.blobs[row]) + "\",";
  }
  end_tensor(out);
}

// Rows shorter than the longest end in -1.
void add_tokens(std::string& out, const dataio::Column& column, std::span<const uint32_t> rows) {
  size_t width = 1;
  for (const uint32_t row : rows)
    if (!column.missing(row)) width = std::max(width, column.lists[row]->size());
  begin_tensor(out, column.name, "INT32", rows.size(), width);
  for (const uint32_t row : rows) {
    const size_t size = column.missing(row) ? 0 : column.lists[row]->size();
    for (size_t i = 0; i < width; ++i)
      fmt::format_to(std::back_inserter(out), "{},", i < size ? (*column.lists[row])[i] : -1);
  }
  end_tensor(out);
}

void add_times(std::string& out, const dataio::Column& column, std::span<const uint32_t> rows) {
  begin_tensor(out, column.name, "INT64", rows.size());
  for (const uint32_t row : rows) fmt::format_to(std::back_inserter(out), "{},", column.times[row]);
  end_tensor(out);
}

bool read_version(const json::value* value, uint64_t& version) {
  if (value == nullptr || !value->is_string()) return false;
  const json::string& text = value->get_string();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string infer_body(const dataio::Table& table, const v1::Data& data, std::span<const uint32_t> rows,
                       std::string_view id, bool record) {
  std::string out = fmt::format(R"({{"id":{},{}"inputs":[)", json::serialize(json::string(id)),
                                record ? "" : R"("parameters":{"rekindle_record":false},)");
  add_times(out, *table.find(data.time()), rows);
  for (const std::string& name : data.numeric()) add_numbers(out, *table.find(name), rows);
  for (const std::string& name : data.categorical()) add_texts(out, *table.find(name), rows);
  if (!data.image().empty()) add_blobs(out, *table.find(data.image()), rows);
  if (!data.tokens().empty()) add_tokens(out, *table.find(data.tokens()), rows);
  return out + "]}";
}

Result<Answer> read_answer(std::string_view body, size_t rows, const dataio::LabelRule& rule) {
  const Status bad =
      data_loss(fmt::format("the node's answer is not one {} for each of {} rows: {}",
                            rule.regression() ? "value" : "probability a class", rows, body.substr(0, 200)));
  boost::system::error_code error;
  const json::value document = json::parse({body.data(), body.size()}, error);
  if (error || !document.is_object()) return bad;
  const json::object& object = document.get_object();
  Answer answer;
  if (!read_version(object.if_contains("model_version"), answer.version)) return bad;
  const json::value* outputs = object.if_contains("outputs");
  if (!outputs || !outputs->is_array() || outputs->get_array().empty() ||
      !outputs->get_array()[0].is_object())
    return bad;
  const json::value* values = outputs->get_array()[0].get_object().if_contains("data");
  if (!values || !values->is_array() || rows == 0) return bad;
  const json::array& given = values->get_array();
  const size_t width = given.size() / rows;
  if (given.size() % rows != 0 || width == 0 || width > rule.outputs()) return bad;
  answer.values.assign(rows * rule.outputs(), 0.0);
  for (size_t i = 0; i < given.size(); ++i) {
    if (!given[i].is_number()) return bad;
    const double value = given[i].to_number<double>();
    if (rule.regression() ? !std::isfinite(value) : !(value >= 0 && value <= 1)) return bad;
    answer.values[i / width * rule.outputs() + i % width] = value;
  }
  return answer;
}

std::string error_words(std::string_view body) {
  boost::system::error_code error;
  const json::value document = json::parse({body.data(), body.size()}, error);
  if (!error && document.is_object())
    if (const json::value* words = document.get_object().if_contains("error"); words && words->is_string())
      return std::string(words->get_string().c_str());
  return std::string(body.substr(0, 200));
}

}  // namespace rekindle::cli::replay
