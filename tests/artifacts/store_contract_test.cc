// What every artifact store keeps, run on the folder and on the fake.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <thread>

#include "artifacts/fake_store.h"
#include "base/files.h"
#include "base/hash.h"

namespace rekindle::artifacts {
namespace {

using ::testing::HasSubstr;

// A store and the means to damage it from outside.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual Store& store() = 0;
  virtual void damage(const std::string& sha) = 0;
};

class FolderSubject final : public Subject {
 public:
  FolderSubject() {
    std::string pattern = (fs::temp_directory_path() / "rekindle-store-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    store_ = open_folder_store(folder_ / "artifacts").value();
  }
  ~FolderSubject() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Store& store() override { return *store_; }
  void damage(const std::string& sha) override {
    const fs::path file = store_->path(sha, Verify::kSize).value();
    std::string bytes = rekindle::read_file(file).value();
    if (bytes.empty())
      bytes = "x";
    else
      bytes[bytes.size() / 2] ^= 1;
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
    ASSERT_TRUE(write_file_durably(file, bytes).ok());
  }

 private:
  fs::path folder_;
  std::unique_ptr<Store> store_;
};

class FakeSubject final : public Subject {
 public:
  Store& store() override { return store_; }
  void damage(const std::string& sha) override { store_.damage(sha); }

 private:
  FakeStore store_;
};

using Make = std::unique_ptr<Subject> (*)();

class StoreContract : public ::testing::TestWithParam<Make> {
 protected:
  std::unique_ptr<Subject> subject_ = GetParam()();
  Store& store_ = subject_->store();
};

TEST_P(StoreContract, WhatIsPutIsGot) {
  for (const std::string& bytes :
       {std::string(), std::string("abc"), std::string(3 << 20, 'z'), std::string("\0\xFF\n", 3)}) {
    const std::string sha = store_.put(bytes).value();
    EXPECT_EQ(sha, sha256_hex(bytes));
    EXPECT_EQ(store_.get(sha).value(), bytes);
    EXPECT_EQ(store_.size(sha).value(), bytes.size());
    EXPECT_TRUE(store_.exists(sha).value());
    EXPECT_EQ(rekindle::read_file(store_.path(sha).value()).value(), bytes);
  }
}

TEST_P(StoreContract, PuttingAgainIsHarmless) {
  const std::string sha = store_.put("abc").value();
  EXPECT_EQ(store_.put("abc").value(), sha);
  EXPECT_EQ(store_.get(sha).value(), "abc");
}

TEST_P(StoreContract, FilesArePutLikeBytes) {
  const std::string sha = store_.put("some bytes").value();
  const fs::path file = store_.path(sha).value();
  EXPECT_EQ(store_.put_file(file).value(), sha);
  EXPECT_EQ(store_.put_file(file.string() + ".none").status().code(), Code::kNotFound);
}

TEST_P(StoreContract, AbsentBlobs) {
  const std::string sha = sha256_hex("never stored");
  EXPECT_EQ(store_.get(sha).status().code(), Code::kNotFound);
  EXPECT_EQ(store_.path(sha).status().code(), Code::kNotFound);
  EXPECT_EQ(store_.size(sha).status().code(), Code::kNotFound);
  EXPECT_FALSE(store_.exists(sha).value());
}

TEST_P(StoreContract, OnlyHashesAreNames) {
  const std::string sha = store_.put("abc").value();
  std::string upper = sha;
  for (char& c : upper) c = static_cast<char>(toupper(c));
  for (const std::string& name : {std::string("../../etc/passwd"), std::string(), std::string("ab"), upper,
                                  sha + "0", "../" + sha.substr(3), std::string(64, '/')}) {
    EXPECT_EQ(store_.get(name).status().code(), Code::kInvalidArgument) << name;
    EXPECT_EQ(store_.path(name).status().code(), Code::kInvalidArgument) << name;
    EXPECT_EQ(store_.exists(name).status().code(), Code::kInvalidArgument) << name;
  }
}

TEST_P(StoreContract, DamageIsNoticedAndNamed) {
  const std::string sha = store_.put("precious").value();
  subject_->damage(sha);
  EXPECT_EQ(store_.get(sha).status().code(), Code::kDataLoss);
  EXPECT_THAT(store_.get(sha).status().message(), HasSubstr(sha));
  EXPECT_EQ(store_.path(sha, Verify::kHash).status().code(), Code::kDataLoss);
  EXPECT_TRUE(store_.path(sha, Verify::kSize).ok());
}

TEST_P(StoreContract, PuttingHealsADamagedBlob) {
  const std::string sha = store_.put("precious").value();
  subject_->damage(sha);
  EXPECT_EQ(store_.put("precious").value(), sha);
  EXPECT_EQ(store_.get(sha).value(), "precious");
}

TEST_P(StoreContract, LargeBlobsAreRefusedNotCut) {
  const std::string sha = store_.put("0123456789").value();
  EXPECT_EQ(store_.get(sha, 10).value(), "0123456789");
  EXPECT_EQ(store_.get(sha, 9).status().code(), Code::kInvalidArgument);
}

TEST_P(StoreContract, ManyThreads) {
  constexpr int kThreads = 4, kBlobs = 40;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([this, t] {
      for (int i = 0; i < kBlobs; ++i) {
        // Half of the blobs are put by all threads at once.
        const std::string bytes =
            i % 2 ? "shared " + std::to_string(i) : std::to_string(t) + " " + std::to_string(i);
        const Result<std::string> sha = store_.put(bytes);
        ASSERT_TRUE(sha.ok()) << sha.status().to_string();
        EXPECT_EQ(store_.get(*sha).value(), bytes);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract,
                         ::testing::Values(Make([] { return std::unique_ptr<Subject>(new FolderSubject); }),
                                           Make([] { return std::unique_ptr<Subject>(new FakeSubject); })),
                         [](const auto& info) { return info.index == 0 ? "Folder" : "Fake"; });

}  // namespace
}  // namespace rekindle::artifacts
