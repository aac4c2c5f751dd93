// Optimizers against PyTorch's own, rates against their formulas.
#include <gtest/gtest.h>

#include <cmath>

#include "modules.h"
#include "trainer/fit/adamw.h"

#undef CHECK
#include <torch/optim/adamw.h>

namespace rekindle::trainer {
namespace {

TEST(AdamW, EqualsPyTorchsOwn) {
  SmallModule f;
  AdamW ours(f.parameters());
  std::vector<torch::optim::OptimizerParamGroup> groups;
  std::vector<at::Tensor> matrices, biases;
  for (size_t i = 0; i < f.parameters().leaves().size(); ++i) {
    auto copy = f.parameters().leaves()[i].detach().clone().set_requires_grad(true);
    (copy.dim() > 1 ? matrices : biases).push_back(copy);
  }
  auto options = [](double decay) {
    return std::make_unique<torch::optim::AdamWOptions>(torch::optim::AdamWOptions(0.01).weight_decay(decay));
  };
  groups.emplace_back(matrices, options(0.1));
  groups.emplace_back(biases, options(0.0));
  torch::optim::AdamW theirs(groups, torch::optim::AdamWOptions(0.01));
  for (uint64_t step = 1; step <= 20; ++step) {
    float* gradients = f.parameters().gradients().data_ptr<float>();
    for (size_t i = 0; i < f.layout().size(); ++i) {
      gradients[i] = std::sin(static_cast<float>(i) * 0.1f + static_cast<float>(step));
    }
    size_t matrix = 0, bias = 0;
    for (size_t i = 0; i < f.parameters().leaves().size(); ++i) {
      auto& copy = f.parameters().leaves()[i].dim() > 1 ? matrices[matrix++] : biases[bias++];
      copy.mutable_grad() = f.parameters().leaves()[i].grad().clone();
    }
    AdamWOptions o;
    o.rate = 0.01;
    o.decay = 0.1;
    ours.update(o, step);
    theirs.step();
  }
  size_t matrix = 0, bias = 0;
  for (const auto& leaf : f.parameters().leaves()) {
    const auto& copy = leaf.dim() > 1 ? matrices[matrix++] : biases[bias++];
    EXPECT_LT((leaf - copy).abs().max().item<double>(), 2e-6);
  }
}

TEST(Rate, WarmsUpAndFalls) {
  EXPECT_LT(scheduled_rate(1, 0, 1000), 0.05);
  EXPECT_NEAR(scheduled_rate(1, 50, 1000), 1, 0.03);
  EXPECT_NEAR(scheduled_rate(1, 999, 1000), 0.1, 1e-6);
  EXPECT_NEAR(scheduled_rate(1, 5000, 1000), 0.1, 1e-6);
  EXPECT_GT(scheduled_rate(1, 0, 1), 0.09);
}

}  // namespace
}  // namespace rekindle::trainer
