// The kinds: gradients against finite differences, outputs against the published forward pass, chance.
#include <gtest/gtest.h>

#include <cmath>

#include "models/forward.h"
#include "modules.h"

namespace rekindle::trainer {
namespace {

class Kinds : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(LinearAndTabular, Kinds, ::testing::Bool());

TEST_P(Kinds, ModuleAndPredictorAgree) {
  SmallModule f(GetParam());
  auto examples = small_examples(50);
  const auto& x = examples.encoded;
  auto logits =
      f.module.forward(at::from_blob(const_cast<float*>(x.numeric.data()), {50, 6}, at::kFloat),
                       at::from_blob(const_cast<int64_t*>(x.categorical.data()), {50, 2}, at::kLong));
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
  const StepKey key{1, 2, 0};
  const double middle = f.loss(examples, key).item<double>();
  f.loss(examples, key).backward();
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

// The way without autograd against the one with it, with and without dropout.
TEST_P(Kinds, FusedGradientsEqualAutograds) {
  for (double dropout : {0.25, 0.0}) {
    auto card = small_card(GetParam());
    if (!GetParam()) card.mutable_kind()->mutable_tabular()->set_dropout(dropout);
    SmallModule f(card);
    const auto examples = small_examples(50);
    std::vector<int64_t> rows = {3, 49, 0, 17, 17, 20, 41};
    const StepKey key{5, 9, 13};
    f.parameters().zero_gradients();
    auto loss = f.module.loss(examples, rows, key, 0.25);
    loss.backward();
    const auto want = f.gradients();
    f.parameters().zero_gradients();
    for (int times = 1; times <= 2; ++times) {
      const double got = f.module.add_gradients(examples, rows, key, 0.25).value();
      EXPECT_NEAR(got, loss.item<double>(), 1e-5);
      const auto gradients = f.gradients();
      for (size_t i = 0; i < want.size(); ++i)
        EXPECT_NEAR(gradients[i], times * want[i], 2e-6) << i << ": the gradients add up";
    }
  }
}

TEST_P(Kinds, AFusedLossThatIsNotANumberIsSeen) {
  SmallModule f(GetParam());
  f.values()[f.layout().find(GetParam() ? "embedding.c0" : "layer0.weight")->begin] = NAN;
  const auto examples = small_examples(20);
  EXPECT_TRUE(std::isnan(f.module.add_gradients(examples, positions(20), {}, 1).value()));
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
