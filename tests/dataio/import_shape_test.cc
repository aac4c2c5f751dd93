// Joins, derived columns and the naming of snapshots.
#include "artifacts/fake_store.h"
#include "dataio/import.h"
#include "dataio/snapshot.h"
#include "proto/time.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ImportShape : public ::testing::Test {
 protected:
  void SetUp() override {
    spec_ = small_spec();
    folder_.write("rows.csv",
                  "when,x,word,n,y,m,d\n"
                  "2013-01-01T10:00:00Z,1,a,15,2013,1,1\n"
                  "2013-01-01T11:00:00Z,2,b,-30.5,2013,1,2\n"
                  "2013-02-01T11:00:00Z,NA,NA,NA,2013,2,NA\n");
  }
  Result<Table> import() { return import_table(spec_, folder_.path()); }
  std::vector<std::string> rows() {
    const Result<Table> table = import();
    if (!table.ok()) return {table.status().to_string()};
    std::vector<std::string> out;
    for (size_t row = 0; row < table.value().rows(); ++row) out.push_back(show_row(table.value(), row));
    return out;
  }
  void keep(std::initializer_list<const char*> names) {
    spec_.clear_keep();
    for (const char* name : names) spec_.add_keep(name);
  }
  v1::Join& join_weather() {
    v1::Join& join = *spec_.add_join();
    join.mutable_source()->set_file("weather.csv");
    join.add_on("word");
    join.set_hour("when");
    *join.mutable_shift() = to_proto(std::chrono::hours(1));
    join.add_take("temp");
    keep({"when", "word", "temp"});
    return join;
  }
  v1::Derive& derive(const char* name) {
    v1::Derive& out = *spec_.add_derive();
    out.set_column(name);
    keep({"when", name});
    return out;
  }

  TempFolder folder_;
  v1::ImportSpec spec_;
};

// A row at 10:00 takes what the other file says of 9:00.
TEST_F(ImportShape, JoinsTheHourBefore) {
  join_weather();
  folder_.write(
      "weather.csv",
      "word,when,temp\na,2013-01-01T09:00:00Z,9\na,2013-01-01T10:00:00Z,10\nb,2013-01-01T11:00:00Z,11\n");
  EXPECT_THAT(rows(), ElementsAre("2013-01-01T10:00:00Z|a|9", "2013-01-01T11:00:00Z|b|-",
                                  "2013-02-01T11:00:00Z|-|-"));
  spec_.mutable_join(0)->clear_shift();
  EXPECT_THAT(rows(), ElementsAre("2013-01-01T10:00:00Z|a|10", "2013-01-01T11:00:00Z|b|11",
                                  "2013-02-01T11:00:00Z|-|-"));
}

TEST_F(ImportShape, JoinsOnNumbersAndSeveralFiles) {
  v1::Join& one = *spec_.add_join();
  one.mutable_source()->set_file("names.csv");
  one.add_on("x");
  one.add_take("city");
  v1::Join& two = *spec_.add_join();
  two.mutable_source()->set_file("cities.csv");
  two.add_on("city");
  two.add_take("size");
  keep({"when", "city", "size"});
  folder_.write("names.csv", "x,city\n1.0,rome\n2,oslo\n");
  folder_.write("cities.csv", "city,size\noslo,7\nrome,8\n");
  EXPECT_THAT(rows(), ElementsAre("2013-01-01T10:00:00Z|rome|8", "2013-01-01T11:00:00Z|oslo|7",
                                  "2013-02-01T11:00:00Z|-|-"));
}

