#include "models/oip/tensor.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <cmath>
#include <limits>

#include "base/base64.h"

namespace rekindle::models {

namespace json = boost::json;

namespace {

constexpr int64_t kSideMax = int64_t{1} << 31;
constexpr double kExactIntegerMax = 9007199254740992.0;  // 2^53
// An event of before 1971 is a time in seconds or milliseconds, taken for microseconds.
constexpr int64_t kEarliestUs = 31'536'000'000'000;

std::string_view kind_word(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

Status wrong(const TensorHead& head, size_t row, std::string_view what) {
  return invalid_argument(fmt::format("input '{}', row {}: {}", head.name, row, what));
}

Status wrong_kind(const TensorHead& head, size_t row, const json::value& value) {
  return wrong(head, row, fmt::format("{} is no {}", kind_word(value), head.datatype));
}

// The value of a row, whether `data` is flat or nested.
const json::value& cell(const TensorHead& head, size_t row) {
  const json::value& value = (*head.data)[row];
  return value.is_array() && value.get_array().size() == 1 ? value.get_array().front() : value;
}

Status read_numbers(const TensorHead& head, dataio::Column& column) {
  const bool whole = head.datatype == "INT64";
  for (size_t row = 0; row < head.rows; ++row) {
    const json::value& value = cell(head, row);
    double number = dataio::kMissingNumber;
    if (const double* real = value.if_double()) {
      number = *real;
      if (!std::isfinite(number)) return wrong(head, row, "the number is too large");
      if (whole && number != std::trunc(number))
        return wrong(head, row, fmt::format("{} is no INT64", number));
    } else if (const int64_t* integer = value.if_int64()) {
      number = static_cast<double>(*integer);
    } else if (const uint64_t* natural = value.if_uint64()) {
      number = static_cast<double>(*natural);
    } else if (!value.is_null()) {
      return wrong_kind(head, row, value);
    }
    column.numbers.push_back(number);
  }
  return ok_status();
}

Status read_times(const TensorHead& head, dataio::Column& column) {
  for (size_t row = 0; row < head.rows; ++row) {
    const json::value& value = cell(head, row);
    if (value.is_null()) {
      column.add_missing();
    } else if (const int64_t* integer = value.if_int64(); integer != nullptr && *integer >= kEarliestUs) {
      column.add_time(*integer);
    } else if (const double* real = value.if_double(); real != nullptr && *real >= kEarliestUs &&
                                                       *real <= kExactIntegerMax &&
                                                       *real == std::trunc(*real)) {
      column.add_time(static_cast<int64_t>(*real));  // some clients write large integers as 1.35e15
    } else if (value.is_number()) {
      return wrong(head, row, "a time is a whole number of microseconds since 1970, UTC, and after 1971");
    } else {
      return wrong_kind(head, row, value);
    }
  }
  return ok_status();
}

Status read_bools(const TensorHead& head, dataio::Column& column) {
  for (size_t row = 0; row < head.rows; ++row) {
    const json::value& value = cell(head, row);
    if (!value.is_bool() && !value.is_null()) return wrong_kind(head, row, value);
    column.numbers.push_back(value.is_null() ? dataio::kMissingNumber : value.get_bool() ? 1.0 : 0.0);
  }
  return ok_status();
}

// Hands each row's string to `take(row, string)`; null is a missing value.
template <typename Take>
Status each_string(const TensorHead& head, dataio::Column& column, const Take& take) {
  for (size_t row = 0; row < head.rows; ++row) {
    const json::value& value = cell(head, row);
    if (value.is_null()) {
      column.add_missing();
    } else if (!value.is_string()) {
      return wrong_kind(head, row, value);
    } else {
      TRY_STATUS(take(row, value.get_string()));
    }
  }
  return ok_status();
}

Status read_texts(const TensorHead& head, size_t text_bytes_max, dataio::Column& column) {
  return each_string(head, column, [&](size_t row, const json::string& text) -> Status {
    if (text.size() > text_bytes_max)
      return wrong(head, row,
                   fmt::format("a text of {} bytes; at most {} are taken", text.size(), text_bytes_max));
    column.add_text(text);
    return ok_status();
  });
}

// Images: a JSON string is UTF-8, so bytes travel as base64, as MLServer's clients write them.
Status read_blobs(const TensorHead& head, dataio::Column& column) {
  if (!head.content_type.empty() && head.content_type != "base64")
    return invalid_argument(fmt::format("input '{}' has the content type '{}'; bytes are sent as base64",
                                        head.name, head.content_type));
  return each_string(head, column, [&](size_t row, const json::string& text) -> Status {
    // Four characters are three bytes: what is too long is not decoded first.
    if (text.size() / 4 > dataio::kBlobBytesMax / 3 + 1)
      return wrong(head, row, fmt::format("more than {} bytes", dataio::kBlobBytesMax));
    Result<std::string> bytes = base64_decode(text);
    if (!bytes.ok()) return wrong(head, row, bytes.status().message());
    if (bytes->size() > dataio::kBlobBytesMax)
      return wrong(head, row, fmt::format("more than {} bytes", dataio::kBlobBytesMax));
    column.add_blob(*std::move(bytes));
    return ok_status();
  });
}

// A row ends where its -1 begin; one of nothing but -1 has no tokens.
Status read_tokens(const TensorHead& head, dataio::Column& column) {
  if (head.width > dataio::kTokensMax)
    return invalid_argument(fmt::format("input '{}' has rows of {} tokens; at most {} are taken", head.name,
                                        head.width, dataio::kTokensMax));
  const bool nested = head.data->size() == head.rows && head.data->front().is_array();
  if (!nested && head.data->size() != head.rows * head.width)
    return invalid_argument(fmt::format("input '{}': 'data' has {} values where 'shape' says {}", head.name,
                                        head.data->size(), head.rows * head.width));
  for (size_t row = 0; row < head.rows; ++row) {
    if (nested && (!(*head.data)[row].is_array() || (*head.data)[row].get_array().size() != head.width))
      return wrong(head, row, fmt::format("a list of {} tokens is needed", head.width));
    std::vector<int32_t> tokens;
    bool ended = false;
    for (size_t i = 0; i < head.width; ++i) {
      const json::value& value =
          nested ? (*head.data)[row].get_array()[i] : (*head.data)[row * head.width + i];
      const int64_t* token = value.if_int64();
      if (token == nullptr || *token < -1 || *token > std::numeric_limits<int32_t>::max())
        return wrong(head, row, "tokens are whole numbers from 0, and -1 after a row's last");
      if (ended && *token >= 0) return wrong(head, row, "a token follows a -1, which ends a row");
      ended = *token < 0;
      if (!ended) tokens.push_back(static_cast<int32_t>(*token));
    }
    column.add_list(std::move(tokens));
  }
  return ok_status();
}

Status wrong_datatype(const TensorHead& head, std::string_view wanted) {
  return invalid_argument(
      fmt::format("input '{}' has datatype {}; the model takes {}", head.name, head.datatype, wanted));
}

Result<std::string_view> read_word(const json::object& tensor, std::string_view key) {
  const json::value* value = tensor.if_contains(key);
  if (value == nullptr || !value->is_string())
    return invalid_argument(fmt::format("every input needs a '{}'", key));
  return std::string_view(value->get_string());
}

Result<std::string_view> read_content_type(const json::object& tensor, std::string_view name) {
  const json::value* parameters = tensor.if_contains("parameters");
  if (parameters == nullptr || !parameters->is_object()) return std::string_view();
  const json::value* type = parameters->get_object().if_contains("content_type");
  if (type == nullptr) return std::string_view();
  if (!type->is_string())
    return invalid_argument(fmt::format("input '{}': parameter 'content_type' must be a string", name));
  return std::string_view(type->get_string());
}

}  // namespace

Result<TensorHead> read_tensor_head(const json::value& tensor) {
  if (!tensor.is_object())
    return invalid_argument("every input must be an object with name, shape, datatype and data");
  const json::object& object = tensor.get_object();
  TensorHead head;
  head.name = TRY(read_word(object, "name"));
  head.datatype = TRY(read_word(object, "datatype"));
  const auto of = [&head](std::string_view what) {
    return invalid_argument(fmt::format("input '{}': {}", head.name, what));
  };
  const json::value* shape = object.if_contains("shape");
  if (shape == nullptr || !shape->is_array())
    return of("'shape' is missing; a column of n rows has shape [n]");
  const json::array& sizes = shape->get_array();
  const auto side = [&](size_t at) -> int64_t {
    const bool sound = sizes[at].is_int64() && sizes[at].get_int64() > 0 && sizes[at].get_int64() < kSideMax;
    return sound ? sizes[at].get_int64() : 0;
  };
  if (sizes.empty() || sizes.size() > 2 || side(0) == 0 || side(sizes.size() - 1) == 0)
    return of("'shape' must be [n] or [n,1] with at least one row, for tokens [n,length]");
  head.rows = static_cast<size_t>(side(0));
  if (sizes.size() == 2) head.width = static_cast<size_t>(side(1));
  head.content_type = TRY(read_content_type(object, head.name));
  const json::value* data = object.if_contains("data");
  if (data == nullptr && object.contains("parameters"))
    return of("binary tensors are not taken; send 'data' as JSON (tritonclient: binary_data=False)");
  if (data == nullptr || !data->is_array()) return of("'data' must be an array of its values");
  head.data = &data->get_array();
  if (head.data->size() != head.rows && head.data->size() != head.rows * head.width)
    return of(
        fmt::format("'data' has {} values where 'shape' says {}", head.data->size(), head.rows * head.width));
  return head;
}

Status read_tensor(const TensorHead& head, size_t text_bytes_max, dataio::Column& column) {
  if (head.width != 1 && column.type != v1::TOKENS)
    return invalid_argument(
        fmt::format("input '{}': 'shape' must be [n] or [n,1] with at least one row", head.name));
  column.reserve(head.rows);
  switch (column.type) {
    case v1::BYTES:
      if (head.datatype != "BYTES") return wrong_datatype(head, "BYTES (base64 text)");
      return read_blobs(head, column);
    case v1::TOKENS:
      if (head.datatype != "INT64" && head.datatype != "INT32") return wrong_datatype(head, "INT64 or INT32");
      return read_tokens(head, column);
    case v1::TEXT:
      if (head.datatype != "BYTES") return wrong_datatype(head, "BYTES");
      return read_texts(head, text_bytes_max, column);
    case v1::TIMESTAMP:
      if (head.datatype != "INT64") return wrong_datatype(head, "INT64 (microseconds since 1970, UTC)");
      return read_times(head, column);
    case v1::BOOL:
      if (head.datatype != "BOOL") return wrong_datatype(head, "BOOL");
      return read_bools(head, column);
    default:
      if (head.datatype != "FP64" && head.datatype != "FP32" && head.datatype != "INT64")
        return wrong_datatype(head, "FP64, FP32 or INT64");
      return read_numbers(head, column);
  }
}

}  // namespace rekindle::models
