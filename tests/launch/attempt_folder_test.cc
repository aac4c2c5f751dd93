#include "launch/attempt_folder.h"

#include <sys/stat.h>

#include "base/files/passing_files.h"
#include "tests/launch/fixture.h"

namespace rekindle::launch {
namespace {

using AttemptFolderTest = AttemptTest;

TEST_F(AttemptFolderTest, APlanIsWrittenOnceAndPrivately) {
  const AttemptFolder folder = attempt("wait");
  v1::Plan plan = folder.read_plan().value();
  EXPECT_EQ(plan.run(), "flight-delay-1");
  EXPECT_TRUE(folder.create(plan).ok());
  plan.set_world(7);
  EXPECT_TRUE(folder.create(plan).ok()) << "pools.yaml says otherwise by now";
  EXPECT_EQ(folder.read_plan().value().world(), 1u) << "what it was launched by stands";
  plan.set_start_nonce("another");
  EXPECT_EQ(folder.create(plan).code(), Code::kAlreadyExists);
  EXPECT_EQ(folder.read_plan().value().world(), 1u);
  struct stat info {};
  ASSERT_EQ(::stat(folder.plan().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  ASSERT_EQ(::stat(folder.root().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0027, 0u) << "others see nothing";
}

TEST_F(AttemptFolderTest, APlanThatAPowerFailureToreIsWrittenAnew) {
  const AttemptFolder folder(base_ / "runs/report-1/1");
  v1::Plan plan;
  plan.set_run("report-1");
  ASSERT_TRUE(folder.create(plan, Sync::kNo).ok());
  for (const std::string& torn : {std::string(), std::string(40, '\0'), std::string("\xff\xff")}) {
    ASSERT_TRUE(write_file_atomically(folder.plan(), torn).ok());
    EXPECT_TRUE(folder.create(plan, Sync::kNo).ok());
    EXPECT_EQ(folder.read_plan().value().run(), "report-1");
  }
  plan.set_world(7);
  EXPECT_EQ(folder.create(plan, Sync::kNo).code(), Code::kAlreadyExists);
}

TEST_F(AttemptFolderTest, RecordsAreAbsentThenWhole) {
  const AttemptFolder folder = attempt("wait");
  EXPECT_FALSE(folder.read_outcome().value().has_value());
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::FINISHED);
  outcome.set_steps(12);
  ASSERT_TRUE(folder.write_outcome(outcome).ok());
  EXPECT_EQ(folder.read_outcome().value()->steps(), 12u);
  ASSERT_TRUE(write_file_durably(folder.exit(), "\xff\xff\xff").ok());
  EXPECT_EQ(folder.read_exit().status().code(), Code::kDataLoss);
  EXPECT_EQ(AttemptFolder(base_ / "none").read_plan().status().code(), Code::kNotFound);
}

}  // namespace
}  // namespace rekindle::launch
