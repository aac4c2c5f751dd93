// Fits that were made, kept by what they were trained on, so that a second backtest trains nothing anew.
//
// FOLDER/artifacts/ holds the blobs of rows and versions, FOLDER/fits/<key>.pb what the trainer said,
// FOLDER/trees/<key>.pb the trees of the same rows, FOLDER/environments/ what scripts run in. The key
// digests all of the plan but what cannot change a fit: when, why and where it is made, and the parts of the
// spec that the trainer never reads. A field that is new and unknown here counts: a needless fit is cheaper
// than a wrong one.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "artifacts/store.h"
#include "models/predictor.h"
#include "rekindle/v1/attempt.pb.h"
#include "rekindle/v1/backtest.pb.h"

namespace rekindle::backtest {

namespace fs = std::filesystem;

std::string fit_key(const v1::Plan& plan);

class FitStore {
 public:
  static Result<FitStore> open(const fs::path& folder);

  artifacts::Store& artifacts() const { return *artifacts_; }
  fs::path artifacts_folder() const { return folder_ / "artifacts"; }
  fs::path scratch() const { return folder_ / "scratch"; }
  fs::path environments() const { return folder_ / "environments"; }
  const fs::path& folder() const { return folder_; }
  // How its versions are loaded: the job's own command, or its own library, has run here already.
  models::PredictorOptions predictors() const;

  // Nothing where it was never made, or its files are no longer whole.
  Result<std::optional<v1::Outcome>> find(const std::string& key) const;
  Status keep(const std::string& key, const v1::Outcome& outcome) const;

  // Trees that were fitted on the rows of a plan with this key.
  Result<std::optional<v1::KeptTrees>> find_trees(const std::string& key) const;
  Status keep_trees(const std::string& key, const v1::KeptTrees& trees) const;

  // Blobs of these snapshots out of another store, where they are not here yet.
  Status bring(const artifacts::Store& from, const v1::DatasetSnapshot& snapshot) const;

 private:
  explicit FitStore(fs::path folder) : folder_(std::move(folder)) {}
  fs::path file_of(const std::string& key) const { return folder_ / "fits" / (key + ".pb"); }
  fs::path trees_of(const std::string& key) const { return folder_ / "trees" / (key + ".pb"); }

  fs::path folder_;
  std::unique_ptr<artifacts::Store> artifacts_;
};

}  // namespace rekindle::backtest
