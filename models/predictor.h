// A predictor turns rows into predictions: one and the same for gate, scoring, canary and live traffic.
//
// Owns the weights and the fitted transforms of one version. The built-in kinds are plain C++ without
// LibTorch and bit-deterministic: a row's answer does not depend on the other rows of the call, on the thread
// or on the processor's vector width, so a serving node starts in milliseconds and one request of a few rows
// costs microseconds; tests hold them against the module that was trained.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "artifacts/store.h"
#include "base/files.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::models {

// `width` values for each row, row by row.
struct Predictions {
  size_t width = 1;
  std::vector<double> values;

  size_t rows() const { return width == 0 ? 0 : values.size() / width; }
  bool operator==(const Predictions&) const = default;
};

// Values that a version of this card answers for each row: one for each class of a multiclass or multilabel
// label, otherwise one.
size_t output_width(const v1::ModelCard& card);

// A predictor's own process, as whoever started it sees it.
struct ProcessFigures {
  enum class State { kStarting, kReady, kWaiting, kFailed };
  State state = State::kStarting;
  pid_t pid = 0;              // 0: no process now
  uint64_t restarts = 0;      // since it was first ready
  uint64_t memory_bytes = 0;  // resident, with its descendants, when last looked at
  std::string trouble;        // of its last death, with what it printed last; empty: none yet
};

class Predictor {
 public:
  virtual ~Predictor() = default;
  // output_width(card()) values per row, in order; safe to call from many threads at once. Columns are found
  // by name, in any order, others are ignored; a missing column or one of another type is an invalid_argument
  // that names it. Missing values (NaN, absent text) and unknown categories are ordinary input.
  virtual Result<Predictions> predict(const dataio::Table& rows) const = 0;
  virtual const v1::ModelCard& card() const = 0;
  // Nothing: it answers within this process, at once. Otherwise predict() waits for another one, and answers
  // nothing more once that is kFailed: the version must be loaded anew.
  virtual std::optional<ProcessFigures> process() const { return std::nullopt; }
};

// What whoever scores allows and offers to predictors that run in a process of their own. Built-in kinds
// need none of it.
struct PredictorOptions {
  fs::path scratch;       // sockets and logs of running predictors; empty: a new folder of the system's
  fs::path environments;  // built environments, by hash
  fs::path program;       // rekindle-predict; empty: beside this program
  // Packages and plugins are code that somebody compiled; the operator must want them.
  bool allow_packages = false;
  // Longest wait for the answer to one request; the predictor that gives none is replaced.
  std::chrono::milliseconds deadline{60'000};
  std::stop_token stop;  // ends loading and predicting with `canceled`
};

// The predictor of a published version: manifest and files are verified against their hashes.
// A kind that this build does not know is unimplemented; damaged files are data_loss.
Result<std::unique_ptr<Predictor>> load_predictor(const artifacts::Store& store,
                                                  std::string_view manifest_sha256,
                                                  const PredictorOptions& options = {});

// model.json. data_loss when it cannot be read, unimplemented for a format of a later release.
Result<v1::ModelCard> parse_card(std::string_view json);

// A built-in kind from model.json's message and the bytes of model.safetensors.
Result<std::unique_ptr<Predictor>> make_predictor(const v1::ModelCard& card, std::string_view safetensors);

}  // namespace rekindle::models
