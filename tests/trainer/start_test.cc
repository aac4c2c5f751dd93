// Warm starts: what of a version is taken over, and how that reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/safetensors.h"
#include "modules.h"
#include "trainer/fit/start.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Version {
  v1::ModelCard card;
  models::Network network;
  models::Parameters parameters;
  explicit Version(v1::ModelCard c) : card(std::move(c)), network(models::network_of(card).value()) {
    parameters = small_parameters(network);
  }
  std::string file() const { return models::save_parameters(network, parameters); }
};

std::string taken(Version& now, const Version& then) {
  return take_over(now.card, Layout(now.network.parameters()), then.card, then.file(), now.parameters)
      .value();
}

TEST(WarmStart, TakesEverythingOfTheSameModel) {
  Version now(small_card()), then(small_card());
  for (auto& [name, values] : now.parameters) std::fill(values.begin(), values.end(), 0.0f);
  EXPECT_EQ(taken(now, then), "8 of 8 parameters taken over");
  EXPECT_EQ(now.parameters, then.parameters);
}

TEST(WarmStart, CategoriesGoByTheirValue) {
  auto card = small_card();
  auto* values = card.mutable_transforms()->mutable_categorical(1)->mutable_values();
  // "5" is gone, "new" has come, the others have moved.
  values->Clear();
  for (const char* v : {"4", "new", "0", "1", "2", "3"}) values->Add(v);
  Version now(card), then(small_card());
  for (auto& [name, v] : now.parameters) std::fill(v.begin(), v.end(), 0.5f);
  EXPECT_EQ(taken(now, then), "8 of 8 parameters taken over; embedding.c1: 5 of 6 values were known");
  const auto& mine = now.parameters.at("embedding.c1");
  const auto& theirs = then.parameters.at("embedding.c1");
  const size_t width = mine.size() / 7;
  const std::vector<std::pair<size_t, size_t>> rows = {{0, 0}, {1, 5}, {3, 1}, {4, 2}, {5, 3}, {6, 4}};
  for (const auto& [to, from] : rows) {
    for (size_t i = 0; i < width; ++i) EXPECT_EQ(mine[to * width + i], theirs[from * width + i]) << to;
  }
  EXPECT_EQ(mine[2 * width], 0.5f) << "a new value begins by the seed";
}

TEST(WarmStart, SaysWhatBeginsAnew) {
  auto card = small_card();
  card.mutable_kind()->mutable_tabular()->set_hidden(1, 12);
  card.mutable_transforms()->mutable_categorical(0)->set_column("other");
  Version now(card), then(small_card());
  const auto text = taken(now, then);
  EXPECT_THAT(text, HasSubstr("4 of 8 parameters taken over"));
  EXPECT_THAT(text, HasSubstr("embedding.other is new"));
  EXPECT_THAT(text, HasSubstr("layer1.weight begins anew, its shape was [10, 24] and is [12, 24]"));
  EXPECT_THAT(text, Not(HasSubstr("embedding.c0")));
}

TEST(WarmStart, ADamagedVersionIsRefused) {
  Version now(small_card()), then(small_card());
  auto file = then.file();
  file.resize(file.size() - 4);
  EXPECT_FALSE(take_over(now.card, Layout(now.network.parameters()), then.card, file, now.parameters).ok());
}

}  // namespace
}  // namespace rekindle::trainer
