// The units that specs and flags are written in: "120d" "90m" "10%" "24GB".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace rekindle {

// A whole number and one of ms s m h d w; "0" alone is allowed.
Result<Micros> parse_duration(std::string_view text);
std::string format_duration(Micros duration);  // the largest unit that divides it: "7d", "90m"

// "10%" or a plain number between 0 and 1.
Result<double> parse_share(std::string_view text);

// Decimal (KB MB GB TB) and binary (KiB MiB GiB TiB) units, or plain bytes.
Result<uint64_t> parse_bytes(std::string_view text);
std::string format_bytes(uint64_t bytes);

}  // namespace rekindle
