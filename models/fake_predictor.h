// A predictor for tests: answers what a function says, row by row.
#pragma once

#include <functional>
#include <utility>

#include "models/predictor.h"

namespace rekindle::models {

class FakePredictor final : public Predictor {
 public:
  using Rule = std::function<double(const dataio::Table&, size_t row)>;
  explicit FakePredictor(Rule rule, v1::ModelCard card = {})
      : rule_(std::move(rule)), card_(std::move(card)) {}
  explicit FakePredictor(double constant)
      : rule_([constant](const dataio::Table&, size_t) { return constant; }) {}

  Result<Predictions> predict(const dataio::Table& rows) const override {
    Predictions out{.values = std::vector<double>(rows.rows())};
    for (size_t row = 0; row < rows.rows(); ++row) out.values[row] = rule_(rows, row);
    return out;
  }
  const v1::ModelCard& card() const override { return card_; }

 private:
  Rule rule_;
  v1::ModelCard card_;
};

}  // namespace rekindle::models
