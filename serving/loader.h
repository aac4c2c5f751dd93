// Brings a version's files into the node's own folder, verifies them and makes them ready to answer.
//
// What it returns has been checked byte by byte against the manifest's hashes and has predicted typical
// rows: the first client pays for nothing and meets nothing that was not tried. Files once fetched serve
// later starts, also while the artifact store is away.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "artifacts/store.h"
#include "base/files.h"
#include "rekindle/v1/serving.pb.h"
#include "serving/version.h"

namespace rekindle::serving {

class Loader {
 public:
  // `folder` becomes the node's copy of the blobs that its versions need. `predictors` says what versions
  // with a process of their own may do here.
  static Result<Loader> open(std::unique_ptr<artifacts::Store> store, const fs::path& folder,
                             models::PredictorOptions predictors = {});

  // not_found and data_loss name the file; a version that fails here must get no traffic.
  Result<VersionPtr> load(const std::string& model, const v1::PlannedVersion& planned) const;

  // Ends loads in progress and predictions that wait for a process; from any thread, for good.
  void cancel() { stop_.request_stop(); }

  // Removes blobs that none of these manifests needs.
  void retain(const std::vector<std::string>& manifests) const;

 private:
  Loader() = default;
  Status fetch(const std::string& manifest) const;

  std::unique_ptr<artifacts::Store> store_;
  std::unique_ptr<artifacts::Store> copy_;
  fs::path folder_;
  models::PredictorOptions predictors_;
  std::stop_source stop_;
};

// Rows that a version of this card may be asked: typical values, every fourth missing, some never seen.
dataio::Table ordinary_rows(const v1::ModelCard& card, size_t rows);

// Predicts ordinary, missing and unknown values; internal when an answer is no probability.
Status warm_up(const LoadedVersion& version);

}  // namespace rekindle::serving
