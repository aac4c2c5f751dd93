// How the policy's sentences tell times and waits.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "proto/time.h"

namespace rekindle::drift {

inline constexpr int64_t kUsPerHour = 3'600'000'000;

inline int64_t us(const google::protobuf::Duration& d) {
  return from_proto(d).count();
}

inline std::string when(int64_t clock_us) {
  return format_time(time_from_micros(clock_us));
}

// "12d 4h": what a person wants to know about a wait.
inline std::string wait_words(double wait_us) {
  const auto hours = static_cast<int64_t>(std::ceil(wait_us / static_cast<double>(kUsPerHour)));
  if (hours < 24) return fmt::format("{}h", std::max<int64_t>(hours, 1));
  return hours % 24 == 0 ? fmt::format("{}d", hours / 24) : fmt::format("{}d {}h", hours / 24, hours % 24);
}

}  // namespace rekindle::drift
