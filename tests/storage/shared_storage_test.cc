// What becomes of our files behind a file server that loses answers, has no room left, replaces what is being
// read, and is asked by several hosts. Run by on_shared_storage.py; told by REKINDLE_RULES what goes wrong.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstdlib>

#include "artifacts/store.h"
#include "base/files/shared.h"
#include "base/hash.h"
#include "launch/attempt_folder.h"
#include "launch/gang_lock.h"

namespace rekindle {
namespace {

using testing::HasSubstr;

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

class SharedStorage : public testing::Test {
 protected:
  void SetUp() override {
    if (setting("REKINDLE_RULES").empty()) GTEST_SKIP() << "only nfs_like can be told what to do";
    rules("");
    std::string name = (fs::temp_directory_path() / "case-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    here_ = name;
    behind_ = fs::path(setting("REKINDLE_BEHIND")) / here_.filename();
  }
  static void rules(const std::string& text) {
    // Another file each time: its number tells one state from the next.
    ASSERT_TRUE(write_file_durably(setting("REKINDLE_RULES"), text).ok());
  }
  std::string at(const fs::path& path) {
    const Result<std::string> text = read_file(path);
    return text.ok() ? *text : text.status().to_string();
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(behind_)) out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }

  fs::path here_;    // as a client has it
  fs::path behind_;  // as the server has it, and what other hosts do there
};

TEST_F(SharedStorage, AnAnswerThatWasLostUndoesNothing) {
  for (const char* lost : {"lost rename 1", "lost create 1", "lost rename 1\nlost create 1"}) {
    SCOPED_TRACE(lost);
    ASSERT_TRUE(write_file_durably(here_ / "a", "old").ok());
    rules(lost);
    const Status written = write_file_durably(here_ / "a", lost);
    EXPECT_TRUE(written.ok()) << written.message();
    rules("");
    EXPECT_EQ(at(behind_ / "a"), lost);
    EXPECT_EQ(names(), (std::vector<std::string>{"a"})) << "and nothing else is left";
  }
}

TEST_F(SharedStorage, ARenameThatWasNotDoneIsNotTakenForDone) {
  ASSERT_TRUE(write_file_durably(here_ / "other", "other").ok());
  EXPECT_EQ(rename_path(here_ / "none", here_ / "other").code(), Code::kNotFound);
  ASSERT_TRUE(write_file_durably(here_ / "a", "mine").ok());
  fs::create_directory(here_ / "folder");
  EXPECT_FALSE(rename_path(here_ / "a", here_ / "folder").ok());
  EXPECT_EQ(at(behind_ / "a"), "mine");
  // Lost, and another host has put its own there since.
  fs::create_directory(here_ / "mine.tmp");
  ASSERT_TRUE(write_file_durably(here_ / "mine.tmp" / "x", "mine").ok());
  rules("lost rename 1");
  EXPECT_TRUE(rename_path(here_ / "mine.tmp", here_ / "mine").ok());
  EXPECT_EQ(at(behind_ / "mine" / "x"), "mine");
}

// The server says that the quota is used up when it likes: at a write, when all is to be on its disk, at the
// end.
TEST_F(SharedStorage, WithoutRoomTheOldStaysAndItIsSaid) {
  ASSERT_TRUE(write_file_durably(here_ / "a", "old").ok());
  for (const char* when : {"fail write EDQUOT 1", "fail fsync EDQUOT 1", "fail write ENOSPC 1"}) {
    SCOPED_TRACE(when);
    rules(when);
    const Status status = write_file_durably(here_ / "a", "new");
    EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.message();
    rules("");
    EXPECT_EQ(at(behind_ / "a"), "old");
    EXPECT_EQ(names(), (std::vector<std::string>{"a"}));
  }
  rules("fail flush EDQUOT 1");
  EXPECT_TRUE(write_file_durably(here_ / "a", "new").ok()) << "after the fsync nothing can be lost";
  EXPECT_EQ(at(behind_ / "a"), "new");
  auto store = artifacts::open_folder_store(here_ / "artifacts").value();
  rules("fail fsync EDQUOT 1");
  const auto put = store->put("bytes");
  EXPECT_EQ(put.status().code(), Code::kResourceExhausted);
  EXPECT_THAT(put.status().message(), HasSubstr("raise its quota"));
  rules("");
  EXPECT_FALSE(store->exists(sha256_hex("bytes")).value());
  EXPECT_TRUE(fs::is_empty(here_ / "artifacts" / "tmp"));
  EXPECT_TRUE(store->put("bytes").ok());
}

TEST_F(SharedStorage, AFileThatIsReplacedWhileItIsReadIsReadAgain) {
  ASSERT_TRUE(write_file_durably(here_ / "a", "text").ok());
  for (const char* when : {"fail open ESTALE 1", "fail read ESTALE 1", "fail open ESTALE 3"}) {
    SCOPED_TRACE(when);
    rules(when);
    EXPECT_EQ(at(here_ / "a"), "text");
  }
  rules("fail open ESTALE 100");
  EXPECT_FALSE(read_file(here_ / "a").ok()) << "not for ever";
}

// Two hosts: what the gang wrote on its own is seen late here, and never overwritten.
TEST_F(SharedStorage, AnEndThatIsNotSeenYetIsNotReplaced) {
  const launch::AttemptFolder ours(here_ / "1"), theirs(behind_ / "1");
  v1::Plan plan;
  plan.set_run("a-1");
  ASSERT_TRUE(ours.create(plan).ok());
  EXPECT_FALSE(ours.read_exit().value().has_value()) << "from now on its absence is remembered";
  v1::ExitRecord said;
  said.set_code(3);
  ASSERT_TRUE(theirs.write_exit(said).ok());
  ASSERT_FALSE(ours.read_exit().value().has_value()) << "the server would tell it at once";
  v1::ExitRecord proof;
  proof.set_note("its node was lost");
  EXPECT_TRUE(launch::bar(ours, proof).value());
  const auto end = ours.read_exit().value();
  ASSERT_TRUE(end.has_value());
  EXPECT_FALSE(end->barred());
  EXPECT_EQ(end->code(), 3);
}

TEST_F(SharedStorage, ABarWhoseAnswerWasLostBars) {
  const launch::AttemptFolder folder(here_ / "1");
  v1::Plan plan;
  plan.set_run("a-1");
  ASSERT_TRUE(folder.create(plan).ok());
  v1::ExitRecord proof;
  proof.set_note("its node was lost");
  rules("lost link 1\nlost unlink 1");
  EXPECT_TRUE(launch::bar(folder, proof).value());
  rules("");
  EXPECT_TRUE(folder.read_exit().value()->barred());
  EXPECT_EQ(folder.read_exit().value()->note(), "its node was lost");
}

}  // namespace
}  // namespace rekindle
