#include "models/predictor.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "artifacts/fake_store.h"
#include "artifacts/manifest.h"
#include "dataio/transforms.h"
#include "models/network.h"

namespace rekindle::models {
namespace {

using ::testing::HasSubstr;

v1::ModelCard card(bool linear = false) {
  v1::ModelCard out;
  out.set_format(1);
  out.set_model("flight-delay");
  if (linear) {
    out.mutable_kind()->mutable_linear();
  } else {
    auto* tabular = out.mutable_kind()->mutable_tabular();
    tabular->add_hidden(128);
    tabular->add_hidden(64);
    tabular->set_embedding(8);
    tabular->set_dropout(0.1);
  }
  for (int i = 0; i < 7; ++i) {
    auto* n = out.mutable_transforms()->add_numeric();
    n->set_column("n" + std::to_string(i));
    n->set_low(-3), n->set_high(3), n->set_mean(0.5), n->set_scale(2), n->set_indicator(i % 2 == 1);
  }
  for (int i = 0; i < 4; ++i) {
    auto* c = out.mutable_transforms()->add_categorical();
    c->set_column("c" + std::to_string(i));
    for (int v = 0; v < 5 + 20 * i; ++v) c->add_values("v" + std::to_string(v));
  }
  return out;
}

dataio::Table rows(size_t count) {
  dataio::Table out;
  for (int i = 0; i < 7; ++i) {
    std::vector<double> values;
    for (size_t r = 0; r < count; ++r) values.push_back(r % 11 == 0 ? NAN : std::sin(1.0 + r * (i + 1)) * 4);
    out.add(dataio::number_column("n" + std::to_string(i), std::move(values)));
  }
  for (int i = 0; i < 4; ++i) {
    std::vector<std::string> values;
    for (size_t r = 0; r < count; ++r) values.push_back("v" + std::to_string((r * 7 + i) % (9 + 20 * i)));
    out.add(dataio::text_column("c" + std::to_string(i), values));
  }
  return out;
}

std::string weights(const v1::ModelCard& card) {
  auto network = network_of(card).value();
  auto parameters = initial_parameters(network, 7, {0.3});
  // The output begins at zero; give every row something to differ by.
  for (auto& [name, values] : parameters) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] += 0.05f * std::cos(static_cast<float>(i) + name.size());
  }
  return save_parameters(network, parameters);
}

// The same sums in double, straight from the definition.
double reference(const v1::ModelCard& card, const dataio::Table& table, size_t row) {
  auto network = network_of(card).value();
  auto parameters = read_parameters(network, weights(card)).value();
  auto encoded = dataio::apply(card.transforms(), table).value();
  std::vector<double> x;
  for (size_t i = 0; i < encoded.numeric_width; ++i)
    x.push_back(encoded.numeric[row * encoded.numeric_width + i]);
  double additive = 0;
  for (size_t c = 0; c < network.embeddings.size(); ++c) {
    const auto& e = network.embeddings[c];
    int64_t index = encoded.categorical[row * encoded.categorical_width + c];
    for (int64_t k = 0; k < e.width; ++k) {
      double value = parameters[e.parameter][index * e.width + k];
      if (network.additive)
        additive += value;
      else
        x.push_back(value);
    }
  }
  for (const auto& l : network.layers) {
    std::vector<double> y;
    for (int64_t o = 0; o < l.outputs; ++o) {
      double sum = parameters[l.bias][o];
      for (int64_t i = 0; i < l.inputs; ++i) sum += parameters[l.weight][o * l.inputs + i] * x[i];
      y.push_back(&l == &network.layers.back() ? sum : std::max(sum, 0.0));
    }
    x = y;
  }
  return 1 / (1 + std::exp(-(x[0] + additive)));
}

class BuiltInKinds : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(LinearAndTabular, BuiltInKinds, ::testing::Bool());

TEST_P(BuiltInKinds, EqualTheDefinition) {
  auto c = card(GetParam());
  auto predictor = make_predictor(c, weights(c)).value();
  auto table = rows(37);
  auto got = predictor->predict(table).value().values;
  ASSERT_EQ(got.size(), 37u);
  for (size_t r = 0; r < got.size(); ++r) EXPECT_NEAR(got[r], reference(c, table, r), 1e-5) << r;
  EXPECT_GT(*std::max_element(got.begin(), got.end()) - *std::min_element(got.begin(), got.end()), 0.01);
}

TEST_P(BuiltInKinds, DoNotDependOnTheOtherRowsOfTheCall) {
  auto c = card(GetParam());
  auto predictor = make_predictor(c, weights(c)).value();
  auto table = rows(131);
  auto whole = predictor->predict(table).value().values;
  for (size_t size : {1u, 2u, 3u, 5u, 64u}) {
    for (uint32_t begin = 0; begin + size <= 131; begin += 13) {
      std::vector<uint32_t> picked;
      for (uint32_t r = 0; r < size; ++r) picked.push_back(begin + r);
      auto part = predictor->predict(dataio::take(table, picked)).value().values;
      for (size_t r = 0; r < size; ++r) ASSERT_EQ(part[r], whole[begin + r]) << size << " from " << begin;
    }
  }
}

