#include "jobs/values.h"

#include <fmt/format.h>
#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/units.h"
#include "jobs/problems.h"
#include "proto/time.h"

namespace rekindle::jobs {
namespace {

using google::protobuf::Reflection;
using Type = Field::CppType;

constexpr size_t kLongestText = 1024;
constexpr Micros kLongestDuration = std::chrono::hours(24) * 36500;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// Words that some YAML reader takes for something else than text.
bool ambiguous_as_text(std::string_view text) {
  static constexpr std::array<std::string_view, 8> kWords = {"true", "false", "yes",  "no",
                                                             "on",   "off",   "null", "~"};
  if (std::find(kWords.begin(), kWords.end(), lower(text)) != kWords.end()) return true;
  double number = 0;
  const char* end = text.data() + text.size();
  return std::from_chars(text.data(), end, number).ptr == end || text.starts_with("0x") ||
         text.starts_with("0o");
}

// Decimal and unadorned: 0777 is 511 to some readers, 1_000 and 0x10 are numbers to others.
bool octal_looking(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && text[1] != '.' && text[1] != 'e' && text[1] != 'E';
}

template <typename Number>
std::string read_number(std::string_view text, bool quoted, std::string_view what, Number& value) {
  if (quoted) return fmt::format("\"{}\" is text; write {} without quotes", text, what);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range && stop == end) return fmt::format("{} is too large", text);
  if (text.empty() || error != std::errc() || stop != end || !std::isfinite(static_cast<double>(value)))
    return fmt::format("'{}' is not {}", text, what);
  if (octal_looking(text))
    return fmt::format("'{}' begins with 0, which some read as octal; write {}", text,
                       text.substr(std::min(text.find_first_not_of("-+0"), text.size() - 1)));
  return {};
}

std::string set_integer(Message& message, const Field& field, std::string_view text, bool quoted) {
  const Reflection& access = *message.GetReflection();
  if (options_of(field).unit() == v1::UNIT_BYTES) {
    const Result<uint64_t> bytes = parse_bytes(text);
    if (!bytes.ok()) return bytes.status().message();
    access.SetUInt64(&message, &field, *bytes);
    return {};
  }
  const bool is_signed = field.cpp_type() == Type::CPPTYPE_INT32 || field.cpp_type() == Type::CPPTYPE_INT64;
  constexpr std::string_view kWhat = "a whole number";
  if (is_signed) {
    int64_t value = 0;
    if (std::string wrong = read_number(text, quoted, kWhat, value); !wrong.empty()) return wrong;
    if (field.cpp_type() == Type::CPPTYPE_INT64) {
      access.SetInt64(&message, &field, value);
      return {};
    }
    if (value > std::numeric_limits<int32_t>::max() || value < std::numeric_limits<int32_t>::min())
      return fmt::format("{} is too large", text);
    access.SetInt32(&message, &field, static_cast<int32_t>(value));
    return {};
  }
  if (!quoted && text.size() > 1 && text[0] == '-') return fmt::format("{} is below 0", text);
  uint64_t value = 0;
  if (std::string wrong = read_number(text, quoted, kWhat, value); !wrong.empty()) return wrong;
  if (field.cpp_type() == Type::CPPTYPE_UINT64) {
    access.SetUInt64(&message, &field, value);
    return {};
  }
  if (value > std::numeric_limits<uint32_t>::max()) return fmt::format("{} is too large", text);
  if (field.is_repeated())
    access.AddUInt32(&message, &field, static_cast<uint32_t>(value));
  else
    access.SetUInt32(&message, &field, static_cast<uint32_t>(value));
  return {};
}

std::string set_text(Message& message, const Field& field, std::string_view text, bool quoted) {
  if (!quoted && ambiguous_as_text(text))
    return fmt::format("'{}' unquoted may be read as something else than text; write \"{}\"", text, text);
  if (text.empty()) return "an empty text says nothing";
  const Reflection& access = *message.GetReflection();
  if (field.is_repeated())
    access.AddString(&message, &field, std::string(text));
  else
    access.SetString(&message, &field, std::string(text));
  return {};
}

std::string set_enum(Message& message, const Field& field, std::string_view text) {
  const google::protobuf::EnumDescriptor& type = *field.enum_type();
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() == 0 || enum_word(*type.value(i)) != text) continue;
    message.GetReflection()->SetEnumValue(&message, &field, type.value(i)->number());
    return {};
  }
  const std::vector<std::string> words = enum_words(type);
  const std::string near = nearest(lower(text), words);
  return fmt::format("'{}' is not one of {}{}", text, joined(words, "or"),
                     near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
}

std::string set_bool(Message& message, const Field& field, std::string_view text, bool quoted) {
  if (quoted || (text != "true" && text != "false"))
    return fmt::format("'{}' is not true or false{}", text, quoted ? " (without quotes)" : "");
  message.GetReflection()->SetBool(&message, &field, text == "true");
  return {};
}

