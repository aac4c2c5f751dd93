#include "modules.h"

#include <numeric>

namespace rekindle::trainer {

v1::ModelCard small_card(bool linear) {
  v1::ModelCard out;
  if (linear) {
    out.mutable_kind()->mutable_linear();
  } else {
    auto* tabular = out.mutable_kind()->mutable_tabular();
    for (uint32_t width : {24, 10}) tabular->add_hidden(width);
    tabular->set_embedding(4);
    tabular->set_dropout(0.25);
  }
  for (int i = 0; i < 5; ++i) out.mutable_transforms()->add_numeric()->set_indicator(i == 2);
  for (int i = 0; i < 2; ++i) {
    auto* c = out.mutable_transforms()->add_categorical();
    c->set_column("c" + std::to_string(i));
    for (int v = 0; v < 6; ++v) c->add_values(std::to_string(v));
  }
  return out;
}

Examples small_examples(size_t rows, uint64_t salt) {
  Examples out;
  auto& x = out.encoded;
  x.rows = rows;
  x.numeric_width = 6;
  x.categorical_width = 2;
  for (size_t i = 0; i < rows * 6; ++i)
    x.numeric.push_back(std::sin(1.0f + static_cast<float>(i * 3 + salt)));
  for (size_t i = 0; i < rows * 2; ++i) x.categorical.push_back(static_cast<int64_t>((i * 5 + salt) % 7));
  for (size_t i = 0; i < rows; ++i) out.labels.push_back(static_cast<double>((i * 7 + salt) % 3 == 0));
  return out;
}

models::Parameters small_parameters(const models::Network& network) {
  auto out = models::initial_parameters(network, 3, std::vector<double>(network.head.outputs(), 0.4));
  for (auto& [name, v] : out) {
    for (size_t i = 0; i < v.size(); ++i) v[i] += 0.1f * std::cos(static_cast<float>(i + name.size()));
  }
  return out;
}

std::vector<int64_t> positions(size_t count) {
  std::vector<int64_t> out(count);
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

SmallModule::SmallModule(const v1::ModelCard& card)
    : network(models::network_of(card).value()), module(network, at::kCPU) {
  parameters().load(layout().flat(small_parameters(network)));
}

}  // namespace rekindle::trainer
