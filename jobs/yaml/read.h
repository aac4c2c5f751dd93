// A YAML document into a message, with its defaults and its rules: what job specs, import specs and pools
// have in common. Problems come with their places, and what was complained about once is not said again as
// missing.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.h"
#include "jobs/problems.h"
#include "jobs/values.h"
#include "jobs/yaml/walk.h"

namespace rekindle::jobs::yaml {

struct Rules {
  // What may not be written by hand.
  std::function<void(const Places&, Problems&)> written;
  // Fills in defaults.
  std::function<void(Problems&)> fill;
  // Those that join fields; asked only when every field is sound.
  std::function<void(Problems&)> check;
};

// `written` as its author wrote it; `filled` is set to the same before `fill` is called. A refusal is
// invalid_argument with up to 20 lines "file:line:column: what is wrong".
Status read(std::string_view text, std::string_view filename, Message& written, Message& filled,
            const Rules& rules);

}  // namespace rekindle::jobs::yaml