double number_bound(const Field& field, std::string_view text) {
  if (options_of(field).unit() == v1::UNIT_SHARE) return parse_share(text).value();
  if (options_of(field).unit() == v1::UNIT_BYTES) return static_cast<double>(parse_bytes(text).value());
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  CHECK(error == std::errc() && end == text.data() + text.size(), "a bound in job.proto is not a number");
  return value;
}

std::string check_number(const Field& field, double value, std::string_view shown) {
  const v1::SpecField& spec = options_of(field);
  if (!std::isfinite(value)) return "is not a finite number";
  if (spec.unit() == v1::UNIT_SHARE && (value < 0 || value > 1))
    return fmt::format("{} is not a share between 0% and 100%", shown);
  if (!spec.at_least().empty() && value < number_bound(field, spec.at_least()))
    return fmt::format("{} is too small; at least {}", shown, spec.at_least());
  if (!spec.at_most().empty() && value > number_bound(field, spec.at_most()))
    return fmt::format("{} is too large; at most {}", shown, spec.at_most());
  return {};
}

std::string check_duration(const Field& field, const google::protobuf::Duration& value) {
  // A message from the API may hold anything: first what it may be at all, then whether it is allowed.
  if (value.nanos() < 0 || value.nanos() > 999'999'999 || value.nanos() % 1000 != 0)
    return "is a malformed duration (whole microseconds, not below 0)";
  if (value.seconds() < 0) return "is below 0";
  if (value.seconds() > kLongestDuration / Seconds(1))
    return fmt::format("is longer than {}", format_duration(kLongestDuration));
  const Micros micros = from_proto(value);
  const v1::SpecField& spec = options_of(field);
  if (!spec.at_least().empty() && micros < parse_duration(spec.at_least()).value())
    return fmt::format("{} is too short; at least {}", format_duration(micros), spec.at_least());
  if (!spec.at_most().empty() && micros > parse_duration(spec.at_most()).value())
    return fmt::format("{} is too long; at most {}", format_duration(micros), spec.at_most());
  return {};
}

double number_of(const Message& message, const Field& field, int index) {
  const Reflection& access = *message.GetReflection();
  switch (field.cpp_type()) {
    case Type::CPPTYPE_INT32:
      return access.GetInt32(message, &field);
    case Type::CPPTYPE_INT64:
      return static_cast<double>(access.GetInt64(message, &field));
    case Type::CPPTYPE_UINT64:
      return static_cast<double>(access.GetUInt64(message, &field));
    case Type::CPPTYPE_UINT32:
      return index < 0 ? access.GetUInt32(message, &field) : access.GetRepeatedUInt32(message, &field, index);
    case Type::CPPTYPE_DOUBLE:
      return access.GetDouble(message, &field);
    default:
      CHECK(false, "not a number field");
      return 0;
  }
}

const std::string& text_of(const Message& message, const Field& field, int index, std::string& scratch) {
  const Reflection& access = *message.GetReflection();
  return index < 0 ? access.GetStringReference(message, &field, &scratch)
                   : access.GetRepeatedStringReference(message, &field, index, &scratch);
}

std::string format_one(const Message& message, const Field& field, int index) {
  const Reflection& access = *message.GetReflection();
  std::string scratch;
  switch (field.cpp_type()) {
    case Type::CPPTYPE_STRING:
      return text_of(message, field, index, scratch);
    case Type::CPPTYPE_BOOL:
      return access.GetBool(message, &field) ? "true" : "false";
    case Type::CPPTYPE_ENUM:
      return enum_word(*access.GetEnum(message, &field));
    case Type::CPPTYPE_MESSAGE:
      CHECK(is_duration(field), "only durations are written as one word");
      return format_duration(
          from_proto(static_cast<const google::protobuf::Duration&>(access.GetMessage(message, &field))));
    case Type::CPPTYPE_UINT64: {
      const uint64_t value = access.GetUInt64(message, &field);
      return options_of(field).unit() == v1::UNIT_BYTES ? format_bytes(value) : fmt::format("{}", value);
    }
    case Type::CPPTYPE_DOUBLE: {
      const double value = access.GetDouble(message, &field);
      if (options_of(field).unit() == v1::UNIT_SHARE) return fmt::format("{:.10g}%", value * 100);
      return fmt::format("{}", value);
    }
    default:
      return fmt::format("{:.0f}", number_of(message, field, index));
  }
}

}  // namespace

bool is_duration(const Field& field) {
  return field.cpp_type() == Type::CPPTYPE_MESSAGE &&
         field.message_type() == google::protobuf::Duration::descriptor();
}

bool is_group(const Field& field) {
  return field.cpp_type() == Type::CPPTYPE_MESSAGE && !is_duration(field) && !field.is_map();
}

