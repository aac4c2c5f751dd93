// The pieces of a fit: gradients against finite differences and PyTorch's own optimizer, the Reducer
// against an exact sum in rank order, dropout masks, checkpoints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "models/forward.h"
#include "run_ranks.h"
#include "trainer/fit/adamw.h"
#include "trainer/fit/checkpoint.h"
#include "trainer/fit/gradients.h"
#include "trainer/fit/module.h"

#undef CHECK
#include <torch/optim/adamw.h>

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;

v1::ModelCard card(bool linear = false) {
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

dataio::Encoded inputs(size_t rows, uint64_t salt = 0) {
  dataio::Encoded out;
  out.rows = rows;
  out.numeric_width = 6;
  out.categorical_width = 2;
  for (size_t i = 0; i < rows * 6; ++i)
    out.numeric.push_back(std::sin(1.0f + static_cast<float>(i * 3 + salt)));
  for (size_t i = 0; i < rows * 2; ++i) out.categorical.push_back(static_cast<int64_t>((i * 5 + salt) % 7));
  return out;
}

std::vector<float> labels(size_t rows, uint64_t salt = 0) {
  std::vector<float> out;
  for (size_t i = 0; i < rows; ++i) out.push_back(static_cast<float>((i * 7 + salt) % 3 == 0));
  return out;
}

struct Fixture {
  models::Network network;
  Module module;
  explicit Fixture(bool linear = false)
      : network(models::network_of(card(linear)).value()),
        module(network, Layout(network).flat(begin(network))) {}

  static models::Parameters begin(const models::Network& network) {
    auto out = models::initial_parameters(network, 3, 0.4);
    for (auto& [name, v] : out) {
      for (size_t i = 0; i < v.size(); ++i) v[i] += 0.1f * std::cos(static_cast<float>(i + name.size()));
    }
    return out;
  }
  at::Tensor loss(dataio::Encoded& x, std::vector<float>& y, const DropoutKey* key = nullptr) {
    const auto n = static_cast<int64_t>(x.rows);
    return Module::loss(module.forward(at::from_blob(x.numeric.data(), {n, 6}, at::kFloat),
                                       at::from_blob(x.categorical.data(), {n, 2}, at::kLong), key),
                        at::from_blob(y.data(), {n}, at::kFloat), 1.0 / 8);
  }
};

class Kinds : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(LinearAndTabular, Kinds, ::testing::Bool());

TEST_P(Kinds, ModuleAndPredictorAgree) {
  Fixture f(GetParam());
  auto x = inputs(50);
  auto logits = f.module.forward(at::from_blob(x.numeric.data(), {50, 6}, at::kFloat),
                                 at::from_blob(x.categorical.data(), {50, 2}, at::kLong), nullptr);
  auto probabilities = models::Forward(f.network, f.module.layout().named(f.module.values())).run(x);
  for (int64_t i = 0; i < 50; ++i) {
    EXPECT_NEAR(probabilities[static_cast<size_t>(i)], 1 / (1 + std::exp(-logits[i].item<double>())), 2e-6);
  }
}

TEST_P(Kinds, GradientsEqualFiniteDifferences) {
  Fixture f(GetParam());
  auto x = inputs(8);
  auto y = labels(8);
  auto lone = lone_rank();
  Gradients gradients(f.module, *lone);
  const DropoutKey key{1, 2, 0};
  const double middle = f.loss(x, y, &key).item<double>();
  gradients.before_forward();
  gradients.backward(f.loss(x, y, &key));
  const auto got = f.module.gradients();
  int checked = 0;
  for (const auto& p : f.module.layout().placed()) {
    for (size_t i = p.begin; i < p.begin + p.elements; i += 7) {
      const float kept = f.module.values()[i];
      const float h = 1e-3f;
      f.module.values()[i] = kept + h;
      const double up = f.loss(x, y, &key).item<double>();
      f.module.values()[i] = kept - h;
      const double down = f.loss(x, y, &key).item<double>();
      f.module.values()[i] = kept;
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

TEST(AdamW, EqualsPyTorchsOwn) {
  Fixture f;
  AdamW ours(f.module.layout());
  std::vector<torch::optim::OptimizerParamGroup> groups;
  std::vector<at::Tensor> matrices, biases;
  for (size_t i = 0; i < f.module.leaves().size(); ++i) {
    auto copy = f.module.leaves()[i].detach().clone().set_requires_grad(true);
    (copy.dim() > 1 ? matrices : biases).push_back(copy);
  }
  auto options = [](double decay) {
    return std::make_unique<torch::optim::AdamWOptions>(torch::optim::AdamWOptions(0.01).weight_decay(decay));
  };
  groups.emplace_back(matrices, options(0.1));
  groups.emplace_back(biases, options(0.0));
  torch::optim::AdamW theirs(groups, torch::optim::AdamWOptions(0.01));
  for (uint64_t step = 1; step <= 20; ++step) {
    for (size_t i = 0; i < f.module.gradients().size(); ++i) {
      f.module.gradients()[i] = std::sin(static_cast<float>(i) * 0.1f + static_cast<float>(step));
    }
    size_t matrix = 0, bias = 0;
    for (size_t i = 0; i < f.module.leaves().size(); ++i) {
      auto& copy = f.module.leaves()[i].dim() > 1 ? matrices[matrix++] : biases[bias++];
      copy.mutable_grad() = f.module.leaves()[i].grad().clone();
    }
    AdamWOptions o;
    o.rate = 0.01;
    o.decay = 0.1;
    ours.update(o, step, f.module.values(), f.module.gradients());
    theirs.step();
  }
  size_t matrix = 0, bias = 0;
  for (const auto& leaf : f.module.leaves()) {
    const auto& copy = leaf.dim() > 1 ? matrices[matrix++] : biases[bias++];
    EXPECT_LT((leaf - copy).abs().max().item<double>(), 2e-6);
  }
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
       {std::pair{DropoutKey{6, 9, 0}, 1}, {DropoutKey{5, 10, 0}, 1}, {DropoutKey{5, 9, 0}, 2}}) {
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

TEST(Rate, WarmsUpAndFalls) {
  EXPECT_LT(scheduled_rate(1, 0, 1000), 0.05);
  EXPECT_NEAR(scheduled_rate(1, 50, 1000), 1, 0.03);
  EXPECT_NEAR(scheduled_rate(1, 999, 1000), 0.1, 1e-6);
  EXPECT_NEAR(scheduled_rate(1, 5000, 1000), 0.1, 1e-6);
  EXPECT_GT(scheduled_rate(1, 0, 1), 0.09);
}

// Each rank computes all ranks' gradients by itself and adds them up in rank order.
RANK_BODY(reducer) {
  auto c = open_mpi(std::atoi(std::getenv("OMPI_COMM_WORLD_SIZE"))).value();
  Fixture ours, alone;
  Gradients reduced(ours.module, *c);
  auto lone = lone_rank();
  Gradients single(alone.module, *lone);
  const float share = 1.0f / static_cast<float>(c->size());
  for (uint64_t step = 0; step < 6; ++step) {
    // In step 3 the last rank has no rows.
    auto rows_of = [&](int rank) {
      return step == 3 && rank == c->size() - 1 ? size_t{0} : size_t{4} + rank;
    };
    FlatBuffer want;
    for (int r = 0; r < c->size(); ++r) {
      auto x = inputs(rows_of(r), step * 10 + r);
      auto y = labels(rows_of(r), step + r);
      single.before_forward();
      single.backward(alone.loss(x, y));
      auto part = alone.module.gradients();
      for (float& g : part) g *= share;
      if (r == 0)
        want = part;
      else
        for (size_t i = 0; i < want.size(); ++i) want[i] += part[i];
    }
    auto x = inputs(rows_of(c->rank()), step * 10 + c->rank());
    auto y = labels(rows_of(c->rank()), step + c->rank());
    reduced.before_forward();
    reduced.backward(ours.loss(x, y));
    if (std::memcmp(want.data(), ours.module.gradients().data(), want.size() * sizeof(float)) != 0) {
      return "gradients of step " + std::to_string(step);
    }
  }
  return "";
}

class ReducerRanks : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Table, ReducerRanks, ::testing::Values(1, 2, 3));
TEST_P(ReducerRanks, GradientsAreTheExactMeanInRankOrder) {
  auto ended = run_ranks(GetParam(), "reducer");
  EXPECT_EQ(ended.code, 0) << ended.log;
}

class Checkpoints : public ::testing::Test {
 protected:
  Checkpoints() : layout(f.network), folder(root / "checkpoints") {}
  ~Checkpoints() override { fs::remove_all(root); }

  static fs::path temp() {
    char name[] = "/tmp/rekindle-checkpoints-XXXXXX";
    return mkdtemp(name);
  }
  Checkpoint at(uint64_t step) {
    Checkpoint out{{}, layout.zeros(), layout.zeros(), layout.zeros(), layout.zeros()};
    out.state.set_step(step);
    out.state.set_identity("one fit");
    for (const auto& p : layout.placed()) {
      for (size_t i = p.begin; i < p.begin + p.elements; ++i)
        out.values[i] = static_cast<float>(step + i), out.best[i] = -1;
    }
    return out;
  }
  std::optional<uint64_t> newest(const std::string& identity = "one fit") {
    passed_over.clear();
    auto found = folder.newest(layout, identity, passed_over);
    return found ? std::optional(found->state.step()) : std::nullopt;
  }
  fs::path step(uint64_t n) { return root / "checkpoints" / ("step-" + std::to_string(n)); }

  Fixture f;
  Layout layout;
  fs::path root = temp();
  CheckpointFolder folder;
  std::vector<std::string> passed_over;
};

TEST_F(Checkpoints, TheNewestComesBackWhole) {
  EXPECT_FALSE(newest());
  for (uint64_t n : {3, 9, 20}) ASSERT_TRUE(folder.commit(layout, at(n), 2).ok());
  EXPECT_EQ(newest(), 20);
  EXPECT_FALSE(fs::exists(step(3))) << "only two are kept";
  auto found = folder.newest(layout, "one fit", passed_over);
  EXPECT_EQ(found->values, at(20).values);
  EXPECT_EQ(found->best, at(20).best);
  EXPECT_TRUE(passed_over.empty());
}

TEST_F(Checkpoints, TornOrDamagedOnesAreNeverChosen) {
  const std::vector<std::pair<std::string, std::function<void(fs::path)>>> damages = {
      {"no manifest", [](fs::path p) { fs::remove(p / "manifest.json"); }},
      {"no tensors", [](fs::path p) { fs::remove(p / "tensors.safetensors"); }},
      {"cut tensors", [](fs::path p) { fs::resize_file(p / "tensors.safetensors", 100); }},
      {"empty state", [](fs::path p) { fs::resize_file(p / "state.pb", 0); }},
      {"a flipped bit",
       [](fs::path p) {
         std::fstream file(p / "tensors.safetensors", std::ios::in | std::ios::out | std::ios::binary);
         file.seekp(-5, std::ios::end);
         file.put('\x7f');
       }},
      {"cut manifest", [](fs::path p) { fs::resize_file(p / "manifest.json", 10); }},
  };
  for (const auto& [name, damage] : damages) {
    fs::remove_all(root / "checkpoints");
    ASSERT_TRUE(folder.commit(layout, at(5), 3).ok());
    ASSERT_TRUE(folder.commit(layout, at(8), 3).ok());
    damage(step(8));
    EXPECT_EQ(newest(), 5) << name;
    EXPECT_EQ(passed_over.size(), 1u) << name;
    // The damaged one is replaced when the fit comes there again.
    ASSERT_TRUE(folder.commit(layout, at(8), 3).ok());
    EXPECT_EQ(newest(), 8) << name;
  }
}

TEST_F(Checkpoints, UncommittedFoldersAreNotCheckpoints) {
  ASSERT_TRUE(folder.commit(layout, at(5), 3).ok());
  ASSERT_TRUE(folder.commit(layout, at(8), 3).ok());
  fs::rename(step(8), step(8).string() + ".tmp");
  EXPECT_EQ(newest(), 5);
  folder.remove_leftovers();
  EXPECT_FALSE(fs::exists(step(8).string() + ".tmp"));
}

TEST_F(Checkpoints, AnotherFitsCheckpointIsNotResumed) {
  ASSERT_TRUE(folder.commit(layout, at(5), 3).ok());
  EXPECT_FALSE(newest("another fit"));
  ASSERT_EQ(passed_over.size(), 1u);
  EXPECT_THAT(passed_over[0], HasSubstr("another fit"));
}

TEST_F(Checkpoints, TravelBetweenRanks) {
  auto packed = pack(layout, at(7));
  auto back = unpack(layout, packed).value();
  EXPECT_EQ(back.state.step(), 7u);
  EXPECT_EQ(back.values, at(7).values);
  for (size_t size : {0u, 4u, 9u, 200u}) EXPECT_FALSE(unpack(layout, packed.substr(0, size)).ok());
}

}  // namespace
}  // namespace rekindle::trainer
