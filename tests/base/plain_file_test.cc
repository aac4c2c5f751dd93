#include "base/files/plain_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

namespace rekindle {
namespace {

constexpr std::string_view kSecret = "a token of the coordinator's";
constexpr std::string_view kReport = "what a rank wrote";

class PlainFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "rekindle-plain-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directory(root_ / "attempt");
    fs::create_directory(root_ / "state");
    ASSERT_TRUE(write_file_durably(root_ / "state/report", kSecret).ok());
    ASSERT_TRUE(write_file_durably(report(), kReport).ok());
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path report() const { return root_ / "attempt/report"; }

  fs::path root_;
};

TEST_F(PlainFile, ReadsFilesAndNothingElse) {
  EXPECT_EQ(read_plain_file(report()).value(), kReport);
  EXPECT_EQ(read_plain_file_at(report(), 5, 6).value(), "a rank");
  EXPECT_EQ(read_plain_file(root_ / "attempt/none").status().code(), Code::kNotFound);
  EXPECT_EQ(read_plain_file(report(), kReport.size() - 1).status().code(), Code::kInvalidArgument);

  fs::create_symlink(root_ / "state/report", root_ / "attempt/link");
  fs::create_symlink(root_ / "state", root_ / "folder");
  ASSERT_EQ(::mkfifo((root_ / "attempt/pipe").c_str(), 0600), 0);
  for (const char* path : {"attempt/link", "folder/report", "attempt/pipe", "attempt"}) {
    EXPECT_EQ(read_plain_file(root_ / path).status().code(), Code::kDataLoss) << path;
    EXPECT_FALSE(append_to_plain_file(root_ / path, 0600).ok()) << path;
  }
  EXPECT_EQ(read_plain_file("/dev/zero").status().code(), Code::kDataLoss);
}

// A file, and the folder around it, turn into links to what they may not see while they are opened.
TEST_F(PlainFile, ASwapBetweenCheckAndOpenNeverEscapes) {
  fs::create_symlink(root_ / "state/report", root_ / "attempt/link");
  fs::create_symlink(root_ / "state", root_ / "folder");
  std::atomic<bool> stop = false;
  const auto swap_for_ever = [&stop](const fs::path& folder, const char* a, const char* b) {
    const Fd in(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (!stop) {
      EXPECT_EQ(::renameat2(in.get(), a, in.get(), b, RENAME_EXCHANGE), 0);
    }
  };
  std::thread files(swap_for_ever, root_ / "attempt", "report", "link");
  while (!fs::is_symlink(report())) std::this_thread::yield();  // the folder is open
  std::thread folders(swap_for_ever, root_, "attempt", "folder");
  int read = 0, refused = 0;
  for (int i = 0; i < 10'000 || read == 0 || refused == 0; ++i) {
    const Result<std::string> got = read_plain_file(report());
    if (got.ok()) EXPECT_EQ(*got, kReport);
    ++(got.ok() ? read : refused);
    const Result<Fd> appending = append_to_plain_file(report(), 0600);
    if (appending.ok()) {
      struct stat opened {
      }, secret{};
      ASSERT_EQ(::fstat(appending->get(), &opened), 0);
      ASSERT_EQ(::stat((root_ / "state/report").c_str(), &secret), 0);
      EXPECT_NE(opened.st_ino, secret.st_ino);
    }
  }
  stop = true;
  files.join();
  folders.join();
  RecordProperty("read", read);
  RecordProperty("refused", refused);
}

}  // namespace
}  // namespace rekindle
