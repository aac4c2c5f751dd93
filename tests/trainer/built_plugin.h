// The plugin of examples/plugin, built as its page says.
#pragma once

#include <string>

#include "base/files.h"

namespace rekindle::trainer {

// Built in `folder`, outside of the tree, with this source in place of the example's when one is given; the
// packed folder, as train.code has it.
std::string built_plugin(const fs::path& folder, const std::string& source = {});

}  // namespace rekindle::trainer
