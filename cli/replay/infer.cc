#include "cli/replay/infer.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <charconv>
#include <cmath>

namespace rekindle::cli::replay {
namespace {

namespace json = boost::json;

void begin_tensor(std::string& out, std::string_view name, std::string_view datatype, size_t rows) {
  fmt::format_to(std::back_inserter(out), R"({}{{"name":{},"datatype":"{}","shape":[{}],"data":[)",
                 out.back() == '[' ? "" : ",", json::serialize(json::string(name)), datatype, rows);
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
  return out + "]}";
}

Result<Answer> read_answer(std::string_view body, size_t rows) {
  const Status bad = data_loss(fmt::format("the node's answer is not one probability for each of {} rows: {}",
                                           rows, body.substr(0, 200)));
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
  if (!values || !values->is_array() || values->get_array().size() != rows) return bad;
  for (const json::value& value : values->get_array()) {
    if (!value.is_number()) return bad;
    const double probability = value.to_number<double>();
    if (!(probability >= 0 && probability <= 1)) return bad;
    answer.probabilities.push_back(probability);
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
