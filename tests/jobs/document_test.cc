// docs/job-spec.md is what the descriptors say. REKINDLE_REGENERATE=1 writes it anew.
#include <gmock/gmock.h>

#include <cstdlib>

#include "base/files.h"
#include "jobs/explain.h"
#include "jobs/values.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::jobs {
namespace {

using ::testing::HasSubstr;

TEST(Document, EqualsTheDescriptors) {
  const fs::path path = "docs/job-spec.md";
  if (std::getenv("REKINDLE_REGENERATE")) {
    ASSERT_TRUE(write_file_durably(path, spec_document(), 0644).ok());
  }
  const Result<std::string> text = read_file(path);
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_EQ(*text, spec_document()) << "run REKINDLE_REGENERATE=1 jobs_test";
}

TEST(Explain, SaysTypeDefaultAndReason) {
  const std::string batch = explain("train.batch").value();
  EXPECT_THAT(batch, HasSubstr("train.batch (whole number)"));
  EXPECT_THAT(batch, HasSubstr("allowed: 1 to 1048576"));
  EXPECT_THAT(batch, HasSubstr("default: 1024 (large enough"));
  EXPECT_THAT(explain("gate").value(), HasSubstr("holdout"));
  EXPECT_THAT(explain("").value(), HasSubstr("retrain"));
  EXPECT_THAT(explain("retrain.when.drift.psi").value(), HasSubstr("0.25"));
  EXPECT_THAT(explain("retrain.when[0].drift.psi").value(), HasSubstr("0.25"));
  EXPECT_THAT(explain("data.time").value(), HasSubstr("required, for example: time: sched_dep"));
}

TEST(Explain, NamesTheNearest) {
  EXPECT_THAT(explain("train.bacth").status().message(), HasSubstr("did you mean 'train.batch'?"));
  EXPECT_THAT(explain("patience").status().message(), HasSubstr("did you mean 'train.stop.patience'?"));
  EXPECT_EQ(explain("train.bacth").status().code(), Code::kNotFound);
  EXPECT_FALSE(explain("train[").ok() && explain("x]").ok());
}

TEST(Explain, EveryPathIsExplained) {
  EXPECT_GT(field_paths().size(), 60u);
  for (const std::string& path : field_paths()) EXPECT_TRUE(explain(path).ok()) << path;
}

}  // namespace
}  // namespace rekindle::jobs
