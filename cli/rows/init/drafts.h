// The two specs that `rekindle init` writes: how the file becomes a dataset, and the job.
//
// Pure text. What is written is accepted by jobs::parse_import and jobs::parse_job.
#pragma once

#include <string>

#include "cli/rows/init/inspect.h"

namespace rekindle::cli {

// A name of jobs and datasets made of a file's: lower case, dashes; never empty.
std::string name_from_file(const std::string& file);

std::string draft_import(const Inspection& found, const std::string& name, const std::string& file);
std::string draft_job(const Inspection& found, const std::string& name, const std::string& dataset);

}  // namespace rekindle::cli
