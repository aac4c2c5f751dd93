// The folder that a backup goes to: found free, taken, given up again.
#pragma once

#include <vector>

#include "base/files.h"

namespace rekindle::coordinator {

// An absolute path of a folder that is absent or empty and lies outside of `own`, the daemon's folders. Made
// (0700) and returned without links in it.
Result<fs::path> take_target(const std::string& path, const std::vector<fs::path>& own);
// Refused when its disk has less than that, and what the daemon keeps for itself, left.
Status check_target_room(const fs::path& target, uint64_t bytes);
// Removes all that is in it: nobody else's, since it was empty.
void give_up_target(const fs::path& target);

}  // namespace rekindle::coordinator
