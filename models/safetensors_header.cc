#include "models/safetensors_header.h"

#include <boost/json/basic_parser_impl.hpp>
#include <set>

namespace rekindle::models {
namespace {

namespace json = boost::json;

constexpr size_t kRankMax = 16;

// basic_parser's handler: the names and signatures are the library's.
struct Handler {
  static constexpr size_t max_object_size = 1u << 20;
  static constexpr size_t max_array_size = 1u << 10;
  static constexpr size_t max_key_size = 1u << 16;
  static constexpr size_t max_string_size = 1u << 20;

  Header header;
  std::string problem;

  bool refuse(std::string why) {
    problem = std::move(why);
    return false;
  }

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }

  bool on_object_begin(json::error_code&) {
    if (in_array_) return refuse("an object inside an array");
    if (++depth_ > 2) return refuse("an object inside '" + name_ + "'");
    fields_.clear();
    return true;
  }
  bool on_object_end(size_t, json::error_code&) {
    if (depth_-- == 2 && !in_metadata_) {
      if (!fields_.contains("dtype") || !fields_.contains("shape") || offsets_.size() != 2) {
        return refuse("'" + name_ + "' lacks dtype, shape or data_offsets");
      }
      entry_.begin = offsets_[0];
      entry_.end = offsets_[1];
      header.entries.push_back(std::move(entry_));
    }
    in_metadata_ = false;
    return true;
  }
  bool on_array_begin(json::error_code&) {
    if (depth_ != 2 || in_metadata_ || in_array_ || (key_ != "shape" && key_ != "data_offsets")) {
      return refuse("an array where none belongs");
    }
    in_array_ = true;
    return true;
  }
  bool on_array_end(size_t, json::error_code&) {
    in_array_ = false;
    return true;
  }

  bool on_key_part(json::string_view part, size_t, json::error_code&) { return append(part); }
  bool on_key(json::string_view part, size_t, json::error_code&) {
    append(part);
    key_.swap(text_);
    text_.clear();
    if (depth_ == 1) {
      name_ = key_;
      if (!names_.insert(name_).second) return refuse("the key '" + name_ + "' comes twice");
      if (name_.empty()) return refuse("a tensor without a name");
      in_metadata_ = name_ == "__metadata__";
      entry_ = {};
      entry_.name = name_;
      offsets_.clear();
      return true;
    }
    if (!fields_.insert(key_).second) return refuse("'" + key_ + "' comes twice in '" + name_ + "'");
    if (!in_metadata_ && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
      return refuse("the unknown key '" + key_ + "' in '" + name_ + "'");
    }
    return true;
  }
  bool on_string_part(json::string_view part, size_t, json::error_code&) { return append(part); }
  bool on_string(json::string_view part, size_t, json::error_code&) {
    append(part);
    std::string value = std::exchange(text_, {});
    if (depth_ != 2 || in_array_) return refuse("a text where none belongs");
    if (in_metadata_) {
      header.metadata[key_] = std::move(value);
    } else if (key_ == "dtype") {
      entry_.dtype = std::move(value);
    } else {
      return refuse("a text as '" + key_ + "' of '" + name_ + "'");
    }
    return true;
  }

  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(int64_t value, json::string_view text, json::error_code&) {
    // "-0" too: other readers take it for a fraction.
    if (value < 0 || text.starts_with('-')) return refuse("a negative number in '" + name_ + "'");
    return number(static_cast<uint64_t>(value));
  }
  bool on_uint64(uint64_t value, json::string_view, json::error_code&) { return number(value); }
  bool on_double(double, json::string_view, json::error_code&) {
    return refuse("a fraction in '" + name_ + "'");
  }
  bool on_bool(bool, json::error_code&) { return refuse("a boolean in '" + name_ + "'"); }
  bool on_null(json::error_code&) { return refuse("a null in '" + name_ + "'"); }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  bool append(json::string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool number(uint64_t value) {
    if (!in_array_) return refuse("a number where none belongs");
    if (value > static_cast<uint64_t>(INT64_MAX)) return refuse("a number out of range in '" + name_ + "'");
    if (key_ == "shape") {
      if (entry_.shape.size() == kRankMax) return refuse("'" + name_ + "' has more than 16 dimensions");
      entry_.shape.push_back(static_cast<int64_t>(value));
    } else {
      if (offsets_.size() == 2) return refuse("'" + name_ + "' has more than two offsets");
      offsets_.push_back(value);
    }
    return true;
  }

  int depth_ = 0;
  bool in_array_ = false;
  bool in_metadata_ = false;
  std::string text_, key_, name_;
  HeaderEntry entry_;
  std::vector<uint64_t> offsets_;
  std::set<std::string> names_, fields_;
};

}  // namespace

Result<Header> parse_safetensors_header(std::string_view text) {
  // Trailing spaces pad the header; leading ones are not allowed by the format.
  if (text.empty() || text.front() != '{') return data_loss("the header does not begin with '{'");
  json::basic_parser<Handler> parser{json::parse_options{}};
  json::error_code error;
  size_t used = parser.write_some(false, text.data(), text.size(), error);
  auto& handler = parser.handler();
  if (!handler.problem.empty()) return data_loss(handler.problem);
  if (error) return data_loss("the header is not JSON: " + error.message());
  if (!parser.done()) return data_loss("the header is not complete JSON");
  if (text.substr(used).find_first_not_of(' ') != std::string_view::npos) {
    return data_loss("something follows the header's JSON");
  }
  return std::move(handler.header);
}

}  // namespace rekindle::models
