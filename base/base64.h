// Base64 as in RFC 4648, section 4: the alphabet with '+' and '/', padded.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

std::string base64_encode(std::string_view bytes);
// Strict: no line breaks, no missing padding, no bits after the last byte. invalid_argument says where.
Result<std::string> base64_decode(std::string_view text);

}  // namespace rekindle
