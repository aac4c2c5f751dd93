// JSON whose numbers are the doubles nearest to what is written.
//
// Boost.JSON 1.81 reads some decimals one unit in the last place off. A value that lies on a bin's edge,
// as most values of a discrete feature do, would then be counted in the bin beside it.
#pragma once

#include <boost/json/storage_ptr.hpp>
#include <boost/json/value.hpp>
#include <string_view>

#include "base/result.h"

namespace rekindle::models {

// One whole document of at most `depth_max` nested levels; invalid_argument with line and column otherwise.
Result<boost::json::value> parse_exact(std::string_view text, size_t depth_max,
                                       boost::json::storage_ptr memory);

}  // namespace rekindle::models
