// Which columns `rekindle init` takes, which it suspects, and that what it writes is accepted.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "cli/rows/init/drafts.h"
#include "cli/rows/init/single.h"
#include "jobs/spec.h"

namespace rekindle::cli {
namespace {

using dataio::Table;
using std::chrono::hours;
using ::testing::HasSubstr;

constexpr int kRows = 4000;

// Uniform in [0, 1): the engine's numbers are the standard's, a distribution's are not.
class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  double uniform() { return engine_() / 4294967296.0; }

 private:
  std::mt19937 engine_;
};

// Four thousand orders over 100 days. Late ones come from far away, more often by sea; `refund` is paid for
// late orders alone, `arrived` and `weight` are known afterwards.
Table orders() {
  Random random(7);
  std::vector<double> late, distance, kind, refund, constant, weight;
  std::vector<int64_t> ordered, arrived;
  std::vector<std::string> way, number;
  for (int i = 0; i < kRows; ++i) {
    const double far = random.uniform(), sea = random.uniform();
    const bool is_late = random.uniform() < 0.15 + 0.4 * far + (sea < 0.2 ? 0.2 : 0);
    const bool lost = i % 40 == 7;  // nobody knows of these orders, nor what they weighed on arrival
    late.push_back(lost ? dataio::kMissingNumber : is_late);
    weight.push_back(lost ? dataio::kMissingNumber : random.uniform());
    distance.push_back(i % 50 == 0 ? dataio::kMissingNumber : 1000 * far);
    kind.push_back(std::floor(random.uniform() * 4));
    refund.push_back(is_late ? 5 + random.uniform() : 0);
    constant.push_back(1);
    ordered.push_back(1'600'000'000'000'000 + i * Micros(hours(100 * 24)).count() / kRows);
    arrived.push_back(ordered.back() + Micros(hours(20 + static_cast<int>(60 * random.uniform()))).count());
    way.push_back(sea < 0.2 ? "sea" : sea < 0.5 ? "rail" : "road");
    number.push_back("order " + std::to_string(i));
  }
  Table table;
  table.add(dataio::time_column("ordered", ordered));
  table.add(dataio::time_column("arrived", arrived));
  table.add(dataio::bool_column("late", late));
  table.add(dataio::number_column("distance", distance));
  table.add(dataio::number_column("kind", kind));
  table.add(dataio::number_column("refund", refund));
  table.add(dataio::number_column("constant", constant));
  table.add(dataio::number_column("weight", weight));
  table.add(dataio::text_column("way", way));
  table.add(dataio::text_column("number", number));
  return table;
}

const Finding& of(const Inspection& found, std::string_view column) {
  return *std::ranges::find_if(found.findings, [&](const Finding& f) { return f.column == column; });
}

TEST(Init, TakesHonestColumnsAndSuspectsLeaks) {
  const Inspection found = *inspect(orders(), "ordered", "late");
  EXPECT_EQ(found.label_kind, v1::Label::BINARY);
  EXPECT_EQ(of(found, "distance").use, Use::kNumeric);
  EXPECT_THAT(of(found, "distance").reason, HasSubstr("2.0 % missing"));
  EXPECT_GT(of(found, "distance").explains, 0.01);
  EXPECT_EQ(of(found, "way").use, Use::kCategorical);
  EXPECT_EQ(of(found, "kind").use, Use::kNumeric);
  EXPECT_THAT(of(found, "kind").reason, HasSubstr("if they are codes"));
  EXPECT_LT(of(found, "kind").explains, 0.01);
  EXPECT_EQ(of(found, "refund").use, Use::kSuspect);
  EXPECT_GT(of(found, "refund").explains, 0.8);
  EXPECT_EQ(of(found, "weight").use, Use::kSuspect);
  EXPECT_THAT(of(found, "weight").reason, HasSubstr("missing where the label is"));
  EXPECT_EQ(of(found, "constant").use, Use::kLeftOut);
  EXPECT_EQ(of(found, "number").use, Use::kLeftOut);
  EXPECT_THAT(of(found, "number").reason, HasSubstr("names of rows"));
  EXPECT_EQ(of(found, "arrived").use, Use::kLeftOut);
  EXPECT_THAT(of(found, "arrived").reason, HasSubstr("LEAK"));
  EXPECT_EQ(found.matures_from, "arrived");
  EXPECT_NEAR(static_cast<double>(found.matures / hours(1)), 79, 2);
}

TEST(Init, DraftsAreAcceptedAndKeepLeaksOut) {
  const Inspection found = *inspect(orders(), "ordered", "late");
  const auto import = jobs::parse_import(draft_import(found, "orders-rows", "dir/orders.csv"), "draft");
  ASSERT_TRUE(import.ok()) << import.status().message();
  EXPECT_EQ(import->rows().file(), "orders.csv");
  const std::string text = draft_job(found, "orders", "orders-rows");
  const auto job = jobs::parse_job(text, "draft");
  ASSERT_TRUE(job.ok()) << job.status().message() << text;
  EXPECT_THAT(job->data().numeric(), ::testing::ElementsAre("distance", "kind"));
  EXPECT_THAT(job->data().categorical(), ::testing::ElementsAre("way"));
  EXPECT_EQ(job->data().label().matures().seconds() % (24 * 3600), 0);
  EXPECT_THAT(text, HasSubstr("#   refund: LEAK?"));
}

TEST(Init, ClassesAndNumbersAreLabelsToo) {
  const Inspection classes = *inspect(orders(), "ordered", "way");
  EXPECT_EQ(classes.label_kind, v1::Label::MULTICLASS);
  EXPECT_THAT(classes.classes, ::testing::ElementsAre("road", "rail", "sea"));
  EXPECT_TRUE(jobs::parse_job(draft_job(classes, "ways", "orders-rows"), "draft").ok());
  const Inspection numbers = *inspect(orders(), "ordered", "distance");
  EXPECT_EQ(numbers.label_kind, v1::Label::REGRESSION);
  EXPECT_TRUE(jobs::parse_job(draft_job(numbers, "far", "orders-rows"), "draft").ok());
}

TEST(Init, RefusesWhatCannotBeALabelOrATime) {
  const auto message = [](const char* time, const char* label) {
    return std::string(inspect(orders(), time, label).status().message());
  };
  EXPECT_THAT(message("distance", "late"), HasSubstr("the event time is ISO 8601 text"));
  EXPECT_THAT(message("ordered", "constant"), HasSubstr("there is nothing to learn"));
  EXPECT_THAT(message("ordered", "number"), HasSubstr("is text with more than 1000 values"));
  EXPECT_THAT(message("ordered", "ordered"), HasSubstr("cannot be the event time"));
  EXPECT_THAT(message("ordered", "lat"),
              HasSubstr("no column 'lat' for the label; columns: ordered, arrived"));
  EXPECT_THAT(std::string(inspect(Table(), "a", "b").status().message()), HasSubstr("no column 'a'"));
}

TEST(Init, OneColumnAloneIsJudgedOnRowsThatItDidNotLearn) {
  // A text that differs in every row would explain all of the rows it was learned from.
  Random random(3);
  std::vector<double> labels;
  std::vector<std::string> names;
  for (int i = 0; i < 2000; ++i) {
    labels.push_back(random.uniform() < 0.5);
    names.push_back(std::to_string(i));
  }
  EXPECT_LT(explained(dataio::text_column("name", names), labels, v1::Label::BINARY), 0.01);
  EXPECT_GT(explained(dataio::number_column("itself", labels), labels, v1::Label::BINARY), 0.95);
  EXPECT_GT(explained(dataio::number_column("itself", labels), labels, v1::Label::REGRESSION), 0.95);
}

TEST(Init, NamesComeFromFiles) {
  EXPECT_EQ(name_from_file("/data/Orders 2013.csv.zip"), "orders-2013");
  EXPECT_EQ(name_from_file("2013.parquet"), "data-20131");
  EXPECT_EQ(name_from_file("__.csv"), "data-1");
}

}  // namespace
}  // namespace rekindle::cli
