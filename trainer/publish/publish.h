// The files of a version, put into the artifact store: nothing refers to them before the manifest, which
// comes last.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rekindle/v1/drift.pb.h"
#include "trainer/context.h"
#include "trainer/rows.h"

namespace rekindle::trainer {

// model.json for a plan: inputs are the features and the event time.
v1::ModelCard model_card(const v1::JobSpec& spec, v1::Transforms transforms);

// profile.json: features over the training rows, the model's own output over the holdout, and what it lost
// there.
Result<v1::Profile> make_profile(const v1::Data& data, const Window& train, const Window& holdout,
                                 std::span<const double> answers);

v1::Lineage make_lineage(const v1::Plan& plan, const std::string& collectives, const std::string& reduction,
                         const std::string& parameters_sha256);

struct VersionFiles {
  v1::ModelCard card;
  std::string safetensors;            // of a built-in kind
  std::vector<v1::ManifestFile> out;  // of a script's: blobs that are in the store already
  v1::Profile profile;
  std::string evaluation_parquet;
  v1::Lineage lineage;
};
// SHA-256 of the manifest.
Result<std::string> publish(artifacts::Store& store, const VersionFiles& files);
// The same with what a predictor needs alone: a candidate that is yet to be scored.
Result<std::string> store_candidate(artifacts::Store& store, const VersionFiles& files);

}  // namespace rekindle::trainer
