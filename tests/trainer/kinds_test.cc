// The kinds: gradients against finite differences, outputs against the published forward pass, chance.
#include <gtest/gtest.h>

#include <cmath>

#include "models/forward.h"
#include "modules.h"
#include "trainer/fit/gradients.h"

namespace rekindle::trainer {
namespace {

class Kinds : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(LinearAndTabular, Kinds, ::testing::Bool());

TEST_P(Kinds, ModuleAndPredictorAgree) {
  SmallModule f(GetParam());
  auto examples = small_examples(50);
  const auto& x = examples.encoded;
  auto logits = f.module.forward(
      at::from_blob(const_cast<float*>(x.numeric.data()), {50, 6}, at::kFloat),
      at::from_blob(const_cast<int64_t*>(x.categorical.data()), {50, 2}, at::kLong), nullptr);
  auto answers = f.module.outputs(examples, 0, 50);
  ASSERT_EQ(answers.size(), 50u);
  EXPECT_EQ(answers, models::Forward(f.network, f.layout().named(f.parameters().host())).run(x));
  for (int64_t i = 0; i < 50; ++i) {
    EXPECT_NEAR(answers[static_cast<size_t>(i)], 1 / (1 + std::exp(-logits[i].item<double>())), 2e-6);
  }
}

TEST_P(Kinds, GradientsEqualFiniteDifferences) {
  SmallModule f(GetParam());
  auto examples = small_examples(8);
  auto lone = lone_rank();
  Gradients gradients(f.parameters(), *lone);
  const StepKey key{1, 2, 0};
  const double middle = f.loss(examples, key).item<double>();
  gradients.before_forward();
  gradients.backward(f.loss(examples, key));
  const auto got = f.gradients();
  int checked = 0;
  for (const auto& p : f.layout().placed()) {
    for (size_t i = p.begin; i < p.begin + p.elements; i += 7) {
      const float kept = f.values()[i];
      const float h = 1e-3f;
      f.values()[i] = kept + h;
      const double up = f.loss(examples, key).item<double>();
      f.values()[i] = kept - h;
      const double down = f.loss(examples, key).item<double>();
      f.values()[i] = kept;
      // At a kink of the ReLU the gradient is that of one side.
      const double off =
          std::min({std::abs(got[i] - (up - down) / (2 * h)), std::abs(got[i] - (up - middle) / h),
                    std::abs(got[i] - (middle - down) / h)});
      EXPECT_LT(off, 2e-3) << p.parameter.name << " " << i;
      ++checked;
    }
  }
  EXPECT_GT(checked, GetParam() ? 3 : 50);
}

TEST(Dropout, MasksBelongToGlobalRows) {
  const int64_t rows = 40, width = 30;
  std::vector<float> whole(rows * width), parts(rows * width);
  fill_dropout_mask({5, 9, 0}, 1, 0.25, 4 / 3.0f, rows, width, whole.data());
  fill_dropout_mask({5, 9, 0}, 1, 0.25, 4 / 3.0f, 13, width, parts.data());
  fill_dropout_mask({5, 9, 13}, 1, 0.25, 4 / 3.0f, rows - 13, width, parts.data() + 13 * width);
  EXPECT_EQ(whole, parts);
  std::vector<float> other(rows * width);
  for (const auto& [key, layer] :
       {std::pair{StepKey{6, 9, 0}, 1}, {StepKey{5, 10, 0}, 1}, {StepKey{5, 9, 0}, 2}}) {
    fill_dropout_mask(key, layer, 0.25, 4 / 3.0f, rows, width, other.data());
    EXPECT_NE(whole, other);
  }
}

TEST(Dropout, DropsTheShareAndKeepsTheMean) {
  std::vector<float> mask(1000 * 101);
  fill_dropout_mask({1, 2, 3}, 0, 0.25, 4 / 3.0f, 1000, 101, mask.data());
  double dropped = 0, total = 0;
  for (float m : mask) dropped += m == 0, total += m;
  EXPECT_NEAR(dropped / mask.size(), 0.25, 0.005);
  EXPECT_NEAR(total / mask.size(), 1.0, 0.01);
}

}  // namespace
}  // namespace rekindle::trainer