bool is_written(const Message& message, const Field& field) {
  const Reflection& access = *message.GetReflection();
  return field.is_repeated() ? access.FieldSize(message, &field) > 0 : access.HasField(message, &field);
}

std::vector<std::string> field_names(const google::protobuf::Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::string enum_word(const google::protobuf::EnumValueDescriptor& value) {
  return lower(value.name());
}

std::vector<std::string> enum_words(const google::protobuf::EnumDescriptor& type) {
  std::vector<std::string> words;
  for (int i = 0; i < type.value_count(); ++i)
    if (type.value(i)->number() != 0) words.push_back(enum_word(*type.value(i)));
  return words;
}

std::string joined(const std::vector<std::string>& words, std::string_view before_last) {
  std::string out;
  for (size_t i = 0; i < words.size(); ++i)
    out += (i == 0 ? "" : i + 1 == words.size() ? fmt::format(" {} ", before_last) : ", ") + words[i];
  return out;
}

std::string set_word(Message& message, const Field& field, std::string_view text, bool quoted) {
  switch (field.cpp_type()) {
    case Type::CPPTYPE_STRING:
      return set_text(message, field, text, quoted);
    case Type::CPPTYPE_BOOL:
      return set_bool(message, field, text, quoted);
    case Type::CPPTYPE_ENUM:
      return set_enum(message, field, text);
    case Type::CPPTYPE_DOUBLE: {
      double value = 0;
      if (options_of(field).unit() == v1::UNIT_SHARE) {
        const Result<double> share = parse_share(text);
        if (!share.ok()) return share.status().message();
        value = *share;
      } else if (std::string wrong = read_number(text, quoted, "a number", value); !wrong.empty()) {
        return wrong;
      }
      message.GetReflection()->SetDouble(&message, &field, value);
      return {};
    }
    case Type::CPPTYPE_MESSAGE: {
      CHECK(is_duration(field), "only durations are written as one word");
      const Result<Micros> duration = parse_duration(text);
      if (!duration.ok()) return duration.status().message();
      *static_cast<google::protobuf::Duration*>(message.GetReflection()->MutableMessage(&message, &field)) =
          to_proto(*duration);
      return {};
    }
    default:
      return set_integer(message, field, text, quoted);
  }
}

std::string check_value(const Message& message, const Field& field, int index) {
  const Reflection& access = *message.GetReflection();
  switch (field.cpp_type()) {
    case Type::CPPTYPE_BOOL:
      return {};
    case Type::CPPTYPE_ENUM: {
      const int number = access.GetEnumValue(message, &field);
      if (number != 0 && field.enum_type()->FindValueByNumber(number)) return {};
      return fmt::format("{} is not one of {}", number, joined(enum_words(*field.enum_type()), "or"));
    }
    case Type::CPPTYPE_STRING: {
      std::string scratch;
      const std::string& text = text_of(message, field, index, scratch);
      if (text.empty()) return "an empty text says nothing";
      return text.size() <= kLongestText ? "" : fmt::format("is longer than {} bytes", kLongestText);
    }
    case Type::CPPTYPE_MESSAGE:
      if (!is_duration(field)) return {};
      return check_duration(
          field, static_cast<const google::protobuf::Duration&>(access.GetMessage(message, &field)));
    default:
      return check_number(field, number_of(message, field, index), format_one(message, field, index));
  }
}

bool leaves_folder(std::string_view path) {
  return path.starts_with('/') || path == ".." || path.starts_with("../") || path.find("/../") != path.npos ||
         path.ends_with("/..");
}

std::string format_value(const Message& message, const Field& field) {
  if (!field.is_repeated()) return format_one(message, field, -1);
  std::vector<std::string> words;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i)
    words.push_back(format_one(message, field, i));
  return fmt::format("[{}]", fmt::join(words, ", "));
}

std::string format_message(const Message& message) {
  constexpr std::string_view kAllDefaults = "{}";
  std::vector<std::string> entries;
  std::string bare;  // a kind whose defaults will do
  const auto& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const Field& field = *type.field(i);
    if (!is_written(message, field) || field.is_map()) continue;
    CHECK(!is_group(field) || !field.is_repeated(), "a list of messages is not written in one line");
    const std::string value = is_group(field)
                                  ? format_message(message.GetReflection()->GetMessage(message, &field))
                                  : format_value(message, field);
    if (value == options_of(field).default_()) continue;
    if (value == kAllDefaults && field.real_containing_oneof()) bare = field.name();
    entries.push_back(fmt::format("{}: {}", field.name(), value));
  }
  if (entries.size() == 1 && !bare.empty()) return bare;
  return fmt::format("{{{}}}", fmt::join(entries, ", "));
}

}  // namespace rekindle::jobs
