// Whether a coordinator still holds its state folder, and what is said of one that cannot start.
#include "cli/daemon_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>

#include "base/files.h"

namespace rekindle::cli {
namespace {

using ::testing::HasSubstr;

class DaemonProcess : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "rekindle-cli-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    state_ = name;
  }
  void TearDown() override { fs::remove_all(state_); }

  fs::path state_;
};

TEST_F(DaemonProcess, AFreeFolderIsFreeAtOnce) {
  EXPECT_TRUE(wait_until_released(state_, std::chrono::seconds(0))) << "no daemon was ever here";
  ASSERT_TRUE(write_file_durably(state_ / "lock", "").ok());
  EXPECT_TRUE(wait_until_released(state_, std::chrono::seconds(0))) << "the one that was has ended";
}

TEST_F(DaemonProcess, AHeldFolderIsHeld) {
  ASSERT_TRUE(write_file_durably(state_ / "lock", "").ok());
  const Fd holder(open((state_ / "lock").c_str(), O_RDONLY));
  ASSERT_EQ(flock(holder.get(), LOCK_EX), 0);
  EXPECT_FALSE(wait_until_released(state_, std::chrono::seconds(0)));
}

TEST_F(DaemonProcess, ADaemonThatEndsIsSeenToEnd) {
  const auto url = start_daemon("/bin/false", state_, {}, std::chrono::seconds(10));
  EXPECT_EQ(url.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(url.status().message(), HasSubstr("rekindled ended with 1"));
}

TEST_F(DaemonProcess, ADaemonThatNeverAnswersIsGivenUp) {
  ASSERT_TRUE(
      write_file_durably(state_ / "silent", "#!/bin/sh\necho starting up\nexec sleep 60\n", 0700).ok());
  const auto url = start_daemon(state_ / "silent", state_, {}, std::chrono::seconds(1));
  EXPECT_EQ(url.status().code(), Code::kDeadlineExceeded);
  EXPECT_THAT(url.status().message(), HasSubstr("starting up")) << "the end of its log";
}

}  // namespace
}  // namespace rekindle::cli
