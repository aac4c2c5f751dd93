// The JSON header of a safetensors file, read event by event so that a duplicate key is seen: a parsed
// object would keep the last one silently.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle::models {

struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct Header {
  std::vector<HeaderEntry> entries;
  std::map<std::string, std::string> metadata;
};

Result<Header> parse_safetensors_header(std::string_view json);

}  // namespace rekindle::models
