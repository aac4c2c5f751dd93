// Specs for tests: the least that is accepted, and the same with something added or replaced.
#pragma once

#include <string>

#include "jobs/spec.h"

namespace rekindle::jobs::testing {

inline const std::string kLeast = R"(rekindle: 1
name: delay
data:
  initial: flights@2013-01
  time: sched_dep
  label: {column: late}
  numeric: [distance]
train:
  model: linear
)";

// kLeast with `from` replaced by `to`.
inline std::string with(std::string from, std::string to, std::string text = kLeast) {
  const size_t at = text.find(from);
  CHECK(at != std::string::npos, "the text to replace is not there");
  return text.replace(at, from.size(), to);
}

inline v1::JobSpec least() {
  return parse_job(kLeast, "least.yaml").value();
}

}  // namespace rekindle::jobs::testing
