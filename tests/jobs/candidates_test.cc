// Candidates of a job: what is taken, what each comes to, and how it is told.
#include <gmock/gmock.h>

#include "jobs/explain.h"
#include "jobs/values.h"
#include "proto/candidates.h"
#include "tests/jobs/builders.h"

namespace rekindle::jobs {
namespace {

using ::testing::HasSubstr;
using testing::kLeast;
using ::testing::Not;
using testing::with;

v1::Train train_with(const std::string& candidates) {
  const auto spec = parse_job(with("linear", "linear\n  candidates: " + candidates), "s.yaml");
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  if (!spec.ok()) return {};
  const Resolved resolved = resolve(*spec).value();
  EXPECT_EQ(resolve(resolved.spec).value().spec.SerializeAsString(), resolved.spec.SerializeAsString());
  return resolved.spec.train();
}

TEST(Candidates, TakeThePlaceOfWhatTheySay) {
  const v1::Train train = train_with(
      "[{rows: since_drift}, {start: champion, rows: {last: 90d}}, {model: {tabular: {hidden: [8]}}},"
      " {optimizer: {sgd: {rate: 0.05}}}]");
  ASSERT_EQ(train.candidates_size(), 4);
  const v1::Train base = train_of(train, 0);
  EXPECT_EQ(base.candidates_size(), 0);
  EXPECT_TRUE(base.rows().has_last() && base.model().has_linear() && base.start().has_scratch());
  const v1::Train since = train_of(train, 1);
  EXPECT_EQ(since.rows().since_drift().at_least().seconds(), 28 * 86400) << "its own defaults";
  EXPECT_TRUE(since.start().has_scratch()) << "the rest is as train says";
  const v1::Train warm = train_of(train, 2);
  EXPECT_TRUE(warm.start().has_champion());
  EXPECT_EQ(warm.rows().last().seconds(), 90 * 86400);
  EXPECT_EQ(train_of(train, 3).model().tabular().hidden_size(), 1);
  EXPECT_EQ(train_of(train, 3).model().tabular().embedding(), 8u);
  const v1::Train slow = train_of(train, 4);
  EXPECT_EQ(slow.optimizer().sgd().rate(), 0.05);
  EXPECT_TRUE(slow.optimizer().schedule().has_cosine());
  EXPECT_EQ(slow.batch(), base.batch());
}

TEST(Candidates, AreToldAsTheirAuthorWouldWriteThem) {
  const v1::Train train = train_with(
      "[{rows: since_drift}, {start: champion, rows: {since_drift: {at_least: 14d}}},"
      " {model: {tabular: {hidden: [8, 4], dropout: 0%}}}, {optimizer: {sgd: {rate: 0.05}, clip: 1}}]");
  const auto told = [&train](int i) { return format_message(train.candidates(i)); };
  EXPECT_EQ(told(0), "{rows: since_drift}");
  EXPECT_EQ(told(1), "{rows: {since_drift: {at_least: 14d}}, start: champion}");
  EXPECT_EQ(told(2), "{model: {tabular: {hidden: [8, 4], dropout: 0%}}}");
  EXPECT_EQ(told(3), "{optimizer: {sgd: {rate: 0.05}, clip: 1}}");
}

TEST(Candidates, BlameTheSpecForWhatIsWrongWithAllOfThem) {
  const auto spec = parse_job(
      with("linear", "linear\n  batch: 2\n  ranks: {count: 3}\n  candidates: [{start: champion}]"), "s.yaml");
  EXPECT_THAT(spec.status().message(), HasSubstr("3 ranks share a batch of 2 rows"));
  EXPECT_THAT(spec.status().message(), Not(HasSubstr("candidates")));
}

TEST(Candidates, HaveTheirKeysExplainedOnce) {
  EXPECT_THAT(explain("train.candidates.rows.since_drift.at_least").value(), HasSubstr("28d"));
  const std::string document = spec_document();
  EXPECT_THAT(document, HasSubstr("| `train.candidates[].rows` |"));
  EXPECT_THAT(document, Not(HasSubstr("train.candidates[].rows.last")));
  EXPECT_THAT(document, HasSubstr("| `train.validation` |")) << "what comes after them is told";
}

}  // namespace
}  // namespace rekindle::jobs
