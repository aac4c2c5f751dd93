// What `rekindle-serve try` tells the gate of a candidate.
#include "serving/probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "artifacts/manifest.h"
#include "versions.h"

namespace rekindle::serving::testing {
namespace {

using ::testing::HasSubstr;

class ProbeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "rekindle-probe-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    store_ = artifacts::open_folder_store(folder_ / "artifacts").value();
  }
  void TearDown() override { fs::remove_all(folder_); }

  v1::ServingProbe tried(const std::string& manifest, const std::string& model = "m") {
    auto loader = Loader::open(artifacts::open_folder_store(folder_ / "artifacts").value(), folder_ / "node",
                               {.scratch = folder_ / "predictors"});
    EXPECT_TRUE(loader.ok()) << loader.status().message();
    return probe(*loader, *store_, model, manifest);
  }

  fs::path folder_;
  std::unique_ptr<artifacts::Store> store_;
};

TEST_F(ProbeTest, ASoundVersionAnswers) {
  const std::string manifest = publish_version(*store_, "m", 0.3);
  const v1::ServingProbe probe = tried(manifest);
  EXPECT_TRUE(probe.loaded()) << probe.failure();
  EXPECT_EQ(probe.failure(), "");
  EXPECT_EQ(probe.answers(), kProbeAnswers);
  EXPECT_GT(probe.latency_p50_ms(), 0);
  EXPECT_GE(probe.latency_p99_ms(), probe.latency_p50_ms());
  uint64_t bytes = 0;
  const v1::Manifest files = artifacts::load_manifest(*store_, manifest).value();
  for (const auto& file : files.files()) bytes += file.bytes();
  EXPECT_EQ(probe.bytes(), bytes);
}

TEST_F(ProbeTest, AnotherVersionSaysWhyNot) {
  EXPECT_THAT(tried(std::string(64, 'a')).failure(), HasSubstr(std::string(12, 'a')));
  const std::string manifest = publish_version(*store_, "m", 0.3);
  const v1::ServingProbe other = tried(manifest, "n");
  EXPECT_FALSE(other.loaded());
  EXPECT_THAT(other.failure(), HasSubstr("the manifest is of model 'm', not 'n'"));
  const auto files = artifacts::load_manifest(*store_, manifest).value();
  fs::remove(store_->path(files.files(0).sha256()).value());
  const v1::ServingProbe torn = tried(manifest);
  EXPECT_FALSE(torn.loaded());
  EXPECT_EQ(torn.answers(), 0u);
  EXPECT_FALSE(torn.failure().empty());
}

}  // namespace
}  // namespace rekindle::serving::testing
