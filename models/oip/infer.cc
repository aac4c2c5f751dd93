#include "models/oip/infer.h"

#include <fmt/format.h>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>

#include "dataio/labels.h"
#include "models/oip/exact_json.h"
#include "models/oip/tensor.h"

namespace rekindle::models {

namespace json = boost::json;

struct InferBody::Document {
  json::monotonic_resource memory;
  json::value root =
      json::value(json::storage_ptr(&memory));  // of the same memory as what is parsed: a move, not a copy

  Status parse(std::string_view body);
};

InferBody::InferBody(std::unique_ptr<Document> document) : document_(std::move(document)) {}
InferBody::InferBody(InferBody&&) noexcept = default;
InferBody& InferBody::operator=(InferBody&&) noexcept = default;
InferBody::~InferBody() = default;

namespace {

// parameters.rekindle_record; true when absent.
Result<bool> read_record(const json::object& root) {
  const json::value* parameters = root.if_contains("parameters");
  if (parameters == nullptr) return true;
  if (!parameters->is_object()) return invalid_argument("'parameters' must be an object");
  const json::value* record = parameters->get_object().if_contains("rekindle_record");
  if (record == nullptr) return true;
  if (!record->is_bool()) return invalid_argument("parameter 'rekindle_record' must be true or false");
  return record->get_bool();
}

// The answer holds one tensor: a list that asks for another is a mistake of the client.
Status check_outputs(const json::object& root, std::string_view output) {
  const json::value* outputs = root.if_contains("outputs");
  if (outputs == nullptr) return ok_status();
  if (!outputs->is_array()) return invalid_argument("'outputs' must be an array of {\"name\": ...}");
  for (const json::value& one : outputs->get_array()) {
    const json::value* name = one.is_object() ? one.get_object().if_contains("name") : nullptr;
    if (name == nullptr || !name->is_string())
      return invalid_argument("every item of 'outputs' needs a 'name'");
    if (std::string_view(name->get_string()) != output)
      return invalid_argument(fmt::format("unknown output '{}'; the model has '{}'",
                                          std::string_view(name->get_string()), output));
  }
  return ok_status();
}

const v1::Column* find_input(const v1::ModelCard& card, std::string_view name) {
  for (const v1::Column& column : card.inputs())
    if (column.name() == name) return &column;
  return nullptr;
}

std::string join_inputs(const v1::ModelCard& card) {
  std::string names;
  for (const v1::Column& column : card.inputs()) names += (names.empty() ? "" : ", ") + column.name();
  return names;
}

// The event times: given, or now for every row; the least is the request's.
Status settle_time(const v1::ModelCard& card, const InferLimits& limits, Time now, size_t rows,
                   dataio::Column* column, int64_t& least) {
  least = to_micros(now);
  if (column == nullptr) return ok_status();
  if (column->times.empty()) column->times.assign(rows, to_micros(now));
  const Time latest = now + limits.ahead_max;
  for (size_t row = 0; row < column->times.size(); ++row) {
    const int64_t time = column->times[row];
    if (time == dataio::kMissingTime)
      return invalid_argument(
          fmt::format("input '{}', row {}: the event time is missing; leave the whole input out "
                      "to have the node's clock",
                      card.time_column(), row));
    if (time > to_micros(latest))
      return invalid_argument(
          fmt::format("input '{}', row {}: {} is more than a day ahead of this node's clock ({}); "
                      "event times are microseconds since 1970, UTC",
                      card.time_column(), row, time, format_time(now)));
    least = row == 0 ? time : std::min(least, time);
  }
  return ok_status();
}

}  // namespace

Status InferBody::Document::parse(std::string_view body) {
  constexpr size_t kDepthMax = 16;
  root = TRY(parse_exact(body, kDepthMax, &memory));
  if (!root.is_object()) return invalid_argument("the body must be a JSON object with 'inputs'");
  return ok_status();
}

Status check_request_id(std::string_view id) {
  if (id.empty() || id.size() > kRequestIdBytesMax)
    return invalid_argument(
        fmt::format("the request id must have 1 to {} bytes, not {}", kRequestIdBytesMax, id.size()));
  for (const char c : id)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return invalid_argument("the request id holds a control character");
  return ok_status();
}

Result<InferBody> InferBody::parse(std::string_view body) {
  auto document = std::make_unique<Document>();
  TRY_STATUS(document->parse(body));
  const json::object& root = document->root.get_object();
  InferBody out(std::move(document));
  if (const json::value* id = root.if_contains("id"); id != nullptr) {
    if (!id->is_string()) return invalid_argument("'id' must be a string");
    out.id_ = std::string(id->get_string());
    // An empty id is what some clients send for none.
    if (!out.id_.empty()) TRY_STATUS(check_request_id(out.id_));
  }
  out.record_ = TRY(read_record(root));
  return out;
}

Result<InferRequest> InferBody::read(const v1::ModelCard& card, const InferLimits& limits, Time now) const {
  const json::object& root = document_->root.get_object();
  TRY_STATUS(check_outputs(root, card.output()));
  const json::value* inputs = root.if_contains("inputs");
  if (inputs == nullptr || !inputs->is_array() || inputs->get_array().empty())
    return invalid_argument("'inputs' must be an array with one tensor for each of: " + join_inputs(card));

  InferRequest request;
  request.rows.columns.reserve(static_cast<size_t>(card.inputs_size()));
  for (const v1::Column& input : card.inputs()) {
    dataio::Column& column = request.rows.columns.emplace_back();
    column.name = input.name();
    column.type = input.type();
  }
  std::vector<bool> given(request.rows.columns.size());
  size_t rows = 0;
  for (const json::value& item : inputs->get_array()) {
    const TensorHead head = TRY(read_tensor_head(item));
    const v1::Column* input = find_input(card, head.name);
    if (input == nullptr)
      return invalid_argument(
          fmt::format("unknown input '{}'; the model takes: {}", head.name, join_inputs(card)));
    dataio::Column& column = *request.rows.find(head.name);
    const auto at = static_cast<size_t>(&column - request.rows.columns.data());
    if (given[at]) return invalid_argument(fmt::format("input '{}' is given twice", head.name));
    given[at] = true;
    if (rows == 0 && head.rows > limits.rows_max)
      return invalid_argument(
          fmt::format("{} rows are too many for one request: send at most {}", head.rows, limits.rows_max));
    if (rows != 0 && head.rows != rows)
      return invalid_argument(fmt::format("input '{}' has {} rows where the inputs before it have {}",
                                          head.name, head.rows, rows));
    rows = head.rows;
    TRY_STATUS(read_tensor(head, limits.text_bytes_max, column));
  }
  std::string missing;
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string& name = request.rows.columns[i].name;
    if (!given[i] && name != card.time_column()) missing += (missing.empty() ? "" : ", ") + name;
  }
  if (!missing.empty())
    return invalid_argument(
        fmt::format("inputs are missing: {}. A value that is not known is a null in its tensor", missing));
  TRY_STATUS(settle_time(card, limits, now, rows, request.rows.find(card.time_column()), request.event_us));
  return request;
}

