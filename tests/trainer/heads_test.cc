// Losses of every kind of label: what teaches a module equals what judges it, for each kind of head.
#include <gtest/gtest.h>

#include <cmath>

#include "models/forward.h"
#include "modules.h"
#include "trainer/fit/gradients.h"
#include "trainer/kinds/heads.h"

namespace rekindle::trainer {
namespace {

struct Case {
  v1::Label::Kind kind;
  bool linear;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << v1::Label::Kind_Name(c.kind) << (c.linear ? " linear" : " tabular");
}

v1::ModelCard card_of(const Case& c) {
  v1::ModelCard card = small_card(c.linear);
  card.mutable_kind()->mutable_tabular()->set_dropout(0);
  if (c.linear) card.mutable_kind()->mutable_linear();
  card.mutable_label()->set_kind(c.kind);
  if (c.kind == v1::Label::REGRESSION) {
    card.mutable_transforms()->mutable_label()->set_mean(40);
    card.mutable_transforms()->mutable_label()->set_scale(12);
  } else if (c.kind != v1::Label::BINARY) {
    for (int i = 0; i < 20; ++i) card.mutable_label()->add_classes("c" + std::to_string(i));
  }
  return card;
}

Examples examples_of(const Case& c, size_t rows) {
  Examples out = small_examples(rows);
  for (size_t i = 0; i < rows; ++i) {
    if (c.kind == v1::Label::MULTICLASS) out.labels[i] = static_cast<double>(i * 7 % 20);
    if (c.kind == v1::Label::MULTILABEL) out.labels[i] = static_cast<double>((i * 2654435761u) % (1u << 20));
    if (c.kind == v1::Label::REGRESSION) out.labels[i] = 40 + 20 * std::sin(static_cast<double>(i));
  }
  return out;
}

class Heads : public ::testing::TestWithParam<Case> {
 protected:
  models::Network network = models::network_of(card_of(GetParam())).value();
  Tabular module{network, at::kCPU};
  Examples examples = examples_of(GetParam(), 9);

  void SetUp() override { module.parameters().load(module.layout().flat(small_parameters(network))); }
  at::Tensor loss() { return module.loss(examples, positions(examples.rows()), {}, 0.5); }
};
INSTANTIATE_TEST_SUITE_P(Kinds, Heads,
                         ::testing::Values(Case{v1::Label::BINARY, false}, Case{v1::Label::MULTICLASS, false},
                                           Case{v1::Label::MULTICLASS, true},
                                           Case{v1::Label::REGRESSION, false},
                                           Case{v1::Label::REGRESSION, true},
                                           Case{v1::Label::MULTILABEL, false},
                                           Case{v1::Label::MULTILABEL, true}));

TEST_P(Heads, WhatTeachesIsWhatJudges) {
  const auto& head = network.head;
  const auto answers = module.outputs(examples, 0, examples.rows());
  ASSERT_EQ(answers.size(), examples.rows() * head.outputs());
  EXPECT_EQ(
      answers,
      models::Forward(network, module.layout().named(module.parameters().host())).run(examples.encoded));
  double judged = 0;
  for (size_t r = 0; r < examples.rows(); ++r)
    judged +=
        head.rule.loss(examples.labels[r], std::span(answers).subspan(r * head.outputs(), head.outputs()));
  const double taught = loss().item<double>() / 0.5 * head.loss_unit();
  EXPECT_NEAR(taught, judged, 1e-5 * std::max(1.0, judged));
}

TEST_P(Heads, GradientsEqualFiniteDifferences) {
  auto lone = lone_rank();
  Gradients gradients(module, *lone, v1::Reduction());
  gradients.begin(2);  // a mean over two rows: the half of loss()
  gradients.add(examples, positions(examples.rows()), {}, true);
  double none = 0;
  gradients.finish(std::span(&none, 1));
  const auto got = FlatParameters::to_host(module.parameters().gradients());
  float* values = module.parameters().values().data_ptr<float>();
  const double middle = loss().item<double>();
  for (const auto& p : module.layout().placed()) {
    // The last layer alone, where the heads differ; kinds_test has the others.
    if (!p.parameter.name.starts_with(network.layers.back().bias.substr(0, 6)) && !network.additive) continue;
    for (size_t i = p.begin; i < p.begin + p.elements; i += 11) {
      const float kept = values[i], h = 1e-2f;
      values[i] = kept + h;
      const double up = loss().item<double>();
      values[i] = kept - h;
      const double down = loss().item<double>();
      values[i] = kept;
      EXPECT_NEAR(got[i], (up - down) / (2 * h), 5e-3 * std::max(1.0, std::abs(middle))) << p.parameter.name;
    }
  }
}

TEST_P(Heads, BeginWithTheConstantAnswer) {
  const auto initial = module.initial(1, examples);
  module.parameters().load(module.layout().flat(initial));
  const auto answers = module.outputs(examples, 0, 1);
  const auto constant = network.head.rule.constant_answer(examples.labels);
  for (size_t k = 0; k < constant.size(); ++k) {
    // A class that no row has begins at a small share.
    const double tolerance = 1e-4 * std::max(1.0, std::abs(constant[k])) + 2e-4;
    EXPECT_NEAR(answers[k], constant[k], tolerance + 20 * 1e-4 * constant[k]) << k;
  }
}

}  // namespace
}  // namespace rekindle::trainer
