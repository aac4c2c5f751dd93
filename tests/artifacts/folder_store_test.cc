// What only the folder store can get wrong: paths, links, leftovers, full disks, processes side by side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "artifacts/store.h"
#include "base/files.h"
#include "base/hash.h"

namespace rekindle::artifacts {
namespace {

using ::testing::HasSubstr;

class FolderStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "rekindle-store-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  std::unique_ptr<Store> open() { return open_folder_store(root()).value(); }
  fs::path root() const { return folder_ / "artifacts"; }
  size_t temp_files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(root() / "tmp"), fs::directory_iterator()));
  }

  fs::path folder_;
};

TEST_F(FolderStoreTest, LaysBlobsOutByTheirHash) {
  const std::string sha = open()->put("abc").value();
  const fs::path file = root() / "blobs" / sha.substr(0, 2) / sha;
  EXPECT_EQ(rekindle::read_file(file).value(), "abc");
  EXPECT_EQ(fs::status(file).permissions() & fs::perms::all, fs::perms::owner_read | fs::perms::group_read);
  EXPECT_EQ(temp_files(), 0u);
}

TEST_F(FolderStoreTest, SurvivesBeingOpenedAgain) {
  const std::string sha = open()->put("abc").value();
  EXPECT_EQ(open()->get(sha).value(), "abc");
}

TEST_F(FolderStoreTest, FollowsNoSymbolicLinks) {
  const auto store = open();
  const std::string secret = "secret", sha = sha256_hex(secret);
  ASSERT_TRUE(write_file_durably(folder_ / "outside", secret).ok());
  fs::create_directories(root() / "blobs" / sha.substr(0, 2));
  fs::create_symlink(folder_ / "outside", root() / "blobs" / sha.substr(0, 2) / sha);
  EXPECT_EQ(store->get(sha).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(store->path(sha).status().code(), Code::kPermissionDenied);

  const std::string other = sha256_hex("other");
  fs::create_directories(folder_ / "elsewhere");
  fs::remove_all(root() / "blobs" / other.substr(0, 2));
  fs::create_directory_symlink(folder_ / "elsewhere", root() / "blobs" / other.substr(0, 2));
  EXPECT_FALSE(store->put("other").ok());
  EXPECT_TRUE(fs::is_empty(folder_ / "elsewhere"));
  EXPECT_EQ(temp_files(), 0u);
}

TEST_F(FolderStoreTest, RefusesALinkInsteadOfItsFolders) {
  fs::create_directories(folder_ / "elsewhere");
  fs::create_directories(root());
  fs::create_directory_symlink(folder_ / "elsewhere", root() / "blobs");
  EXPECT_EQ(open_folder_store(root()).status().code(), Code::kPermissionDenied);
}

TEST_F(FolderStoreTest, AFifoInABlobsPlaceDoesNotHang) {
  const auto store = open();
  const std::string sha = sha256_hex("x");
  fs::create_directories(root() / "blobs" / sha.substr(0, 2));
  ASSERT_EQ(mkfifo((root() / "blobs" / sha.substr(0, 2) / sha).c_str(), 0600), 0);
  EXPECT_EQ(store->get(sha).status().code(), Code::kDataLoss);
}

TEST_F(FolderStoreTest, RefusesAFileAsRoot) {
  ASSERT_TRUE(write_file_durably(folder_ / "file", "x").ok());
  const Status status = open_folder_store(folder_ / "file").status();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("not a folder"));
}

TEST_F(FolderStoreTest, RemovesOldTempFilesOnly) {
  open();
  ASSERT_TRUE(write_file_durably(root() / "tmp" / "old", "x").ok());
  ASSERT_TRUE(write_file_durably(root() / "tmp" / "new", "x").ok());
  fs::last_write_time(root() / "tmp" / "old", fs::file_time_type::clock::now() - std::chrono::hours(48));
  open();
  EXPECT_FALSE(fs::exists(root() / "tmp" / "old"));
  EXPECT_TRUE(fs::exists(root() / "tmp" / "new"));
}

// A write that the kernel cuts short stands for a full disk: an error, nothing visible, nothing left.
TEST_F(FolderStoreTest, AFailedWriteLeavesNothing) {
  const auto store = open();
  const std::string bytes(1 << 20, 'q');
  ASSERT_TRUE(write_file_durably(folder_ / "source", bytes).ok());
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 16, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const Status put = store->put(bytes).status();
  const Status put_file = store->put_file(folder_ / "source").status();
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_THAT(put.message(), HasSubstr("File too large"));
  EXPECT_THAT(put_file.message(), HasSubstr("File too large"));
  EXPECT_FALSE(store->exists(sha256_hex(bytes)).value());
  EXPECT_EQ(temp_files(), 0u);
}

// Writers killed at any moment leave every visible blob whole.
TEST_F(FolderStoreTest, AKilledWriterLeavesNoTornBlob) {
  open();
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  const pid_t writer = fork();
  if (writer == 0) {
    auto store = open_folder_store(root()).value();
    for (int i = 0;; ++i) {
      if (!store->put(std::string(200000, 'a') + std::to_string(i)).ok()) _exit(1);
      if (i == 20 && write(pipe_fds[1], "x", 1) != 1) _exit(1);
    }
  }
  close(pipe_fds[1]);  // a writer that gives up is no wait
  const auto store = open();
  char byte;
  const ssize_t told = read(pipe_fds[0], &byte, 1);
  kill(writer, SIGKILL);
  waitpid(writer, nullptr, 0);
  close(pipe_fds[0]);
  ASSERT_EQ(told, 1);
  size_t blobs = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root() / "blobs")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_TRUE(store->get(entry.path().filename().string()).ok());
    ++blobs;
  }
  EXPECT_GT(blobs, 10u);
}

}  // namespace
}  // namespace rekindle::artifacts