TEST_F(ImportShape, RefusesUnsoundJoins) {
  v1::Join& join = join_weather();
  folder_.write(
      "weather.csv",
      "word,when,temp\na,2013-01-01T09:00:00Z,9\nb,2013-01-01T09:00:00Z,9\na,2013-01-01T09:00:00Z,8\n");
  EXPECT_THAT(rows()[0], HasSubstr("weather.csv:2 and weather.csv:4 have the same join key"));
  folder_.write("weather.csv", "word,when\na,2013-01-01T09:00:00Z\n");
  EXPECT_THAT(rows()[0], HasSubstr("weather.csv has no column 'temp'"));
  folder_.write("weather.csv", "word,when,temp\n5,2013-01-01T09:00:00Z,1\n");
  EXPECT_THAT(rows()[0], HasSubstr("'word' holds text values in rows.csv and number values in weather.csv"));
  folder_.write("weather.csv", "word,when,temp,x\na,2013-01-01T09:00:00Z,9,1\n");
  join.add_take("x");
  EXPECT_THAT(rows()[0], HasSubstr("'x' has the name of one that rows.csv has already"));
  join.clear_take();
  join.add_take("temp");
  join.add_take("temp");
  EXPECT_THAT(rows()[0], HasSubstr("'temp' twice"));
  join.clear_take();
  join.add_take("temp");
  join.clear_on();
  join.clear_hour();
  EXPECT_THAT(rows()[0], HasSubstr("names no column"));
  join.set_hour("word");
  EXPECT_THAT(rows()[0], HasSubstr("join hour 'word' holds text values"));
  join.mutable_source()->set_file("absent.csv");
  EXPECT_THAT(rows()[0], HasSubstr("no file absent.csv"));
}

TEST_F(ImportShape, AddsMinutes) {
  v1::Derive& later = derive("later");
  later.mutable_add_minutes()->set_time("when");
  later.mutable_add_minutes()->set_minutes("n");
  EXPECT_THAT(rows(), ElementsAre("2013-01-01T10:00:00Z|2013-01-01T10:15:00Z",
                                  "2013-01-01T11:00:00Z|2013-01-01T10:29:30Z", "2013-02-01T11:00:00Z|-"));
}

TEST_F(ImportShape, MinuteOfDay) {
  v1::Derive& minute = derive("minute");
  minute.mutable_minute_of_day()->set_hour("x");
  minute.mutable_minute_of_day()->set_minute("n");
  EXPECT_THAT(rows(),
              ElementsAre("2013-01-01T10:00:00Z|75", "2013-01-01T11:00:00Z|89.5", "2013-02-01T11:00:00Z|-"));
}

TEST_F(ImportShape, Weekdays) {
  v1::Derive& day = derive("day");
  day.mutable_weekday()->set_year("y");
  day.mutable_weekday()->set_month("m");
  day.mutable_weekday()->set_day("d");
  EXPECT_THAT(rows(),
              ElementsAre("2013-01-01T10:00:00Z|tue", "2013-01-01T11:00:00Z|wed", "2013-02-01T11:00:00Z|-"));
  folder_.write("rows.csv", "when,y,m,d\n2013-01-01,2013,2,30\n");
  EXPECT_THAT(rows()[0], HasSubstr("rows.csv:2: column 'd': 2013-2-30 is not a date"));
  folder_.write("rows.csv", "when,y,m,d\n2013-01-01,2013,2,1.5\n");
  EXPECT_THAT(rows()[0], HasSubstr("is not a date"));
}

TEST_F(ImportShape, PartsOfTime) {
  folder_.write(
      "rows.csv",
      "when,other\n2013-01-01,2012-02-29T23:59:30Z\n2013-01-02,1969-12-31T00:00:00.5Z\n2013-01-03,\n");
  v1::PartOfTime& part = *derive("part").mutable_part_of_time();
  part.set_time("other");
  struct Case {
    v1::PartOfTime::Part part;
    const char* expected;
  };
  for (const Case& c : {Case{v1::PartOfTime::YEAR, "2012 1969 - "}, Case{v1::PartOfTime::MONTH, "2 12 - "},
                        Case{v1::PartOfTime::DAY, "29 31 - "}, Case{v1::PartOfTime::HOUR, "23 0 - "},
                        Case{v1::PartOfTime::MINUTE_OF_DAY, "1439.5 0.008333333333333333 - "},
                        Case{v1::PartOfTime::WEEKDAY, "wed wed - "}}) {
    part.set_part(c.part);
    std::string got;
    for (const std::string& row : rows()) got += row.substr(row.find('|') + 1) + " ";
    EXPECT_EQ(got, c.expected) << v1::PartOfTime::Part_Name(c.part);
  }
  part.set_time("when");
  EXPECT_THAT(rows()[0], HasSubstr("|tue"));
  part.clear_part();
  EXPECT_THAT(rows()[0], HasSubstr("derived column 'part': it needs part: year, month"));
}

