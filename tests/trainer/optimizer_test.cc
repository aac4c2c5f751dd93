// Optimizers against PyTorch's own, rates against their formulas.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "modules.h"
#include "trainer/fit/optimizer.h"
#include "trainer/fit/schedule.h"
#include "trainer/fit/stepper.h"

#undef CHECK
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adagrad.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

namespace rekindle::trainer {
namespace {

using Groups = std::vector<torch::optim::OptimizerParamGroup>;
constexpr double kDecay = 0.1, kRate = 0.01;

// Ours and PyTorch's of the same kind, over matrices that decay and biases that do not.
struct Kind {
  const char* name;
  void (*ours)(v1::Optimizer&);
  std::unique_ptr<torch::optim::Optimizer> (*theirs)(std::vector<at::Tensor> matrices,
                                                     std::vector<at::Tensor> biases);
};
std::ostream& operator<<(std::ostream& out, const Kind& k) {
  return out << k.name;
}

template <typename Optimizer, typename Options>
std::unique_ptr<torch::optim::Optimizer> torchs(std::vector<at::Tensor> matrices,
                                                std::vector<at::Tensor> biases, Options options) {
  Groups groups;
  auto decays = options;
  decays.weight_decay(kDecay);
  groups.emplace_back(std::move(matrices), std::make_unique<Options>(decays));
  groups.emplace_back(std::move(biases), std::make_unique<Options>(options.weight_decay(0)));
  return std::make_unique<Optimizer>(std::move(groups), options);
}

void sgd(v1::Optimizer& spec, double momentum, bool nesterov) {
  auto* s = spec.mutable_sgd();
  s->set_rate(kRate), s->set_decay(kDecay), s->set_momentum(momentum), s->set_nesterov(nesterov);
}
std::unique_ptr<torch::optim::Optimizer> torchs_sgd(std::vector<at::Tensor> matrices,
                                                    std::vector<at::Tensor> biases, double momentum,
                                                    bool nesterov) {
  return torchs<torch::optim::SGD>(std::move(matrices), std::move(biases),
                                   torch::optim::SGDOptions(kRate).momentum(momentum).nesterov(nesterov));
}

class Optimizers : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(
    Table, Optimizers,
    ::testing::Values(Kind{"adamw",
                           [](v1::Optimizer& s) {
                             s.mutable_adamw()->set_rate(kRate), s.mutable_adamw()->set_decay(kDecay);
                           },
                           [](auto m, auto b) {
                             return torchs<torch::optim::AdamW>(m, b, torch::optim::AdamWOptions(kRate));
                           }},
                      Kind{"adam with other betas",
                           [](v1::Optimizer& s) {
                             auto* a = s.mutable_adam();
                             a->set_rate(kRate), a->set_decay(kDecay), a->set_beta1(0.5), a->set_beta2(0.9);
                           },
                           [](auto m, auto b) {
                             return torchs<torch::optim::Adam>(
                                 m, b, torch::optim::AdamOptions(kRate).betas(std::tuple{0.5, 0.9}));
                           }},
                      Kind{"adagrad",
                           [](v1::Optimizer& s) {
                             s.mutable_adagrad()->set_rate(kRate), s.mutable_adagrad()->set_decay(kDecay);
                           },
                           [](auto m, auto b) {
                             return torchs<torch::optim::Adagrad>(m, b, torch::optim::AdagradOptions(kRate));
                           }},
                      Kind{"sgd", [](v1::Optimizer& s) { sgd(s, 0, false); },
                           [](auto m, auto b) { return torchs_sgd(m, b, 0, false); }},
                      Kind{"sgd with momentum", [](v1::Optimizer& s) { sgd(s, 0.9, false); },
                           [](auto m, auto b) { return torchs_sgd(m, b, 0.9, false); }},
                      Kind{"sgd with Nesterov's momentum", [](v1::Optimizer& s) { sgd(s, 0.9, true); },
                           [](auto m, auto b) { return torchs_sgd(m, b, 0.9, true); }}));

TEST_P(Optimizers, EqualPyTorchsOwn) {
  SmallModule f;
  v1::Optimizer spec;
  GetParam().ours(spec);
  Optimizer ours(f.parameters(), spec);
  std::vector<at::Tensor> copies, matrices, biases;
  for (const auto& leaf : f.parameters().leaves()) {
    copies.push_back(leaf.detach().clone().set_requires_grad(true));
    (leaf.dim() > 1 ? matrices : biases).push_back(copies.back());
  }
  auto theirs = GetParam().theirs(matrices, biases);
  for (uint64_t step = 1; step <= 20; ++step) {
    float* gradients = f.parameters().gradients().data_ptr<float>();
    for (const auto& p : f.layout().placed()) {
      for (size_t i = p.begin; i < p.begin + p.elements; ++i)
        gradients[i] = std::sin(static_cast<float>(i) * 0.1f + static_cast<float>(step));
    }
    for (size_t i = 0; i < copies.size(); ++i)
      copies[i].mutable_grad() = f.parameters().leaves()[i].grad().clone();
    ours.set(step, kRate);
    ours.apply();
    theirs->step();
  }
  for (size_t i = 0; i < copies.size(); ++i)
    EXPECT_LT((f.parameters().leaves()[i] - copies[i]).abs().max().item<double>(), 2e-6)
        << f.layout().placed()[i].parameter.name;
}

TEST(Clipping, EqualsPyTorchsOwn) {
  for (double most : {0.5, 1e6}) {
    SmallModule f;
    f.loss(small_examples(8)).backward();
    std::vector<at::Tensor> copies;
    for (const auto& leaf : f.parameters().leaves()) {
      copies.push_back(leaf.detach().clone());
      copies.back().mutable_grad() = leaf.grad() * 100;
    }
    f.parameters().gradients().mul_(100);
    const at::Tensor measured = gradient_norm(f.parameters());
    const double norm = measured.item<double>();
    EXPECT_NEAR(norm, torch::nn::utils::clip_grad_norm_(copies, most), 1e-4 * norm);
    EXPECT_GT(norm, 0.5);
    clip_gradients(f.parameters(), measured, most);
    for (size_t i = 0; i < copies.size(); ++i)
      EXPECT_TRUE(at::allclose(f.parameters().leaves()[i].grad(), copies[i].grad(), 1e-5, 1e-7));
  }
}

TEST(Average, FollowsTheParametersFromTheirFirstStep) {
  SmallModule f;
  auto lone = lone_rank();
  v1::Train spec;
  spec.mutable_optimizer()->mutable_sgd()->set_rate(0.5);
  spec.mutable_optimizer()->set_average(0.75);
  Stepper stepper(f.module, *lone, spec, 10);
  const auto examples = small_examples(8);
  std::vector<double> want;
  for (uint64_t step = 0; step < 5; ++step) {
    stepper.gradients(examples, positions(8), step, {});
    stepper.update(step);
    const auto values = f.parameters().host();
    if (step == 0) want.assign(values.begin(), values.end());
    for (size_t i = 0; i < want.size(); ++i) want[i] = 0.75 * want[i] + 0.25 * values[i];
  }
  const auto got = FlatParameters::to_host(stepper.judged());
  EXPECT_NE(got, f.parameters().host());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-6);
}

v1::Optimizer scheduled(const std::function<void(v1::Schedule&)>& change = {}) {
  v1::Optimizer out;
  out.mutable_adamw()->set_rate(1);
  if (change) change(*out.mutable_schedule());
  return out;
}

TEST(Rate, TheDefaultWarmsUpAndFallsToATenth) {
  const auto spec = scheduled();
  EXPECT_EQ(scheduled_rate(spec, 0, 1000), 1 / 50.0);
  EXPECT_EQ(scheduled_rate(spec, 24, 1000), 25 / 50.0);
  EXPECT_EQ(scheduled_rate(spec, 0, 100000), 1 / 100.0) << "at most 100 steps of it";
  for (uint64_t step : {49, 50, 400, 999}) {
    const double way = (static_cast<double>(step) + 1 - 50) / 950;
    EXPECT_EQ(scheduled_rate(spec, step, 1000),
              1 * (0.1 + 0.9 * 0.5 * (1 + std::cos(std::numbers::pi * way))));
  }
  EXPECT_NEAR(scheduled_rate(spec, 5000, 1000), 0.1, 1e-6);
  EXPECT_GT(scheduled_rate(spec, 0, 1), 0.09);
}

TEST(Rate, FollowsEachFormula) {
  auto constant = scheduled([](v1::Schedule& s) { s.mutable_constant(); });
  auto linear = scheduled([](v1::Schedule& s) { s.mutable_linear()->set_floor(0.2); });
  auto falls =
      scheduled([](v1::Schedule& s) { s.mutable_step()->set_every(30), s.mutable_step()->set_factor(0.5); });
  auto cosine = scheduled([](v1::Schedule& s) { s.mutable_cosine()->set_floor(0); });
  for (auto* spec : {&constant, &linear, &falls, &cosine}) {
    spec->mutable_warmup()->set_share(0.1);
    spec->mutable_warmup()->set_most(5);
    EXPECT_EQ(scheduled_rate(*spec, 0, 100), 0.2);
    EXPECT_EQ(scheduled_rate(*spec, 3, 100), 0.8);
    EXPECT_EQ(scheduled_rate(*spec, 4, 100), 1.0);
  }
  EXPECT_EQ(scheduled_rate(constant, 99, 100), 1);
  EXPECT_NEAR(scheduled_rate(linear, 99, 100), 0.2, 1e-12);
  EXPECT_NEAR(scheduled_rate(linear, 4 + 38, 100), 1 - 0.8 * 0.4, 1e-12);
  EXPECT_EQ(scheduled_rate(falls, 29, 100), 1);
  EXPECT_EQ(scheduled_rate(falls, 30, 100), 0.5);
  EXPECT_EQ(scheduled_rate(falls, 90, 100), 0.125);
  EXPECT_NEAR(scheduled_rate(cosine, 99, 100), 0, 1e-12);
  auto cold = scheduled([](v1::Schedule& s) { s.mutable_constant(); });
  cold.mutable_warmup()->set_share(0);
  EXPECT_EQ(scheduled_rate(cold, 0, 100), 1) << "0%: no warm-up";
}

}  // namespace
}  // namespace rekindle::trainer
