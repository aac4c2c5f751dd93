// `rekindle watch`: windows of files against a reference, what it remembers, and the command that an alarm
// runs.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <stdlib.h>

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <random>

#include "base/clock.h"
#include "base/files.h"
#include "cli/rows/watching/memory.h"
#include "cli/rows/watching/reference.h"
#include "jobs/spec.h"
#include "proto/time.h"

namespace rekindle::cli {
namespace {

using ::testing::HasSubstr;

constexpr int kRows = 1500;
constexpr int64_t kHour = 3'600'000'000;
constexpr int64_t kBegin = 1'357'000'000'000'000;  // in 2013

constexpr std::string_view kSpec = R"(
rekindle: 1
name: orders
data:
  initial: order-rows@all
  time: at
  label: {column: late, kind: binary, matures: 1d}
  numeric: [distance]
  categorical: [way]
train: {model: {tabular: {hidden: [8]}}, rows: {last: 365d}}
retrain: {when: [drift], persistence: {hits: 2, of: 3}, cooldown: 1d}
)";

v1::JobSpec spec() {
  return jobs::resolve(jobs::parse_job(kSpec, "orders.yaml").value()).value().spec;
}

// Orders of an hour each; `far` is added to each distance, every `sea`th goes by sea.
dataio::Table orders(uint32_t seed, int64_t hour, double far = 0, int sea = 5) {
  std::mt19937 random(seed);
  std::vector<double> distance;
  std::vector<std::string> way;
  std::vector<int64_t> at;
  for (int i = 0; i < kRows; ++i) {
    distance.push_back(i % 40 == 0 ? dataio::kMissingNumber : random() / 4294967.296 + far);
    way.push_back(static_cast<int>(random() % 100) * sea < 100 ? "sea" : "road");
    at.push_back(kBegin + hour * kHour + i * 1'000'000);
  }
  dataio::Table table;
  table.add(dataio::time_column("at", at));
  table.add(dataio::number_column("distance", distance));
  table.add(dataio::text_column("way", way));
  return table;
}

std::vector<std::string> fired(const Reference& reference, const WindowCounts& window) {
  std::vector<std::string> out;
  for (const v1::Score& score : reference.scores(window, spec().retrain().when(0).drift(), 1000))
    if (score.fired()) out.push_back(score.feature());
  return out;
}

TEST(WatchReference, WhatHasMovedIsNamed) {
  const Reference reference = Reference::make(spec().data(), orders(1, 0)).value();
  EXPECT_THAT(fired(reference, reference.count(orders(2, 1)).value()), testing::IsEmpty());
  EXPECT_THAT(fired(reference, reference.count(orders(3, 2, 400)).value()), testing::ElementsAre("distance"));
  EXPECT_THAT(fired(reference, reference.count(orders(4, 3, 0, 1)).value()), testing::ElementsAre("way"));
}

TEST(WatchReference, WindowsAddUp) {
  const Reference reference = Reference::make(spec().data(), orders(1, 0)).value();
  dataio::Table both = orders(2, 5);
  const WindowCounts later = reference.count(both).value();
  ASSERT_TRUE(dataio::append(both, orders(3, 4)).ok());
  WindowCounts sum = reference.empty();
  sum.add(later);
  sum.add(reference.count(orders(3, 4)).value());
  const WindowCounts whole = reference.count(both).value();
  EXPECT_EQ(sum.features, whole.features);
  EXPECT_EQ(sum.rows, 2 * kRows);
  EXPECT_EQ(sum.first_us, kBegin + 4 * kHour);
  EXPECT_EQ(sum.last_us, whole.last_us);
}

TEST(WatchReference, AnotherFormIsNoDrift) {
  const Reference reference = Reference::make(spec().data(), orders(1, 0)).value();
  dataio::Table rows = orders(2, 1);
  rows.columns.erase(rows.columns.begin() + 1);
  EXPECT_THAT(reference.count(rows).status().message(), HasSubstr("distance"));
  EXPECT_FALSE(Reference::make(spec().data(), dataio::Table()).ok());
}

TEST(WatchMemoryRule, HitsPersistAndCoolDown) {
  WatchMemory memory;
  const v1::Retrain retrain = spec().retrain();
  EXPECT_FALSE(memory.judge(true, kBegin, retrain));
  EXPECT_FALSE(memory.judge(false, kBegin + kHour, retrain));
  EXPECT_TRUE(memory.judge(true, kBegin + 2 * kHour, retrain)) << "two of three";
  EXPECT_TRUE(memory.hits.empty());
  for (int hour = 3; hour < 26; ++hour) EXPECT_FALSE(memory.judge(true, kBegin + hour * kHour, retrain));
  EXPECT_TRUE(memory.judge(true, kBegin + 26 * kHour, retrain)) << "a day later it is told again";
}

class WatchProgram : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "rekindle-watch-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directories(root_ / "events");
    write("orders.yaml", std::string(kSpec));
    write("reference.csv", csv(orders(1, 0)));
    write("command",
          "#!/bin/sh\necho \"$REKINDLE_WATCH_ID $1: $REKINDLE_WATCH_REASON\" >>\"$2/told\"\n"
          "test ! -e \"$2/broken\"\n");
    fs::permissions(root_ / "command", fs::perms::owner_all);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file_durably(root_ / name, text).ok());
  }
  static std::string csv(const dataio::Table& table) {
    std::string out = "at,distance,way\n";
    for (size_t row = 0; row < table.rows(); ++row) {
      const double distance = table.columns[1].numbers[row];
      out +=
          fmt::format("{},{},{}\n", format_time(time_from_micros(table.columns[0].times[row])),
                      std::isnan(distance) ? "NA" : fmt::format("{}", distance), table.columns[2].text(row));
    }
    return out;
  }
  std::pair<int, std::string> watch(const std::string& more = "") {
    const std::string command = fmt::format(
        "env REKINDLE_STATE={0}/state {1}/rekindle watch {0}/orders.yaml --reference {0}/reference.csv "
        "--events "
        "{0}/events --once {2} 2>&1",
        root_.string(), std::getenv("REKINDLE_BIN"), more);
    std::FILE* pipe = popen(command.c_str(), "r");
    std::string out;
    std::array<char, 4096> buffer{};
    while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
    return {WEXITSTATUS(pclose(pipe)), out};
  }
  std::string with_command() const { return fmt::format("-- {0}/command again {0}", root_.string()); }
  std::string told() const { return read_file(root_ / "told").ok() ? read_file(root_ / "told").value() : ""; }

  fs::path root_;
};

