// Checkpoints: whole or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "modules.h"
#include "trainer/fit/checkpoint.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;

class Checkpoints : public ::testing::Test {
 protected:
  Checkpoints() : layout(f.parameters()), folder(root / "checkpoints") {}
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

  models::Network f = models::network_of(small_card()).value();
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