TEST_F(ImportShape, Comparisons) {
  v1::Derive& big = derive("big");
  big.mutable_compare()->set_column("x");
  big.mutable_compare()->set_value(2);
  struct Case {
    v1::Compare::Op op;
    const char* expected;
  };
  for (const Case& c : {Case{v1::Compare::GREATER, "0 0 - "}, Case{v1::Compare::AT_LEAST, "0 1 - "},
                        Case{v1::Compare::LESS, "1 0 - "}, Case{v1::Compare::AT_MOST, "1 1 - "},
                        Case{v1::Compare::EQUAL, "0 1 - "}}) {
    big.mutable_compare()->set_op(c.op);
    std::string got;
    for (const std::string& row : rows()) got += row.substr(row.find('|') + 1) + " ";
    EXPECT_EQ(got, c.expected) << v1::Compare::Op_Name(c.op);
  }
  EXPECT_EQ(import().value().find("big")->type, v1::BOOL);
  big.mutable_compare()->clear_op();
  EXPECT_THAT(rows()[0], HasSubstr("derived column 'big': a comparison needs op"));
}

TEST_F(ImportShape, RefusesUnsoundSpecs) {
  v1::Derive& again = derive("y");
  again.mutable_compare()->set_column("x");
  again.mutable_compare()->set_op(v1::Compare::EQUAL);
  EXPECT_THAT(rows()[0], HasSubstr("'y' has the name of one that rows.csv has already"));
  spec_.clear_derive();
  keep({"when", "y", "y"});
  EXPECT_THAT(rows()[0], HasSubstr("keep names 'y' twice"));
  keep({"y"});
  EXPECT_THAT(rows()[0], HasSubstr("time column 'when' must be among"));
  keep({"when", "word"});
  v1::Derive& text = derive("t");
  text.mutable_compare()->set_column("word");
  text.mutable_compare()->set_op(v1::Compare::EQUAL);
  EXPECT_THAT(rows()[0], HasSubstr("'word' holds text values; number is needed"));
  spec_.set_dataset("../bad");
  EXPECT_FALSE(import().ok());
}

TEST_F(ImportShape, SnapshotsAreNamedByTheirColumns) {
  artifacts::FakeStore store;
  const auto names = [&]() -> std::string {
    const auto snapshots = import_dataset(spec_, folder_.path(), store);
    if (!snapshots.ok()) return snapshots.status().to_string();
    std::string out;
    for (const auto& snapshot : snapshots.value())
      out += fmt::format("{}:{} ", snapshot.name(), snapshot.rows());
    return out;
  };
  EXPECT_EQ(names(), "all:3 ");
  spec_.add_snapshot_by("y");
  spec_.add_snapshot_by("m");
  EXPECT_EQ(names(), "2013-01:2 2013-02:1 ");
  spec_.clear_snapshot_by();
  spec_.add_snapshot_by("n");
  EXPECT_THAT(names(), HasSubstr("rows.csv:3: 'n' cannot name a snapshot"));
  spec_.clear_snapshot_by();
  spec_.add_snapshot_by("word");
  EXPECT_THAT(names(), HasSubstr("rows.csv:4: 'word' cannot name a snapshot"));
}

TEST_F(ImportShape, AFailingStoreIsReported) {
  artifacts::FakeStore store;
  store.fail_puts(resource_exhausted("disk full"));
  EXPECT_EQ(import_dataset(spec_, folder_.path(), store).status().code(), Code::kResourceExhausted);
}

TEST_F(ImportShape, TellsWhatItDoes) {
  artifacts::FakeStore store;
  join_weather();
  folder_.write("weather.csv", "word,when,temp\na,2013-01-01T09:00:00Z,9\n");
  std::vector<std::string> lines;
  const Progress note = [&](std::string_view line) { lines.emplace_back(line); };
  ASSERT_TRUE(import_dataset(spec_, folder_.path(), store, note).ok());
  EXPECT_THAT(lines, ElementsAre("rows.csv: 3 rows", "weather.csv: 1 rows",
                                 "weather.csv: 1 of 3 rows found their match", "small@all: 3 rows"));
}

}  // namespace
}  // namespace rekindle::dataio