TEST_F(WatchProgram, AnAlarmIsRaisedOnceAndRunsACommand) {
  write("events/01.csv", csv(orders(2, 1)));
  auto [code, out] = watch(with_command());
  EXPECT_EQ(code, 0) << out;
  EXPECT_THAT(out, HasSubstr("1500 rows in 1 files: as the reference"));
  write("events/02.csv", csv(orders(3, 2, 400)));
  write("events/03.csv", csv(orders(4, 3, 400)));
  write("events/_04.csv", "a file that is being written");
  std::tie(code, out) = watch(with_command());
  EXPECT_EQ(code, 14) << out;
  EXPECT_THAT(out, HasSubstr("moved, 1 of 2 windows"));
  EXPECT_THAT(out, HasSubstr("DRIFT"));
  EXPECT_THAT(told(), HasSubstr("orders-"));
  EXPECT_THAT(told(), HasSubstr(" again: "));
  EXPECT_THAT(told(), HasSubstr("distance"));
  const std::string once = told();
  std::tie(code, out) = watch(with_command());
  EXPECT_EQ(code, 0) << out;
  EXPECT_EQ(out, "");
  EXPECT_EQ(told(), once) << "what was judged is not judged again";
}

TEST_F(WatchProgram, ACommandThatFailedIsRunAgainWithTheSameId) {
  write("events/02.csv", csv(orders(3, 2, 400)));
  write("events/03.csv", csv(orders(4, 3, 400)));
  write("broken", "");
  auto [code, out] = watch(with_command());
  EXPECT_EQ(code, 1) << out;
  EXPECT_THAT(out, HasSubstr("ended with 1: it is run again"));
  fs::remove(root_ / "broken");
  std::tie(code, out) = watch(with_command());
  EXPECT_EQ(code, 0) << out;
  const std::string text = told();
  const std::string first = text.substr(0, text.find('\n') + 1);
  EXPECT_EQ(text, first + first);
  EXPECT_EQ(watch(with_command()).first, 0);
  EXPECT_EQ(told(), text);
}

TEST_F(WatchProgram, FilesThatAreNotRowsAreToldAndLeftOut) {
  write("events/01.csv", "at,way\n2013-01-01T00:00:00Z,sea\n");
  write("events/02.parquet", "PAR1 and nothing else");
  write("events/03.csv", csv(orders(2, 1)));
  const auto [code, out] = watch("--json");
  EXPECT_EQ(code, 2) << out;
  EXPECT_THAT(out, HasSubstr("01.csv is not judged: "));
  EXPECT_THAT(out, HasSubstr("distance"));
  EXPECT_THAT(out, HasSubstr("02.parquet is not judged: "));
  const auto window = boost::json::parse(out.substr(out.find('{')));
  EXPECT_EQ(window.at("files").as_array().size(), 1u);
  EXPECT_FALSE(window.at("hit").as_bool());
}

TEST_F(WatchProgram, RefusalsSayWhatToDo) {
  EXPECT_EQ(watch("--every 1us").first, 2);
  std::string text(kSpec);
  text.replace(text.find("when: [drift]"), 13, "when: [quality]");
  write("orders.yaml", text);
  const auto [code, out] = watch();
  EXPECT_EQ(code, 2);
  EXPECT_THAT(out, HasSubstr("write retrain: {when: [drift]}"));
}

}  // namespace
}  // namespace rekindle::cli
