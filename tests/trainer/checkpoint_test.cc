// Checkpoints: whole or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>

#include <fstream>

#include "base/files/shared.h"
#include "modules.h"
#include "trainer/fit/checkpoint_writer.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;

class Checkpoints : public ::testing::Test {
 protected:
  Checkpoints() : layout(f.parameters()), folder(root / "checkpoints") {}
  ~Checkpoints() override {
    std::error_code ignored;
    remove_tree(root, ignored);
  }

  static fs::path temp() {
    std::string name = (fs::temp_directory_path() / "rekindle-checkpoints-XXXXXX").string();
    return mkdtemp(name.data());
  }
  Checkpoint at(uint64_t step) {
    Checkpoint out;
    for (const char* group : {"parameters", "moment1", "best"}) out.groups[group] = layout.zeros();
    out.state.set_step(step);
    out.state.set_identity("one fit");
    for (const auto& p : layout.placed()) {
      for (size_t i = p.begin; i < p.begin + p.elements; ++i)
        out.groups["parameters"][i] = static_cast<float>(step + i), out.groups["best"][i] = -1;
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
  EXPECT_EQ(found->groups, at(20).groups);
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
    std::error_code ignored;
    remove_tree(root / "checkpoints", ignored);
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
  EXPECT_EQ(back.groups, at(7).groups);
  for (size_t size : {0u, 4u, 9u, 200u}) EXPECT_FALSE(unpack(layout, packed.substr(0, size)).ok());
}

TEST_F(Checkpoints, TheBestEpochsStaysBesideTheNewest) {
  auto epoch_end = [&](uint64_t step, uint32_t epoch, uint32_t best) {
    auto out = at(step);
    out.state.set_epoch(epoch);
    out.state.set_best_epoch(best);
    return out;
  };
  for (const auto& checkpoint :
       {epoch_end(10, 1, 1), epoch_end(20, 2, 2), epoch_end(30, 3, 2), epoch_end(40, 4, 2)})
    ASSERT_TRUE(folder.commit(layout, checkpoint, 1, /*best=*/true).ok());
  EXPECT_EQ(newest(), 40);
  EXPECT_FALSE(fs::exists(step(10)));
  EXPECT_TRUE(fs::exists(step(20)));
  EXPECT_FALSE(fs::exists(step(30)));
  ASSERT_TRUE(folder.commit(layout, epoch_end(50, 5, 5), 1, true).ok());
  EXPECT_FALSE(fs::exists(step(20))) << "it is no longer the best";
}

TEST_F(Checkpoints, TheEndOfAnEpochTakesTheStepsPlace) {
  ASSERT_TRUE(folder.commit(layout, at(8), 3).ok());
  auto end = at(8);
  end.state.set_epoch(1);
  ASSERT_TRUE(folder.commit(layout, end, 3).ok());
  auto found = folder.newest(layout, "one fit", passed_over);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state.epoch(), 1u);
  for (const auto& entry : fs::directory_iterator(root / "checkpoints"))
    EXPECT_EQ(entry.path().filename(), "step-8");
}

class Writer : public Checkpoints {
 protected:
  v1::CheckpointState state(uint64_t n) { return at(n).state; }
  Groups groups() { return {{"parameters", values}}; }
  at::Tensor values = at::zeros({static_cast<int64_t>(layout.size())});
};

TEST_F(Writer, WritesWhatWasThereWhenItBegan) {
  CheckpointWriter writer(folder, layout, {}, nullptr);
  for (uint64_t n : {3, 9}) {
    for (const auto& p : layout.placed())
      values.narrow(0, static_cast<int64_t>(p.begin), static_cast<int64_t>(p.elements))
          .fill_(static_cast<double>(n));
    writer.begin(state(n), groups());
    EXPECT_GE(writer.taken(), 0);
    values.fill_(-5);  // the next update
  }
  ASSERT_TRUE(writer.finish().ok());
  auto found = folder.newest(layout, "one fit", passed_over);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state.step(), 9u);
  EXPECT_EQ(found->groups.at("parameters")[0], 9.0f);
  EXPECT_GT(writer.longest_seconds(), 0);
}

// A file may grow no further than this, as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

TEST_F(Writer, AFullDiskLeavesThePreviousOne) {
  CheckpointWriter writer(folder, layout, {}, nullptr);
  writer.begin(state(3), groups());
  ASSERT_TRUE(writer.finish().ok());
  {
    FullDisk full(1000);
    writer.begin(state(9), groups());
    const auto ended = writer.finish();
    EXPECT_FALSE(ended.ok());
    EXPECT_THAT(ended.message(), HasSubstr("tensors.safetensors"));
  }
  EXPECT_EQ(newest(), 3);
  EXPECT_FALSE(fs::exists(step(9).string() + ".tmp")) << "what was written takes room";
  writer.begin(state(9), groups());
  ASSERT_TRUE(writer.finish().ok());
  EXPECT_EQ(newest(), 9);
}

}  // namespace
}  // namespace rekindle::trainer
