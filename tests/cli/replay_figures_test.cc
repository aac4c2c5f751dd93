// The pure parts of a replay: requests, figures, baselines, the report.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <cmath>

#include "artifacts/fake_store.h"
#include "base/clock.h"
#include "cli/rows/replay/baselines.h"
#include "cli/rows/replay/infer.h"
#include "cli/rows/replay/report.h"
#include "dataio/history/rows.h"
#include "dataio/snapshot.h"

namespace rekindle::cli::replay {

using dataio::history::read_replay_rows;
namespace {

using ::testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kHour = 3'600'000'000;

v1::Data flights() {
  v1::Data data;
  data.set_time("at");
  data.mutable_label()->set_column("late");
  data.add_numeric("temp");
  data.add_categorical("origin");
  return data;
}

dataio::Table table() {
  dataio::Table t;
  t.add(dataio::time_column("at", {0, 10, kHour - 1, kHour, 3 * kHour}));
  t.add(dataio::number_column("temp", {1.5, kNaN, 0.1, 1e-7, -3}));
  t.add(dataio::text_column("origin", std::vector<std::string>{"JFK", "EWR", "JFK", "E \"R", "JFK"}));
  t.columns.back().codes[3] = dataio::kMissingText;
  t.add(dataio::bool_column("late", {1, 0, kNaN, 1, 0}));
  return t;
}

TEST(InferBody, IsNamedTensorsWithNulls) {
  const std::vector<uint32_t> rows = {1, 3};
  EXPECT_EQ(infer_body(table(), flights(), rows, "EWR-1", true),
            R"({"id":"EWR-1","inputs":[{"name":"at","datatype":"INT64","shape":[2],"data":[10,3600000000]},)"
            R"({"name":"temp","datatype":"FP64","shape":[2],"data":[null,1e-07]},)"
            R"({"name":"origin","datatype":"BYTES","shape":[2],"data":["EWR",null]}]})");
}

TEST(InferBody, SaysWhenItIsNotToBeRecorded) {
  const std::vector<uint32_t> rows = {0};
  const std::string body = infer_body(table(), flights(), rows, "a\"b", false);
  const auto parsed = boost::json::parse(body);
  EXPECT_FALSE(parsed.at("parameters").at("rekindle_record").as_bool());
  EXPECT_EQ(parsed.at("id").as_string(), "a\"b");
}

TEST(Infer, ImagesAndTokensAreSentAsServingReadsThem) {
  dataio::Table table;
  table.add(dataio::time_column("when", {5, 6}));
  table.add(dataio::bytes_column("image", {std::string("\xFF\xD8\0", 3), ""}));
  table.add(dataio::tokens_column("words", {{3}, {1, 2}}));
  table.columns[1].blobs[1] = nullptr;
  v1::Data data;
  data.set_time("when");
  data.set_image("image");
  data.set_tokens("words");
  const std::vector<uint32_t> rows = {1, 0};
  EXPECT_EQ(
      infer_body(table, data, rows, "a", true),
      R"({"id":"a","inputs":[{"name":"when","datatype":"INT64","shape":[2],"data":[6,5]},)"
      R"({"name":"image","datatype":"BYTES","parameters":{"content_type":"base64"},"shape":[2],"data":[null,"/9gA"]},)"
      R"({"name":"words","datatype":"INT32","shape":[2,2],"data":[1,2,3,-1]}]})");
}

TEST(InferAnswer, IsOneProbabilityPerRow) {
  const auto answer = read_answer(R"({"model_version":"3","outputs":[{"data":[0.25,1]}]})", 2, {});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->version, 3u);
  EXPECT_THAT(answer->values, ::testing::ElementsAre(0.25, 1.0));
  for (const char* bad : {R"({"model_version":"3","outputs":[{"data":[0.25]}]})",
                          R"({"model_version":3,"outputs":[{"data":[0.2,0.3]}]})",
                          R"({"outputs":[{"data":[0.2,0.3]}]})", R"({"model_version":"3","outputs":[]})",
                          "[]", "not json", R"({"model_version":"3","outputs":[{"data":[0.2,1.5]}]})",
                          R"({"model_version":"3","outputs":[{"data":[0.2,null]}]})"})
    EXPECT_EQ(read_answer(bad, 2, {}).status().code(), Code::kDataLoss) << bad;
}

TEST(Figures, LeaveOutWhatIsNotKnown) {
  const std::vector<double> labels = {1, 0, kNaN, 1}, probabilities = {0.8, 0.4, 0.9, kNaN};
  const Figures figures = figures_of({}, labels, probabilities);
  EXPECT_EQ(figures.rows, 2u);
  EXPECT_NEAR(figures.loss, (-std::log(0.8) - std::log(0.6)) / 2, 1e-12);
  EXPECT_DOUBLE_EQ(figures.score, 1.0);
  EXPECT_TRUE(std::isnan(figures_of({}, {}, {}).loss));
}

TEST(Rows, AreCutIntoSlotsAndGroups) {
  artifacts::FakeStore store;
  const auto snapshot = dataio::make_snapshot(store, "flights", "all", table(), "at", "test");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status().message();
  const auto rows =
      read_replay_rows(store, flights(), {.snapshots = {*snapshot}, .group_by = "origin", .slot_us = kHour});
  ASSERT_TRUE(rows.ok()) << rows.status().message();
  ASSERT_EQ(rows->slots.size(), 3u);
  ASSERT_EQ(rows->slots[0].groups.size(), 2u);
  EXPECT_EQ(rows->slots[0].groups[0].id, "EWR-1970-01-01T00:00:00Z");
  EXPECT_EQ(rows->slots[0].groups[0].event_us, 10);
  EXPECT_THAT(rows->slots[0].groups[1].rows, ::testing::ElementsAre(0u, 2u));
  EXPECT_EQ(rows->slots[1].groups[0].id, "missing-1970-01-01T01:00:00Z");
  EXPECT_EQ(rows->slots[2].start_us, 3 * kHour);
  const auto whole =
      read_replay_rows(store, flights(), {.snapshots = {*snapshot}, .until_us = kHour, .slot_us = kHour});
  ASSERT_EQ(whole->slots.size(), 1u);
  EXPECT_EQ(whole->slots[0].groups.size(), 1u) << "without a column: one request a slot";
  EXPECT_EQ(whole->slots[0].groups[0].rows.size(), 3u);
  EXPECT_FALSE(
      read_replay_rows(store, flights(), {.snapshots = {*snapshot}, .until_us = -5, .slot_us = kHour}).ok() &&
      read_replay_rows(store, flights(), {.snapshots = {}, .slot_us = kHour}).ok());
}

TEST(Baselines, ComeFromTheLabelsAlone) {
  Rows rows;
  rows.table = table();
  rows.times = rows.table.columns[0].times;
  rows.labels = rows.table.columns[3].numbers;
  const Baselines by_hour = Baselines::fit({}, rows, {}).value();
  EXPECT_DOUBLE_EQ(by_hour.constant()[0], 0.5);  // 1, 0, 1, 0
  const std::vector<double> table = by_hour.table(rows);
  EXPECT_DOUBLE_EQ(table[0], (1 + 5.0) / 12);  // hour 0: one of two
  EXPECT_DOUBLE_EQ(table[3], (1 + 5.0) / 11);  // hour 1: one of one
  const Baselines by_origin = Baselines::fit({}, rows, parse_table_by("origin").value()).value();
  EXPECT_DOUBLE_EQ(by_origin.table(rows)[1], (0 + 5.0) / 11);
  const Baselines by_temp = Baselines::fit({}, rows, parse_table_by("temp/2").value()).value();
  EXPECT_DOUBLE_EQ(by_temp.table(rows)[0], by_temp.table(rows)[3]) << "1.5 and 1e-7 share a cell of width 2";
  EXPECT_FALSE(Baselines::fit({}, rows, {.column = "nothing"}).ok());
  rows.labels.assign(5, kNaN);
  EXPECT_EQ(Baselines::fit({}, rows, {}).status().code(), Code::kFailedPrecondition);
  for (const char* bad : {"x/", "x/0", "x/-1", "/60", "x/nan"}) EXPECT_FALSE(parse_table_by(bad).ok()) << bad;
}

v1::JudgedWindow window(double value, double threshold, int64_t days) {
  v1::JudgedWindow out;
  out.set_until_us(days * 24 * kHour);
  v1::Score& score = *out.add_drift();
  score.set_feature("temp");
  score.set_value(value);
  score.set_threshold(threshold);
  return out;
}

TEST(Weeks, KeepTheScoreNearestToItsThreshold) {
  Week week;
  note_window(week, window(9, 0.25, 3), 7 * 24 * kHour);
  EXPECT_EQ(week.drift, 0) << "three days of a version are not a window of seven";
  note_window(week, window(0.2, 0.25, 7), 7 * 24 * kHour);
  note_window(week, window(0.3, 0.9, 8), 7 * 24 * kHour);
  EXPECT_EQ(week.drift, 0.2);
  EXPECT_EQ(week.drift_feature, "temp");
}

Report report() {
  Report out;
  out.model = "m";
  out.rows = 10;
  out.requests_answered = 4;
  out.served = {9, 0.5, 0.7};
  out.frozen = Figures{9, 0.6, 0.6};
  out.constant = Figures{9, 0.7, 0.5};
  out.compared = 1;
  out.trigger_to_serving_seconds = {3, 5};
  Week week;
  week.rows = 10;
  week.served = {9, 0.4, 0.8};
  week.versions[2] = 10;
  out.weeks = {week, week};
  out.weeks[1].served = {9, 0.6, kNaN};
  return out;
}

TEST(Report, HasTheNamedFields) {
  const auto json = boost::json::parse(json_of(report()));
  for (const char* field : {"requests_answered", "requests_failed", "runs_triggered", "versions_published",
                            "versions_rejected", "trigger_to_serving_seconds", "auroc_served", "auroc_frozen",
                            "auroc_cron", "auroc_constant", "auroc_table", "logloss_served", "logloss_frozen",
                            "logloss_cron", "logloss_constant", "logloss_table", "weeks"})
    EXPECT_TRUE(json.as_object().contains(field)) << field;
  EXPECT_TRUE(json.at("auroc_cron").is_null());
  EXPECT_DOUBLE_EQ(json.at("logloss_served").as_double(), 0.5);
  EXPECT_DOUBLE_EQ(json.at("weekly_mean_logloss_served").as_double(), 0.5);
  EXPECT_DOUBLE_EQ(json.at("weekly_mean_auroc_served").as_double(), 0.8)
      << "weeks without an AUROC are left out";
  EXPECT_EQ(json.at("weeks").as_array().size(), 2u);
  EXPECT_TRUE(json.at("weeks").at(1).at("auroc_served").is_null());
}

TEST(Report, SumsUpInWords) {
  const std::string text = summary(report());
  EXPECT_THAT(text, HasSubstr("served by the loop"));
  EXPECT_THAT(text, HasSubstr("version 1 frozen"));
  EXPECT_THAT(text, HasSubstr("0.5000"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("cron")));
}

}  // namespace
}  // namespace rekindle::cli::replay
