// One value of a spec between its written form ("120d", "10%", "log_loss") and its field, and the bounds
// that the field's options name. Knows descriptors, not YAML.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "rekindle/v1/options.pb.h"

namespace rekindle::jobs {

using Message = google::protobuf::Message;
using Field = google::protobuf::FieldDescriptor;

inline const v1::SpecField& options_of(const Field& field) {
  return field.options().GetExtension(v1::spec);
}

bool is_duration(const Field& field);
bool is_group(const Field& field);  // a message with fields of its own: neither duration nor map
// Written by its author: presence where the field has it, else different from zero or empty.
bool is_written(const Message& message, const Field& field);
std::vector<std::string> field_names(const google::protobuf::Descriptor& type);
std::string enum_word(const google::protobuf::EnumValueDescriptor& value);          // LOG_LOSS -> log_loss
std::vector<std::string> enum_words(const google::protobuf::EnumDescriptor& type);  // without *_UNSPECIFIED
std::string joined(const std::vector<std::string>& words, std::string_view before_last);  // "a, b or c"

// Sets a single field, or adds to a list, from one word. Returns what is wrong, or nothing.
std::string set_word(Message& message, const Field& field, std::string_view text, bool quoted);

// What is wrong with the field's present value (bounds, not finite, unknown enum number, malformed
// duration, too long a text), or nothing. `index` is for lists.
std::string check_value(const Message& message, const Field& field, int index = -1);

// Whether a path would lead out of the folder that it is relative to.
bool leaves_folder(std::string_view path);

// As its author would write it: "60s", "10%", "[128, 64]".
std::string format_value(const Message& message, const Field& field);

// The same of a whole message, without what is as by default and without maps: "{rows: {last: 90d}, start:
// champion}".
std::string format_message(const Message& message);

}  // namespace rekindle::jobs
