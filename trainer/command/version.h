// What a script was given and what it left: rows for it as Parquet files, and its $REKINDLE_OUT as the files
// of a version.
#pragma once

#include <string>
#include <vector>

#include "launch/command/work_folder.h"
#include "trainer/context.h"
#include "trainer/publish/publish.h"
#include "trainer/rows.h"

namespace rekindle::trainer {

// $REKINDLE_TRAIN and $REKINDLE_VALID: labelled rows of the two windows in event time, columns as they were
// imported or logged: event time, features, label.
Status write_script_rows(const RunRows& rows, const launch::WorkFolder& work);

struct OutLimits {
  uint64_t bytes = 64'000'000'000;
  size_t files = 1'000;
};

// Puts every file below `out` into the store, as "out/..." and by name. Refused (invalid_argument) with what
// to do: no folder, no files, links, sockets and the like, names that no version's file may have, and more
// than the limits allow.
Result<std::vector<v1::ManifestFile>> store_out(artifacts::Store& store, const fs::path& out,
                                                OutLimits limits = {});

// The version, all but what is known only when it has been scored. `predict.package` must be among its files.
Result<VersionFiles> version_of_script(const v1::Plan& plan, std::vector<v1::ManifestFile> out,
                                       const std::string& environment);

}  // namespace rekindle::trainer
