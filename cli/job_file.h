// A job's spec and code as its author has them: a file, and a folder beside it.
#pragma once

#include <string>

#include "artifacts/store.h"
#include "base/result.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::cli {

// "-": standard input.
Result<std::string> read_spec(const std::string& file);
Result<v1::JobSpec> load_job(const std::string& file);

// Packs train.code, a folder relative to the spec's own; `store` null: only what it would be.
Status add_code(const std::string& file, artifacts::Store* store, v1::JobSpec& spec);

}  // namespace rekindle::cli