std::string to_json(const InferAnswer& answer) {
  std::string out;
  out.reserve(160 + answer.values->size() * 22);
  out += "{\"model_name\":";
  out += json::serialize(json::string_view(answer.model));
  out += fmt::format(",\"model_version\":\"{}\",\"id\":", answer.version);
  out += json::serialize(json::string_view(answer.id));
  out += ",\"outputs\":[{\"name\":";
  out += json::serialize(json::string_view(answer.output));
  const std::string shape = answer.width == 0
                                ? fmt::format("{}", answer.values->size())
                                : fmt::format("{},{}", answer.values->size() / answer.width, answer.width);
  out += fmt::format(",\"datatype\":\"FP64\",\"shape\":[{}],\"data\":[", shape);
  char digits[32];
  for (size_t i = 0; i < answer.values->size(); ++i) {
    if (i > 0) out += ',';
    const auto end = std::to_chars(digits, digits + sizeof digits, (*answer.values)[i]).ptr;
    out.append(digits, static_cast<size_t>(end - digits));
  }
  out += "]}]}";
  return out;
}

std::string_view datatype_of(v1::ColumnType type) {
  switch (type) {
    case v1::TEXT:
    case v1::BYTES:
      return "BYTES";
    case v1::TOKENS:
      return "INT32";
    case v1::TIMESTAMP:
      return "INT64";
    case v1::BOOL:
      return "BOOL";
    default:
      return "FP64";
  }
}

namespace {

json::object input_metadata(const v1::Column& input) {
  json::object out = {{"name", input.name()}, {"datatype", datatype_of(input.type())}, {"shape", {-1}}};
  if (input.type() == v1::TOKENS) out["shape"] = {-1, -1};
  if (input.type() == v1::BYTES) out["parameters"] = {{"content_type", "base64"}};
  return out;
}

}  // namespace

std::string metadata_json(const v1::ModelCard& card, const std::vector<uint64_t>& versions) {
  json::object out;
  out["name"] = card.model();
  json::array numbers;
  for (const uint64_t version : versions) numbers.emplace_back(std::to_string(version));
  out["versions"] = std::move(numbers);
  out["platform"] = "rekindle";
  json::array inputs;
  for (const v1::Column& input : card.inputs()) inputs.push_back(input_metadata(input));
  out["inputs"] = std::move(inputs);
  json::object output{{"name", card.output()}, {"datatype", "FP64"}, {"shape", {-1}}};
  const dataio::LabelRule rule(card.label());
  if (rule.wide()) {
    output["shape"] = {-1, rule.outputs()};
    // Their names, in the order of the numbers of a row.
    output["classes"] = json::array(card.label().classes().begin(), card.label().classes().end());
  }
  out["outputs"] = json::array{std::move(output)};
  return json::serialize(out);
}

}  // namespace rekindle::models
