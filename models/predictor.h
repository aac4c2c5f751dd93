// A predictor turns rows into probabilities: one and the same for gate, scoring, canary and live traffic.
//
// Owns the weights and the fitted transforms of one version. Its answers are bit-deterministic: a row's
// probability does not depend on the other rows of the call, on the thread or on the processor's vector
// width. Plain C++ without LibTorch, so that a serving node starts in milliseconds and one request of a
// few rows costs microseconds; tests hold it against the module that was trained.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::models {

class Predictor {
 public:
  virtual ~Predictor() = default;
  // One probability per row, in order; safe to call from many threads at once. Columns are found by name,
  // in any order, others are ignored; a missing column or one of another type is an invalid_argument
  // that names it. Missing values (NaN, absent text) and unknown categories are ordinary input.
  virtual Result<std::vector<double>> predict(const dataio::Table& rows) const = 0;
  virtual const v1::ModelCard& card() const = 0;
};

// The predictor of a published version: manifest and files are verified against their hashes.
// A kind that this build does not know is unimplemented; damaged files are data_loss.
Result<std::unique_ptr<Predictor>> load_predictor(const artifacts::Store& store,
                                                  std::string_view manifest_sha256);

// The same from model.json's message and the bytes of model.safetensors.
Result<std::unique_ptr<Predictor>> make_predictor(const v1::ModelCard& card, std::string_view safetensors);

}  // namespace rekindle::models
