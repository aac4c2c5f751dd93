#include "artifacts/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "artifacts/fake_store.h"
#include "base/hash.h"

namespace rekindle::artifacts {
namespace {

using ::testing::HasSubstr;

std::string two_files(Store& store) {
  ManifestWriter writer(store, "flight-delay");
  EXPECT_TRUE(writer.add("model.safetensors", "weights").ok());
  EXPECT_TRUE(writer.add("model.json", "{}").ok());
  return writer.finish().value();
}

TEST(Manifest, RoundTrip) {
  FakeStore store;
  const std::string sha = two_files(store);
  const v1::Manifest manifest = load_manifest(store, sha).value();
  EXPECT_EQ(manifest.model(), "flight-delay");
  ASSERT_EQ(manifest.files_size(), 2);
  EXPECT_EQ(manifest.files(0).name(), "model.json");
  EXPECT_EQ(manifest.files(1).bytes(), 7u);
  EXPECT_EQ(read_file(store, manifest, "model.safetensors").value(), "weights");
  EXPECT_EQ(file_path(store, manifest, "model.json").value().filename(), manifest.files(0).sha256());
  EXPECT_THAT(read_file(store, manifest, "nothing").status().message(),
              HasSubstr("model.json, model.safetensors"));
}

TEST(Manifest, EqualContentHasEqualNameWhateverTheOrder) {
  FakeStore store;
  ManifestWriter writer(store, "flight-delay");
  EXPECT_TRUE(writer.add("model.json", "{}").ok());
  EXPECT_TRUE(writer.add("model.safetensors", "weights").ok());
  EXPECT_EQ(writer.finish().value(), two_files(store));
}

TEST(Manifest, EveryDamagedOrAbsentFileIsNamed) {
  FakeStore store;
  const std::string sha = two_files(store);
  store.damage(sha256_hex("weights"));
  EXPECT_TRUE(load_manifest(store, sha, Verify::kSize).ok());
  const Status damaged = load_manifest(store, sha).status();
  EXPECT_EQ(damaged.code(), Code::kDataLoss);
  EXPECT_THAT(damaged.message(), HasSubstr("model.safetensors"));
  store.forget(sha256_hex("weights"));
  const Status absent = load_manifest(store, sha, Verify::kSize).status();
  EXPECT_EQ(absent.code(), Code::kNotFound);
  EXPECT_THAT(absent.message(), HasSubstr("model.safetensors"));
  EXPECT_EQ(load_manifest(store, sha256_hex("no manifest")).status().code(), Code::kNotFound);
}

TEST(Manifest, WhatIsNoManifestIsRefused) {
  const std::string hash(64, 'a');
  const std::string good =
      R"({"format": 1, "files": [{"name": "a", "sha256": ")" + hash + R"(", "bytes": "1"}]})";
  ASSERT_TRUE(parse_manifest(good).ok());
  struct Case {
    std::string json;
    std::string says;
  };
  const Case cases[] = {
      {"", "not a manifest"},
      {"[]", "not a manifest"},
      {"{\"format\": 1", "not a manifest"},
      {R"({"format": 2})", "format 2"},
      {R"({"format": 1, "files": [{"name": "../a", "sha256": ")" + hash + "\"}]}", "plain file name"},
      {R"({"format": 1, "files": [{"name": "a", "sha256": "x"}]})", "hash"},
      {R"({"format": 1, "files": [{"name": "a", "sha256": ")" + hash + R"("}, {"name": "a", "sha256": ")" +
           hash + "\"}]}",
       "twice"},
      {R"({"format": 1, "files": [{"name": "a/b/c", "sha256": ")" + hash +
           R"("}, {"name": "a/b", "sha256": ")" + hash + "\"}]}",
       "'a/b', which is also a folder of its a/b/c"},
  };
  for (const Case& c : cases) {
    const Result<v1::Manifest> parsed = parse_manifest(c.json);
    ASSERT_FALSE(parsed.ok()) << c.json;
    EXPECT_THAT(parsed.status().message(), HasSubstr(c.says));
  }
}

TEST(Manifest, AWrongSizeIsDataLoss) {
  FakeStore store;
  const std::string file = store.put("weights").value();
  const std::string sha =
      store.put(R"({"format": 1, "files": [{"name": "a", "sha256": ")" + file + R"(", "bytes": "8"}]})")
          .value();
  EXPECT_THAT(load_manifest(store, sha, Verify::kSize).status().message(),
              HasSubstr("7 bytes, the manifest says 8"));
}

TEST(Manifest, FileNamesStayPlain) {
  for (const char* name : {"model.json", "a", "A-b_c.9", "out/a.b/c"})
    EXPECT_TRUE(valid_file_name(name)) << name;
  for (const char* name :
       {"", ".", "..", ".hidden", "/a", "a/", "a//b", "a/../b", "a/.b", "a\\b", "a b", "ä", "a\n"})
    EXPECT_FALSE(valid_file_name(name)) << name;
  EXPECT_FALSE(valid_file_name(std::string(129, 'a')));
}

TEST(Manifest, TheWriterRefusesDoublesAndFailsWithTheStore) {
  FakeStore store;
  ManifestWriter writer(store, "m");
  EXPECT_TRUE(writer.add("a", "1").ok());
  EXPECT_EQ(writer.add("a", "2").code(), Code::kAlreadyExists);
  EXPECT_EQ(writer.add("../a", "2").code(), Code::kInvalidArgument);
  EXPECT_EQ(writer.add_blob("b", sha256_hex("absent")).code(), Code::kNotFound);
  store.fail_puts(resource_exhausted("disk full"));
  EXPECT_EQ(writer.add("c", "3").code(), Code::kResourceExhausted);
  EXPECT_EQ(writer.finish().status().code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace rekindle::artifacts
