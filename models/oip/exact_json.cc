#include "models/oip/exact_json.h"

#include <fmt/format.h>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <charconv>

namespace rekindle::models {

namespace json = boost::json;

namespace {

// What json::parser does, but for on_double().
struct Handler {
  static constexpr std::size_t max_object_size = json::object::max_size();
  static constexpr std::size_t max_array_size = json::array::max_size();
  static constexpr std::size_t max_key_size = json::string::max_size();
  static constexpr std::size_t max_string_size = json::string::max_size();

  json::value_stack stack;

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return true; }
  bool on_object_end(std::size_t n, json::error_code&) { return stack.push_object(n), true; }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t n, json::error_code&) { return stack.push_array(n), true; }
  bool on_key_part(json::string_view s, std::size_t, json::error_code&) { return stack.push_chars(s), true; }
  bool on_key(json::string_view s, std::size_t, json::error_code&) { return stack.push_key(s), true; }
  bool on_string_part(json::string_view s, std::size_t, json::error_code&) {
    return stack.push_chars(s), true;
  }
  bool on_string(json::string_view s, std::size_t, json::error_code&) { return stack.push_string(s), true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t i, json::string_view, json::error_code&) { return stack.push_int64(i), true; }
  bool on_uint64(std::uint64_t u, json::string_view, json::error_code&) { return stack.push_uint64(u), true; }
  // The whole text comes in one piece, and so does each number. Out of range leaves the parser's infinity or
  // 0.
  bool on_double(double d, json::string_view s, json::error_code&) {
    std::from_chars(s.data(), s.data() + s.size(), d);
    return stack.push_double(d), true;
  }
  bool on_bool(bool b, json::error_code&) { return stack.push_bool(b), true; }
  bool on_null(json::error_code&) { return stack.push_null(), true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

// "line 3, column 7" of a byte offset.
std::string place(std::string_view text, size_t offset) {
  size_t line = 1, column = 1;
  for (const char c : text.substr(0, offset)) {
    column = c == '\n' ? 1 : column + 1;
    line += c == '\n' ? 1 : 0;
  }
  return fmt::format("line {}, column {}", line, column);
}

}  // namespace

Result<json::value> parse_exact(std::string_view text, size_t depth_max, json::storage_ptr memory) {
  json::parse_options options;
  options.max_depth = depth_max;
  json::basic_parser<Handler> parser(options);
  parser.handler().stack.reset(std::move(memory));
  json::error_code error;
  const size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = json::error::extra_data;
  if (error)
    return invalid_argument(
        fmt::format("the body is not JSON: {} at {}", error.message(), place(text, read)));
  return parser.handler().stack.release();
}

}  // namespace rekindle::models
