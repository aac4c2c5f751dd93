// Text of unknown origin, made fit for a line that a person or a terminal reads.
#pragma once

#include <string>
#include <string_view>

namespace rekindle {

// As it is, but for what could forge a line or steer a terminal: control characters (C0, DEL, C1), the
// separators of lines and paragraphs, and the marks that turn the direction of text become \uXXXX; a byte
// that is not UTF-8 becomes \ufffd.
std::string printable(std::string_view text);

// Control characters and all, but for bytes that are not UTF-8: each becomes U+FFFD.
std::string valid_utf8(std::string_view text);

// Whether printable() would change it.
bool is_printable(std::string_view text);

}  // namespace rekindle
