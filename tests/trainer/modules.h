// Small modules, rows and labels that tests of the fit share.
#pragma once

#include <cmath>
#include <vector>

#include "models/network.h"
#include "trainer/kinds/tabular.h"

namespace rekindle::trainer {

// Five numbers (one with an indicator) and two categories of six values; two hidden layers unless linear.
v1::ModelCard small_card(bool linear = false);

// Rows of it; `salt` makes others.
Examples small_examples(size_t rows, uint64_t salt = 0);

// Initial parameters with something added, so that none is zero.
models::Parameters small_parameters(const models::Network& network);

// Positions 0 .. count-1.
std::vector<int64_t> positions(size_t count);

struct SmallModule {
  models::Network network;
  Tabular module;
  explicit SmallModule(const v1::ModelCard& card);
  explicit SmallModule(bool linear = false) : SmallModule(small_card(linear)) {}

  FlatParameters& parameters() { return module.parameters(); }
  const Layout& layout() const { return module.layout(); }
  float* values() { return parameters().values().data_ptr<float>(); }
  FlatBuffer gradients() { return FlatParameters::to_host(parameters().gradients()); }
  // Over all rows.
  at::Tensor loss(const Examples& examples, const StepKey& key = {}, double scale = 1.0 / 8) {
    return module.loss(examples, positions(examples.rows()), key, scale);
  }
};

}  // namespace rekindle::trainer
