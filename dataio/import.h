// Import: CSV files, Parquet files and tar shards, joined and derived as an ImportSpec says, into dataset
// snapshots.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/dataset.pb.h"

namespace rekindle::dataio {

// What is being done, a line each: "flights.csv.zip: 336776 rows".
using Progress = std::function<void(std::string_view line)>;

// Files are looked for under `source_dir` and nowhere else. Snapshots come sorted by name, rows within
// one by event time, then by their order in the file. Importing equal files again gives equal
// snapshots. Errors name file, line, column and value, and what to do. Blobs are stored before the
// function returns; it registers nothing.
Result<std::vector<v1::DatasetSnapshot>> import_dataset(const v1::ImportSpec& spec,
                                                        const std::filesystem::path& source_dir,
                                                        artifacts::Store& store,
                                                        const Progress& progress = {});

// The same up to the rows themselves: all of them, the columns of `keep`, sorted by event time.
Result<Table> import_table(const v1::ImportSpec& spec, const std::filesystem::path& source_dir,
                           const Progress& progress = {});

}  // namespace rekindle::dataio
