// No death, power cut, failed call or damage lets a torn or damaged checkpoint be loaded, and the newest
// good one is chosen. Exhaustive where the number of cases is finite; the counts are printed.
#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <fstream>

#include "file_faults.h"
#include "modules.h"
#include "trainer/fit/checkpoint.h"

namespace rekindle::trainer {
namespace {

constexpr const char* kFiles[] = {"manifest.json", "state.pb", "tensors.safetensors"};

class CheckpointProofs : public ::testing::Test {
 protected:
  CheckpointProofs() : layout_(network_.parameters()), folder_(root_ / "checkpoints") {
    for (uint64_t step : {3, 5}) EXPECT_TRUE(folder_.commit(layout_, at(step), 2).ok());
    fs::copy(root_ / "checkpoints", root_ / "before", fs::copy_options::recursive);
  }
  ~CheckpointProofs() override { fs::remove_all(root_); }

  static fs::path temp() {
    char name[] = "/tmp/rekindle-proofs-XXXXXX";
    return mkdtemp(name);
  }
  // Every tensor is different at every step.
  Checkpoint at(uint64_t step) const {
    Checkpoint out;
    out.state.set_step(step);
    out.state.set_identity("one fit");
    constexpr const char* kGroups[] = {"parameters", "moment1", "moment2", "best"};
    for (size_t b = 0; b < std::size(kGroups); ++b) {
      FlatBuffer& buffer = out.groups[kGroups[b]] = layout_.zeros();
      for (const auto& p : layout_.placed()) {
        for (size_t i = p.begin; i < p.begin + p.elements; ++i)
          buffer[i] = static_cast<float>(1000 * step + 100 * b) + static_cast<float>(i) / 7;
      }
    }
    return out;
  }
  void restore() {
    fs::remove_all(root_ / "checkpoints");
    fs::copy(root_ / "before", root_ / "checkpoints", fs::copy_options::recursive);
  }
  fs::path step(uint64_t n) const { return root_ / "checkpoints" / ("step-" + std::to_string(n)); }

  // The step that would be resumed; what was loaded must be that step's state, whole.
  uint64_t newest() {
    std::vector<std::string> passed_over;
    auto found = folder_.newest(layout_, "one fit", passed_over);
    if (!found) return 0;
    const auto want = at(found->state.step());
    EXPECT_EQ(found->state.SerializeAsString(), want.state.SerializeAsString());
    EXPECT_TRUE(found->groups == want.groups) << "a mixed state was loaded";
    return found->state.step();
  }
  // What the next attempt does.
  void next_attempt_commits() {
    folder_.remove_leftovers();
    ASSERT_TRUE(folder_.commit(layout_, at(8), 2).ok());
    EXPECT_EQ(newest(), 8u);
    ASSERT_TRUE(folder_.commit(layout_, at(12), 2).ok());
    EXPECT_EQ(newest(), 12u);
    EXPECT_LE(std::distance(fs::directory_iterator(root_ / "checkpoints"), fs::directory_iterator()), 2);
  }
  int commit_8() const { return folder_.commit(layout_, at(8), 2).ok() ? 0 : 1; }

