// Worlds by name: a stream, its columns, and the rows at which it is known to begin to change.
//
// Every kind of stream with every shape of change, and with changes of one thing alone; "sea-abrupt",
// "led-prior". What a name means is in catalogue.cc. Nothing here was chosen by how a detector or a policy
// does on it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dataio/table.h"
#include "tests/worlds/generators.h"

namespace rekindle::worlds {

struct Field {
  std::string name;
  bool categorical = false;
};

struct World {
  std::string name;
  std::vector<Field> fields;  // of Row::x, in order
  int classes = 2;
  std::vector<int64_t> changes;  // rows at which something begins to change; none: it stands still
  Stream stream;
};

// Fashion's where it is installed.
std::vector<std::string> names();

// A world of `rows` rows: its changes lie at fixed shares of them. invalid_argument lists the names;
// not_found says what to install.
Result<World> world(std::string_view name, uint32_t seed, int64_t rows);

// The next `rows` rows with event times from `start_us` on, `step_us` apart: "at", the fields, and the label
// "y" (BOOL, or TEXT where there are more classes than two).
dataio::Table table_of(World& world, int64_t rows, int64_t start_us, int64_t step_us);

}  // namespace rekindle::worlds
