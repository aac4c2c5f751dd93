// What goes to a script and what comes from it: rows, and a folder that is to become a version.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "artifacts/fake_store.h"
#include "dataio/parquet.h"
#include "plans.h"
#include "trainer/command/version.h"

namespace rekindle::trainer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Out : public ::testing::Test {
 protected:
  Out() { fs::create_directories(out_); }
  void write(const fs::path& name, const std::string& text) {
    fs::create_directories((out_ / name).parent_path());
    EXPECT_TRUE(write_file_durably(out_ / name, text).ok());
  }
  std::string refusal(OutLimits limits = {}) { return store_out(store_, out_, limits).status().message(); }

  TestRun run_;
  const fs::path out_ = run_.root / "out";
  artifacts::FakeStore store_;
};

TEST_F(Out, BecomesTheVersionsFiles) {
  write("trees.txt", "tree");
  write("deep/er/x-1_2.bin", "b");
  const auto files = store_out(store_, out_).value();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].name(), "out/deep/er/x-1_2.bin");
  EXPECT_EQ(files[1].name(), "out/trees.txt");
  EXPECT_EQ(store_.get(files[1].sha256()).value(), "tree");
  EXPECT_EQ(files[1].bytes(), 4u);
}

TEST_F(Out, NonsenseIsRefusedWithTheReason) {
  EXPECT_THAT(refusal(), HasSubstr("wrote nothing into $REKINDLE_OUT"));
  fs::create_directories(out_ / "empty/folders/only");
  EXPECT_THAT(refusal(), HasSubstr("wrote nothing into $REKINDLE_OUT"));
  write("a", "1");
  fs::create_symlink("/etc/passwd", out_ / "model");
  EXPECT_THAT(refusal(), HasSubstr("'model' is a link; put the file itself there"));
  fs::remove(out_ / "model");
  fs::create_directory_symlink("/etc", out_ / "folder");
  EXPECT_THAT(refusal(), HasSubstr("'folder' is a link"));
  fs::remove(out_ / "folder");
  ASSERT_EQ(::mkfifo((out_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("'pipe' is neither a file nor a folder"));
  fs::remove(out_ / "pipe");
  for (const char* name : {"a b", ".hidden", "\xc3\xa4", "new\nline", "deep/.x"}) {
    write(name, "1");
    EXPECT_THAT(refusal(), HasSubstr("has a name that cannot travel")) << name;
    fs::remove_all(out_ / *fs::path(name).begin());
  }
  write("b", "12345");
  EXPECT_THAT(refusal({.bytes = 5, .files = 9}), HasSubstr("more than"));
  EXPECT_THAT(refusal({.bytes = 9, .files = 1}), HasSubstr("more than 1 files"));
  EXPECT_EQ(refusal({.bytes = 6, .files = 2}), "");
  fs::remove_all(out_);
  EXPECT_THAT(refusal(), HasSubstr("$REKINDLE_OUT is gone"));
  ASSERT_TRUE(write_file_durably(out_, "a file").ok());
  EXPECT_THAT(refusal(), HasSubstr("$REKINDLE_OUT is gone"));
}

TEST_F(Out, TheVersionSaysHowItIsAnswered) {
  v1::Plan plan = run_.plan(2);
  auto& spec = *plan.mutable_spec();
  spec.mutable_train()->clear_model();
  spec.mutable_train()->add_command("python");
  spec.mutable_train()->mutable_env()->set_venv("lock.txt");
  spec.mutable_code()->set_sha256("c0de");
  spec.mutable_code()->set_dirty(true);
  spec.mutable_predict()->add_command("serve");
  write("a", "1");
  const auto files =
      version_of_script(plan, store_out(store_, out_).value(), "venv 12, Python 3.11.2").value();
  EXPECT_EQ(files.card.predict().command(0), "serve");
  EXPECT_EQ(files.card.env().venv(), "lock.txt");
  EXPECT_EQ(files.card.code().sha256(), "c0de");
  EXPECT_FALSE(files.card.kind().has_tabular());
  EXPECT_EQ(files.card.inputs_size(), 6) << "event time and features, as they come";
  EXPECT_TRUE(files.lineage.code().dirty());
  EXPECT_EQ(files.lineage.environment(), "venv 12, Python 3.11.2");
  EXPECT_EQ(files.lineage.parameters_sha256().size(), 64u);

  spec.mutable_predict()->clear_command();
  spec.mutable_predict()->set_package("model.pt2");
  EXPECT_THAT(version_of_script(plan, store_out(store_, out_).value(), "host").status().message(),
              HasSubstr("predict.package names model.pt2, which the script did not write"));
  write("model.pt2", "x");
  EXPECT_TRUE(version_of_script(plan, store_out(store_, out_).value(), "host").ok());
}

v1::Plan script_plan(const TestRun& run) {
  v1::Plan plan = run.plan(2);
  plan.mutable_spec()->mutable_train()->clear_model();
  plan.mutable_spec()->mutable_train()->add_command("true");
  plan.mutable_spec()->mutable_predict()->add_command("true");
  return plan;
}

// A part of an attempt that is not the ranks.
Ended run_part(const TestRun& run, const v1::Plan& plan, const std::string& part) {
  EXPECT_TRUE(run.folder(plan).create(plan).ok());
  const char* programs = std::getenv("REKINDLE_BIN");
  return run_command({std::string(programs == nullptr ? "." : programs) + "/rekindle-trainer", part,
                      "--unsupervised", "--folder", run.folder(plan).root().string()});
}

TEST(Rows, AreWrittenAsTheyCame) {
  TestRun run;
  const v1::Plan plan = script_plan(run);
  const auto ended = run_part(run, plan, "rows");
  ASSERT_EQ(ended.code, 0) << ended.log;
  EXPECT_FALSE(run.folder(plan).read_outcome().value().has_value()) << "the script comes next";
  const launch::WorkFolder work(run.folder(plan));
  size_t rows = 0;
  for (const fs::path& folder : {work.train(), work.valid()}) {
    const auto table = dataio::read_parquet(read_file(folder / "part-0.parquet").value(), "rows").value();
    std::vector<std::string> names;
    for (const auto& column : table.columns) names.push_back(column.name);
    EXPECT_THAT(names, ::testing::UnorderedElementsAre("when", "minute", "wind", "temp", "weekday", "carrier",
                                                       "late"));
    for (size_t r = 0; r < table.rows(); ++r) {
      EXPECT_FALSE(table.find("late")->missing(r)) << "labelled rows only";
      EXPECT_LT(table.find("when")->times[r], plan.windows().holdout_from_us()) << "the holdout is kept back";
    }
    rows += table.rows();
  }
  EXPECT_GT(rows, 4000u);
}

TEST(Rows, WhatCannotBeTrainedOnIsARefusal) {
  TestRun run;
  v1::Plan plan = script_plan(run);
  plan.mutable_windows()->set_train_from_us(plan.windows().valid_from_us());
  const auto ended = run_part(run, plan, "rows");
  EXPECT_EQ(ended.code, launch::kExitDataRefused) << ended.log;
  EXPECT_EQ(run.outcome(plan).kind(), v1::Outcome::DATA_REFUSED);
  EXPECT_THAT(run.outcome(plan).message(), HasSubstr("no labelled rows to train on"));
}

}  // namespace
}  // namespace rekindle::trainer