  models::Network network_ = models::network_of(small_card()).value();
  Layout layout_;
  fs::path root_ = temp();
  CheckpointFolder folder_;
};

TEST_F(CheckpointProofs, AWriterThatDiesAtAnyCallLeavesAGoodOne) {
  uint64_t calls = 0;
  ASSERT_EQ(run_with_fault(
                {}, root_, [&] { return commit_8(); }, &calls),
            0);
  ASSERT_GE(calls, 15u) << "the calls of a commit are seen";
  size_t deaths = 0, still_5 = 0;
  for (auto kind : {FileFault::Kind::kKill, FileFault::Kind::kTear}) {
    for (int losses = 0; losses < 8; ++losses) {
      uint64_t chosen = 5;
      for (uint64_t at = 1; at <= calls; ++at) {
        restore();
        FileFault fault{kind, at, 0, (losses & 1) != 0, (losses & 2) != 0, (losses & 4) != 0};
        SCOPED_TRACE("death at call " + std::to_string(at) + ", losses " + std::to_string(losses));
        ASSERT_EQ(run_with_fault(fault, root_, [&] { return commit_8(); }), 128 + SIGKILL);
        const uint64_t found = newest();
        ASSERT_TRUE(found == 5 || found == 8) << found;
        // Once it is seen as committed it stays so, whatever comes after.
        if (losses == 0) {
          ASSERT_GE(found, chosen);
        }
        if (losses == 0) chosen = found;
        ++deaths;
        still_5 += found == 5;
        if (losses % 7 == 0) next_attempt_commits();
      }
      if (losses == 0) {
        EXPECT_EQ(chosen, 8u) << "the last calls only tidy up";
      }
    }
  }
  std::printf("%zu deaths at %llu calls: step 5 resumed %zu times, step 8 %zu times\n", deaths,
              static_cast<unsigned long long>(calls), still_5, deaths - still_5);
}

TEST_F(CheckpointProofs, AReportedCommitOutlivesAPowerCut) {
  FileFault fault{FileFault::Kind::kKill, 0, 0, true, true, true};
  uint64_t calls = 0;
  ASSERT_EQ(run_with_fault(
                {}, root_, [&] { return commit_8(); }, &calls),
            0);
  restore();
  fault.at = calls + 1;
  ASSERT_EQ(run_with_fault(fault, root_,
                           [&] {
                             if (commit_8() != 0) return 1;
                             return ::mkdir((root_ / "later").c_str(), 0700);
                           }),
            128 + SIGKILL);
  EXPECT_EQ(newest(), 8u);
}

TEST_F(CheckpointProofs, AnyCallMayFail) {
  uint64_t calls = 0;
  ASSERT_EQ(run_with_fault(
                {}, root_, [&] { return commit_8(); }, &calls),
            0);
  size_t refused = 0, committed = 0;
  for (int error : {EIO, ENOSPC}) {
    for (uint64_t at = 1; at <= calls; ++at) {
      restore();
      SCOPED_TRACE("call " + std::to_string(at) + " fails with " + std::to_string(error));
      FileFault fault{FileFault::Kind::kFail, at, error, false, false, false};
      const int code = run_with_fault(fault, root_, [&] { return commit_8(); });
      ASSERT_TRUE(code == 0 || code == 1) << code;
      const uint64_t found = newest();
      ASSERT_TRUE(found == 5 || found == 8) << found;
      if (code == 0) {
        EXPECT_EQ(found, 8u) << "a commit that was reported is there";
      }
      ++(code == 0 ? committed : refused);
      next_attempt_commits();
    }
  }
  EXPECT_GT(refused, calls / 2);
  std::printf("%zu failed calls: %zu reported, %zu without harm to the commit\n", refused + committed,
              refused, committed);
}

TEST_F(CheckpointProofs, FilesCutOffAt64Places) {
  ASSERT_TRUE(folder_.commit(layout_, at(8), 2).ok());
  size_t cuts = 0;
  for (const char* name : kFiles) {
    const fs::path path = step(8) / name;
    const auto whole = read_file(path).value();
    for (size_t i = 0; i < 64; ++i) {
      fs::resize_file(path, whole.size() * i / 64);
      EXPECT_EQ(newest(), 5u) << name << " cut at " << whole.size() * i / 64;
      std::ofstream(path, std::ios::binary) << whole;
      ++cuts;
    }
  }
  EXPECT_EQ(newest(), 8u);
  std::printf("%zu cuts, all noticed\n", cuts);
}

TEST_F(CheckpointProofs, AThousandFlippedBits) {
  ASSERT_TRUE(folder_.commit(layout_, at(8), 2).ok());
  uint64_t random = 1;
  size_t noticed = 0, harmless = 0;
  for (int i = 0; i < 1000; ++i) {
    const fs::path path = step(8) / kFiles[i % 3];
    const auto whole = read_file(path).value();
    auto damaged = whole;
    random = random * 6364136223846793005 + 1442695040888963407;
    const uint64_t bit = (random >> 16) % (whole.size() * 8);
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    std::ofstream(path, std::ios::binary) << damaged;
    // newest() holds every loaded byte against what was saved.
    const uint64_t found = newest();
    ASSERT_TRUE(found == 5 || found == 8) << path << " bit " << bit;
    if (found == 8) {
      EXPECT_EQ(path.filename(), "manifest.json") << "bit " << bit;
    }
    ++(found == 5 ? noticed : harmless);
    std::ofstream(path, std::ios::binary) << whole;
  }
  std::printf("1000 flipped bits: %zu noticed, %zu in the manifest that change nothing that is loaded\n",
              noticed, harmless);
}

struct Mishap {
  const char* name;
  std::function<void(const fs::path& five, const fs::path& eight)> happen;
  uint64_t resumes;
};

TEST_F(CheckpointProofs, MissingExtraAndSwappedFiles) {
  auto swap_file = [](const fs::path& a, const fs::path& b, const char* name) {
    fs::rename(a / name, a / "kept");
    fs::rename(b / name, a / name);
    fs::rename(a / "kept", b / name);
  };
  std::vector<Mishap> mishaps = {
      {"a file more", [](auto, auto eight) { std::ofstream(eight / "more") << "x"; }, 8},
      {"an empty newer folder",
       [](auto, auto eight) { fs::create_directory(eight.parent_path() / "step-9"); }, 8},
      {"a newer file in place of a folder",
       [](auto, auto eight) { std::ofstream(eight.parent_path() / "step-9"); }, 8},
      {"a newer folder of another name",
       [](auto five, auto eight) { fs::copy(five, eight.parent_path() / "step-9x"); }, 8},
      {"a number beyond all steps",
       [](auto five, auto eight) { fs::copy(five, eight.parent_path() / "step-99999999999999999999"); }, 8},
      {"an uncommitted newer one",
       [](auto five, auto eight) { fs::copy(five, eight.parent_path() / "step-9.tmp"); }, 8},
      {"an older one under a newer name",
       [](auto five, auto eight) { fs::copy(five, eight.parent_path() / "step-9"); }, 8},
      {"the whole folder is gone", [](auto, auto eight) { fs::remove_all(eight); }, 5},
      {"all but the manifest gone",
       [](auto, auto eight) {
         fs::remove(eight / "state.pb");
         fs::remove(eight / "tensors.safetensors");
       },
       5},
      {"state and manifest of another step",
       [&](auto five, auto eight) {
         swap_file(five, eight, "state.pb");
         swap_file(five, eight, "manifest.json");
       },
       0},
  };
  for (const char* name : kFiles) {
    mishaps.push_back({"a missing file", [name](auto, auto eight) { fs::remove(eight / name); }, 5});
    mishaps.push_back({"a file of another step",
                       [name](auto five, auto eight) {
                         fs::copy_file(five / name, eight / name, fs::copy_options::overwrite_existing);
                       },
                       5});
    mishaps.push_back({"a file swapped with another step's",
                       [&, name](auto five, auto eight) { swap_file(five, eight, name); }, 0});
    mishaps.push_back({"a folder in place of a file",
                       [name](auto, auto eight) {
                         fs::remove(eight / name);
                         fs::create_directory(eight / name);
                       },
                       5});
    mishaps.push_back({"a file that is a link to nothing",
                       [name](auto, auto eight) {
                         fs::remove(eight / name);
                         fs::create_symlink("nothing", eight / name);
                       },
                       5});
    mishaps.push_back({"a file doubled",
                       [name](auto, auto eight) {
                         const auto whole = read_file(eight / name).value();
                         std::ofstream(eight / name, std::ios::binary) << whole << whole;
                       },
                       5});
  }
  for (const auto& mishap : mishaps) {
    fs::remove_all(root_ / "checkpoints");
    for (uint64_t n : {5, 8}) ASSERT_TRUE(folder_.commit(layout_, at(n), 2).ok());
    mishap.happen(step(5), step(8));
    EXPECT_EQ(newest(), mishap.resumes) << mishap.name;
    folder_.remove_leftovers();
    ASSERT_TRUE(folder_.commit(layout_, at(12), 2).ok()) << mishap.name;
    EXPECT_EQ(newest(), 12u) << mishap.name;
  }
  std::printf("%zu mishaps\n", mishaps.size());
}

}  // namespace
}  // namespace rekindle::trainer
