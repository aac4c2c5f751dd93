// LightGBM by its C interface, loaded at run time where it is installed: nothing of it is linked or shipped.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace rekindle::backtest {

namespace fs = std::filesystem;

// Row-major; NaN is missing. Of the last `categories` columns the values are numbers of categories, from 0.
struct TreeRows {
  size_t columns = 0, categories = 0;
  std::vector<double> values;
  size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
};

struct LabelledTreeRows {
  TreeRows rows;
  std::vector<float> labels;
};

// What is fitted; the rest are LightGBM's own defaults.
struct TreeGoal {
  enum class Kind { kBinary, kMulticlass, kRegression };
  Kind kind = Kind::kBinary;
  size_t classes = 0;  // of kMulticlass
  uint64_t seed = 0;
  size_t outputs() const { return kind == Kind::kMulticlass ? classes : 1; }
};

class LightGbm {
 public:
  // A library's path, or "auto": beside LibTorch in this build's site-packages, else where the loader finds
  // one. not_found says where it was looked for and how it is installed.
  static Result<LightGbm> open(const std::string& library);

  // Rounds are added until `valid` has not got better for 30 of them, at most 500; those up to the best one
  // are kept. The same rows, seed and library give the same text.
  Result<std::string> fit(const LabelledTreeRows& train, const LabelledTreeRows& valid,
                          const TreeGoal& goal) const;
  // Row-major, `outputs` a row; of a text that fit() gave.
  Result<std::vector<double>> predict(const std::string& model, const TreeRows& rows, size_t outputs) const;

 private:
  struct Calls;
  explicit LightGbm(std::shared_ptr<const Calls> calls) : calls_(std::move(calls)) {}

  std::shared_ptr<const Calls> calls_;
};

}  // namespace rekindle::backtest
