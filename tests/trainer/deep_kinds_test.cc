// cnn and transformer: against PyTorch's own modules (golden/make_kinds.py), and what data-parallel training
// and serving rest on: sums over rows, rows without neighbours, chance by counters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <numeric>

#include "trainer/kinds/cnn.h"
#include "trainer/kinds/module_predictor.h"
#include "trainer/kinds/transformer.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;

std::vector<int64_t> positions(size_t count) {
  std::vector<int64_t> out(count);
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

enum class Which { kCnn, kEncoder, kDecoder };
constexpr Which kAll[] = {Which::kCnn, Which::kEncoder, Which::kDecoder};

const char* name_of(Which which) {
  return which == Which::kCnn ? "cnn" : which == Which::kEncoder ? "encoder" : "decoder";
}

v1::ModelCard card_of(Which which, bool chance) {
  v1::ModelCard out;
  out.set_format(1);
  auto* input = out.add_inputs();
  input->set_name("input");
  out.mutable_label()->set_kind(v1::Label::MULTICLASS);
  for (const char* name : {"a", "b", "c"}) out.mutable_label()->add_classes(name);
  if (which == Which::kCnn) {
    input->set_type(v1::BYTES);
    auto* cnn = out.mutable_kind()->mutable_cnn();
    cnn->set_size(8);
    cnn->set_width(4);
    cnn->add_blocks(1);
    cnn->add_blocks(2);
    cnn->set_crop(chance ? 2 : 0);
    cnn->set_flip(chance);
    return out;
  }
  input->set_type(v1::TOKENS);
  auto* transformer = out.mutable_kind()->mutable_transformer();
  transformer->set_vocabulary(11);
  transformer->set_context(6);
  transformer->set_width(16);
  transformer->set_layers(2);
  transformer->set_heads(2);
  transformer->set_causal(which == Which::kDecoder);
  transformer->set_dropout(chance ? 0.25 : 0);
  return out;
}

// The rows of golden/make_kinds.py.
Examples golden_rows() {
  Examples out;
  out.images = {{8, 3}, 5, {}};
  for (int i = 0; i < 5 * 3 * 8 * 8; ++i)
    out.images.values.push_back(static_cast<uint8_t>(i * 37 + i / 7 * 11));
  const int lengths[] = {3, 6, 1, 5, 2};
  for (int r = 0; r < 5; ++r) {
    std::vector<int32_t> row;
    for (int p = 0; p < lengths[r]; ++p) row.push_back((r * 5 + p * 3 + r * p) % 11);
    out.tokens.push_back(std::make_shared<const std::vector<int32_t>>(std::move(row)));
  }
  out.labels = {0, 2, 1, 2, 0};
  return out;
}

bool is_scale(const std::string& name) {
  return name.ends_with(".weight") &&
         (name.find("bn") != std::string::npos || name.find("norm") != std::string::npos ||
          name.find("downsample.1") != std::string::npos);
}

std::unique_ptr<Module> module_of(Which which, bool chance) {
  at::set_num_threads(1);
  auto module = make_module(card_of(which, chance)).value();
  models::Parameters values;
  for (const auto& p : module->layout().placed()) {
    auto& to = values[p.parameter.name];
    for (size_t i = 0; i < p.elements; ++i)
      to.push_back(static_cast<float>(
          0.2 * std::cos(static_cast<double>(i) * 0.37 + static_cast<double>(p.parameter.name.size())) +
          (is_scale(p.parameter.name) ? 1.0 : 0.0)));
  }
  module->parameters().load(module->layout().flat(values));
  return module;
}

const boost::json::object& golden(Which which) {
  static const boost::json::value value = [] {
    std::ifstream file("tests/trainer/golden/kinds.json");
    return boost::json::parse(
        std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
  }();
  return value.at(name_of(which)).as_object();
}

struct Sum {
  double loss;
  std::vector<float> gradients;
};
Sum sum_over(Module& module, const Examples& examples, std::span<const int64_t> rows, const StepKey& key) {
  module.parameters().zero_gradients();
  auto loss = module.loss(examples, rows, key, 1.0);
  loss.backward();
  const auto flat = FlatParameters::to_host(module.parameters().gradients());
  return {loss.item<double>(), {flat.begin(), flat.end()}};
}

class DeepKinds : public ::testing::TestWithParam<Which> {};
INSTANTIATE_TEST_SUITE_P(All, DeepKinds, ::testing::ValuesIn(kAll),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(DeepKinds, AreWhatPyTorchComputes) {
  auto module = module_of(GetParam(), false);
  const Examples examples = golden_rows();
  const auto& expected = golden(GetParam());
  const auto sum = sum_over(*module, examples, positions(5), {});
  const double loss = expected.at("loss").to_number<double>();
  EXPECT_NEAR(sum.loss, loss, 1e-5 * loss);
  // Probabilities of the published answers from the golden logits.
  const auto answers = module->outputs(examples, 0, 5);
  const auto& logits = expected.at("logits").as_array();
  for (size_t r = 0; r < 5; ++r) {
    double total = 0;
    for (size_t c = 0; c < 3; ++c) total += std::exp(logits[r * 3 + c].to_number<double>());
    for (size_t c = 0; c < 3; ++c)
      EXPECT_NEAR(answers[r * 3 + c], std::exp(logits[r * 3 + c].to_number<double>()) / total, 1e-5);
  }
  const auto& norms = expected.at("gradient_norms").as_object();
  EXPECT_EQ(norms.size(), module->layout().placed().size()) << "every parameter has PyTorch's name";
  for (const auto& p : module->layout().placed()) {
    double squares = 0;
    for (size_t i = 0; i < p.elements; ++i) squares += std::pow(sum.gradients[p.begin + i], 2);
    const double norm = norms.at(p.parameter.name).to_number<double>();
    EXPECT_NEAR(std::sqrt(squares), norm, 1e-4 * norm + 1e-6) << p.parameter.name;
  }
}

// Two ranks, or two parts of a rank's share, see the same shifts and drops as one and add up to its loss.
TEST_P(DeepKinds, PartsAddUpToTheWhole) {
  auto module = module_of(GetParam(), true);
  const Examples examples = golden_rows();
  const std::vector<int64_t> order = {3, 0, 4, 1, 2};
  const auto whole = sum_over(*module, examples, order, {1, 9, 0});
  const auto first = sum_over(*module, examples, std::span(order).first(2), {1, 9, 0});
  const auto second = sum_over(*module, examples, std::span(order).subspan(2), {1, 9, 2});
  EXPECT_NEAR(whole.loss, first.loss + second.loss, 1e-5 * whole.loss);
  for (size_t i = 0; i < whole.gradients.size(); ++i)
    EXPECT_NEAR(whole.gradients[i], first.gradients[i] + second.gradients[i], 2e-4) << i;
  EXPECT_EQ(sum_over(*module, examples, order, {1, 9, 0}).gradients, whole.gradients)
      << "chance repeats itself";
  EXPECT_NE(sum_over(*module, examples, order, {1, 10, 0}).loss, whole.loss) << "but not in another step";
  EXPECT_NE(sum_over(*module, examples, order, {2, 9, 0}).loss, whole.loss) << "nor for another seed";
}

TEST_P(DeepKinds, ARankWithoutRowsTouchesEveryParameter) {
  auto module = module_of(GetParam(), true);
  auto loss = module->loss(golden_rows(), {}, {}, 1.0);
  EXPECT_EQ(loss.item<double>(), 0);
  loss.backward();
  EXPECT_TRUE(module->parameters().gradients().eq(0).all().item<bool>());
}

TEST_P(DeepKinds, AnAnswerHasTheSameBitsInAnyCompany) {
  auto module = module_of(GetParam(), true);
  Examples examples = golden_rows();
  const auto whole = module->outputs(examples, 0, 5);
  for (size_t r = 0; r < 5; ++r) {
    const auto alone = module->outputs(examples, r, r + 1);
    EXPECT_EQ(alone, (std::vector<double>{whole.begin() + static_cast<ptrdiff_t>(3 * r),
                                          whole.begin() + static_cast<ptrdiff_t>(3 * r + 3)}));
  }
}

TEST_P(DeepKinds, StartIsTheSeedsAndAnswersTheConstant) {
  auto module = make_module(card_of(GetParam(), true)).value();
  const Examples examples = golden_rows();
  const auto one = module->initial(1, examples), same = module->initial(1, examples),
             other = module->initial(2, examples);
  EXPECT_EQ(one, same);
  EXPECT_NE(one, other);
  module->parameters().load(module->layout().flat(one));
  const auto answers = module->outputs(examples, 1, 2);
  EXPECT_NEAR(answers[0], 0.4, 1e-5);
  EXPECT_NEAR(answers[1], 0.2, 1e-5);
}

TEST(TransformerRows, PaddingEmptyAndLongRows) {
  auto module = module_of(Which::kEncoder, false);
  Examples examples = golden_rows();
  examples.tokens[2] = nullptr;
  examples.tokens[4] = std::make_shared<const std::vector<int32_t>>();
  // Longer than the context: the last six count.
  examples.tokens[0] =
      std::make_shared<const std::vector<int32_t>>(std::vector<int32_t>{9, 9, 0, 8, 4, 0, 7, 3});
  examples.tokens[1] = std::make_shared<const std::vector<int32_t>>(std::vector<int32_t>{0, 8, 4, 0, 7, 3});
  const auto answers = module->outputs(examples, 0, 5);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_EQ(answers[c], answers[3 + c]) << "the last tokens of a longer row";
    EXPECT_EQ(answers[6 + c], answers[12 + c]) << "none and an empty list";
    EXPECT_TRUE(std::isfinite(answers[6 + c]));
  }
  const auto sum = sum_over(*module, examples, positions(5), {});
  EXPECT_TRUE(std::isfinite(sum.loss));
  for (const float g : sum.gradients) ASSERT_TRUE(std::isfinite(g));
}

TEST(Decoder, ATokenSeesThoseBeforeItAlone) {
  auto module = module_of(Which::kDecoder, false);
  auto& decoder = static_cast<Transformer&>(*module);
  // The answer of the third token, taken from a row that goes on, is that of the row cut there.
  auto tokens = at::tensor({1, 2, 3, 4, 5, 6}, at::kLong).view({1, 6});
  const at::NoGradGuard no_grad;
  const auto cut = decoder.forward({tokens.narrow(1, 0, 3), at::tensor({3}, at::kLong)});
  const auto within = decoder.forward({tokens, at::tensor({3}, at::kLong)});
  EXPECT_TRUE(at::allclose(cut, within, 1e-5, 1e-6));
  tokens[0][0] = 9;
  EXPECT_FALSE(at::allclose(cut, decoder.forward({tokens, at::tensor({3}, at::kLong)}), 1e-5, 1e-6));
}

TEST(DeepKindsCards, WhatCannotBeIsRefused) {
  auto cnn = card_of(Which::kCnn, false);
  for (int i = 0; i < 4; ++i) cnn.mutable_kind()->mutable_cnn()->add_blocks(1);
  EXPECT_THAT(make_module(cnn).status().message(), HasSubstr("halve 8 pixels to nothing"));
  auto encoder = card_of(Which::kEncoder, false);
  encoder.mutable_kind()->mutable_transformer()->set_heads(3);
  EXPECT_THAT(make_module(encoder).status().message(), HasSubstr("3 heads do not divide a width of 16"));
  encoder = card_of(Which::kEncoder, false);
  dataio::Table rows;
  rows.add(dataio::tokens_column("input", {{1, 2}, {3, 11}}));
  EXPECT_THAT(
      make_examples(encoder, rows).status().message(),
      HasSubstr("column 'input', row 1: token 11 is not below train.model.transformer.vocabulary, 11"));
  rows = {};
  rows.add(dataio::bytes_column("input", {"no image"}));
  EXPECT_THAT(make_examples(card_of(Which::kCnn, false), rows).status().message(),
              HasSubstr("column 'input', row 0: neither a JPEG nor a PNG"));
  EXPECT_THAT(make_examples(encoder, rows).status().message(),
              HasSubstr("holds bytes values; tokens is needed"));
}

TEST(DeepKindsCards, APredictorReadsWhatWasPublishedAndNothingElse) {
  auto module = module_of(Which::kEncoder, false);
  const std::string file = module->layout().safetensors(module->parameters().host());
  auto predictor = make_module_predictor(card_of(Which::kEncoder, false), file);
  ASSERT_TRUE(predictor.ok()) << predictor.status().message();
  dataio::Table rows;
  rows.add(dataio::tokens_column("input", {{0, 3, 6}}));
  const auto answers = (*predictor)->predict(rows);
  ASSERT_TRUE(answers.ok()) << answers.status().message();
  auto other = card_of(Which::kEncoder, false);
  other.mutable_kind()->mutable_transformer()->set_layers(1);
  EXPECT_THAT(make_module_predictor(other, file).status().message(),
              HasSubstr("which the model card does not name"));
  other.mutable_kind()->mutable_transformer()->set_layers(3);
  EXPECT_EQ(make_module_predictor(other, file).status().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace rekindle::trainer
