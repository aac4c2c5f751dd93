// Words as a POSIX shell has to be told them.
#pragma once

#include <string>
#include <vector>

namespace rekindle {

// Itself where it is plain, else in single quotes.
std::string shell_quoted(const std::string& word);
// Quoted, with blanks between.
std::string shell_line(const std::vector<std::string>& words);

}  // namespace rekindle
