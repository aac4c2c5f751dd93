// gzip and zlib bodies, with a bound on what they may grow to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle::net {

std::string gzip(std::string_view bytes);
// Also reads zlib ("deflate") bodies. resource_exhausted when the content is larger than `limit_bytes`;
// memory never grows past it. invalid_argument when the input is not gzip, or cut.
Result<std::string> gunzip(std::string_view bytes, uint64_t limit_bytes);

}  // namespace rekindle::net
