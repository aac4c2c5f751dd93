// Versions for tests: one that answers a constant without any file, and a whole published one.
#pragma once

#include <string>

#include "artifacts/store.h"
#include "rekindle/v1/serving.pb.h"
#include "serving/version.h"

namespace rekindle::serving::testing {

// Inputs of all test models: sched (event time), x (number), color (text).
v1::ModelCard test_card(const std::string& model);
v1::Profile test_profile();

// Answers `probability` for every row.
VersionPtr constant_version(const std::string& model, uint64_t number, double probability);

// Files of a linear version whose answer is close to `probability`; SHA-256 of its manifest.
std::string publish_version(artifacts::Store& store, const std::string& model, double probability);

// The same, answered by tests/predictors/linear_predictor.py with these arguments. `memory`: predict.memory;
// 0: not said.
std::string publish_process_version(artifacts::Store& store, const std::string& model, double probability,
                                    const std::vector<std::string>& arguments = {}, uint64_t memory = 0);

// A version of this card with these files, name and content, beside the usual ones.
std::string publish_card(artifacts::Store& store, const v1::ModelCard& card,
                         const std::vector<std::pair<std::string, std::string>>& files);

// A manifest's hash for versions that are not loaded from files.
std::string no_manifest(uint64_t number);

struct Planned {
  uint64_t version;
  uint32_t share;  // 0: pinned
  std::string manifest = "";
};
v1::ServingPlan plan_of(const std::string& model, uint64_t revision, const std::vector<Planned>& versions);

// An infer body of `rows` rows; `event_us` 0 leaves the time column out.
std::string infer_body(const std::string& id, size_t rows, int64_t event_us = 0, bool record = true);

}  // namespace rekindle::serving::testing