TEST(Predictor, AnswersManyThreadsAtOnce) {
  auto c = card();
  auto predictor = make_predictor(c, weights(c)).value();
  auto table = rows(20);
  const auto want = predictor->predict(table).value();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) wrong += predictor->predict(table).value() != want;
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Predictor, ASmallRequestTakesMicroseconds) {
  auto c = card();
  auto predictor = make_predictor(c, weights(c)).value();
  auto table = rows(20);
  double best = 1e9;
  for (int i = 0; i < 200; ++i) {
    auto begin = std::chrono::steady_clock::now();
    auto got = predictor->predict(table);
    best = std::min(
        best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    ASSERT_TRUE(got.ok());
  }
  RecordProperty("microseconds", std::to_string(best));
  std::printf("20 rows: %.1f us\n", best);
  EXPECT_LT(best, 300);
}

TEST(Predictor, AMissingColumnIsNamed) {
  auto c = card();
  auto predictor = make_predictor(c, weights(c)).value();
  auto table = rows(3);
  table.columns.erase(table.columns.begin() + 2);
  auto got = predictor->predict(table);
  ASSERT_FALSE(got.ok());
  EXPECT_THAT(got.status().message(), HasSubstr("n2"));
}

TEST(Predictor, WeightsOfAnotherNetworkAreRefused) {
  auto c = card();
  auto other = card();
  other.mutable_kind()->mutable_tabular()->set_hidden(1, 32);
  EXPECT_EQ(make_predictor(c, weights(other)).status().code(), Code::kDataLoss);
  auto network = network_of(c).value();
  auto parameters = read_parameters(network, weights(c)).value();
  parameters["layer0.bias"][3] = NAN;
  auto refused = make_predictor(c, save_parameters(network, parameters));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().message(), HasSubstr("layer0.bias"));
}

TEST(Predictor, AnUnknownKindOrFormatIsUnimplemented) {
  auto c = card();
  c.clear_kind();
  EXPECT_EQ(make_predictor(c, "").status().code(), Code::kUnimplemented);
  c = card();
  c.set_format(2);
  EXPECT_EQ(make_predictor(c, "").status().code(), Code::kUnimplemented);
}

TEST(Predictor, LoadsAVersionAndRefusesADamagedOne) {
  auto c = card();
  artifacts::FakeStore store;
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  ASSERT_TRUE(google::protobuf::util::MessageToJsonString(c, &json, options).ok());
  artifacts::ManifestWriter writer(store, "flight-delay");
  ASSERT_TRUE(writer.add("model.json", json).ok());
  ASSERT_TRUE(writer.add("model.safetensors", weights(c)).ok());
  auto manifest = writer.finish().value();
  auto loaded = load_predictor(store, manifest);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  auto table = rows(5);
  EXPECT_EQ((*loaded)->predict(table).value(), make_predictor(c, weights(c)).value()->predict(table).value());
  store.damage(store.put(weights(c)).value());
  EXPECT_FALSE(load_predictor(store, manifest).ok());
}

TEST(Network, InitialParametersFollowFromSeedAlone) {
  auto network = network_of(card()).value();
  EXPECT_EQ(initial_parameters(network, 1, {0.2}), initial_parameters(network, 1, {0.2}));
  EXPECT_NE(initial_parameters(network, 1, {0.2}), initial_parameters(network, 2, {0.2}));
  auto first = initial_parameters(network, 1, {0.2});
  for (const auto& e : network.embeddings) {
    for (int64_t k = 0; k < e.width; ++k)
      EXPECT_EQ(first[e.parameter][k], 0) << "the unknown category begins at zero";
  }
  EXPECT_NEAR(first["layer2.bias"][0], std::log(0.25), 1e-6);
}

TEST(Network, RefusesWhatCannotBe) {
  auto c = card();
  c.mutable_kind()->mutable_tabular()->set_hidden(0, 0);
  EXPECT_FALSE(network_of(c).ok());
  c = card();
  c.clear_transforms();
  EXPECT_FALSE(network_of(c).ok());
  c = card();
  c.mutable_kind()->mutable_tabular()->set_dropout(1);
  EXPECT_FALSE(network_of(c).ok());
}

TEST(Network, WidthOfAnEmbeddingGrowsSlowly) {
  EXPECT_EQ(embedding_width(2, 8), 2);
  EXPECT_EQ(embedding_width(8, 8), 5);
  EXPECT_EQ(embedding_width(105, 8), 8);
  EXPECT_EQ(embedding_width(105, 64), 22);
}

}  // namespace
}  // namespace rekindle::models
