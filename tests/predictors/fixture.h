// One linear version, its rows, and the ways to serve it: all must give the same answers.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <stop_token>
#include <string>
#include <vector>

#include "base/files.h"
#include "models/network.h"
#include "models/predictor.h"
#include "models/process/process_predictor.h"

namespace rekindle::models::testing {

using std::chrono::milliseconds;

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/rekindle-predictors-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

v1::ModelCard linear_card();
std::string linear_weights(const v1::ModelCard& card);
// Ordinary rows with missing values, unknown categories and far-out numbers among them.
dataio::Table some_rows(size_t count);
void write_card(const fs::path& folder, const v1::ModelCard& card);
// The version's files, as a predictor finds them.
void write_version(const fs::path& folder);

enum class Kind { kBuiltIn, kScript, kProgram };
std::string kind_name(Kind kind);

struct Manner {
  std::string fault;  // of the script
  uint64_t memory_bytes = 4ull << 30;
  milliseconds start_within{60'000};
  milliseconds deadline{60'000};
  std::stop_token stop;
};
// For a program of the test's own in `folder`/version.
ProcessOptions process_options(const fs::path& folder);
std::string bin(const std::string& program);
// Serves the version in `folder`/version; `folder`/scratch becomes the process's.
Result<std::unique_ptr<Predictor>> serve(Kind kind, const fs::path& folder, const Manner& manner = {});

// The code blocks of docs/predictors.md in this language.
std::vector<std::string> shown(const std::string& language);

// Living processes that belong to a predictor of this folder.
std::vector<pid_t> processes_of(const fs::path& folder);

}  // namespace rekindle::models::testing
