// Messages as JSON: protobuf's own mapping, for which it would look up how each type is built anew at each
// call.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace google::protobuf {
class Message;
}

namespace rekindle {

enum class JsonForm {
  kApi,    // fieldNames, in one line
  kShown,  // fieldNames, in lines, with what is zero
  kFile,   // field_names, in lines
};
Result<std::string> to_json(const google::protobuf::Message& message, JsonForm form);

enum class UnknownFields { kRefused, kIgnored };
// invalid_argument with protobuf's words.
Status from_json(std::string_view json, google::protobuf::Message* message, UnknownFields unknown);

}  // namespace rekindle
