// What a user writes who knows a made-up world's columns and nothing else: one policy for all of them.
#pragma once

#include <string>

#include "tests/worlds/catalogue.h"

namespace rekindle::worlds {

// Of the dataset that job_text and import_text speak of, with the snapshots "first", on which version 1 is
// trained, and "later".
inline constexpr const char* kDataset = "world";
// "first" is the first quarter of all rows.
inline int64_t first_rows(int64_t rows) {
  return rows / 4;
}

// Defaults, but for the batch, which suits some ten thousand rows, and the triggers. Of more classes than two
// there is no regret.
std::string job_text(const World& world);
// Rows in rows.parquet, with a column `part` that says to which snapshot each belongs.
std::string import_text(const World& world);

}  // namespace rekindle::worlds
