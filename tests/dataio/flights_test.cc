// The real year of flights, as the demo imports it. Expected figures were computed by
// golden/flights.py from the same files with Python's csv module alone.
#include <boost/json.hpp>

#include <chrono>
#include <fstream>

#include "artifacts/store.h"
#include "base/hash.h"
#include "dataio/import.h"
#include "dataio/snapshot.h"
#include "proto/time.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

constexpr char kFolder[] = "build/data";

v1::Derive derive(const char* column) {
  v1::Derive out;
  out.set_column(column);
  return out;
}

// What jobs/imports/flights.yaml says.
v1::ImportSpec flights_spec() {
  v1::ImportSpec spec;
  spec.set_rekindle(1);
  spec.set_dataset("flights");
  spec.mutable_rows()->set_file("flights.csv.zip");
  v1::Join* join = spec.add_join();
  join->mutable_source()->set_file("weather.csv");
  join->add_on("origin");
  join->set_hour("time_hour");
  *join->mutable_shift() = to_proto(std::chrono::hours(1));
  for (const char* name : {"temp", "humid", "wind_speed", "precip", "visib"}) join->add_take(name);
  v1::Derive sched_dep = derive("sched_dep"), sched_minute = derive("sched_minute"),
             weekday = derive("weekday"), late = derive("late");
  sched_dep.mutable_add_minutes()->set_time("time_hour");
  sched_dep.mutable_add_minutes()->set_minutes("minute");
  sched_minute.mutable_minute_of_day()->set_hour("hour");
  sched_minute.mutable_minute_of_day()->set_minute("minute");
  weekday.mutable_weekday()->set_year("year");
  weekday.mutable_weekday()->set_month("month");
  weekday.mutable_weekday()->set_day("day");
  late.mutable_compare()->set_column("arr_delay");
  late.mutable_compare()->set_op(v1::Compare::GREATER);
  late.mutable_compare()->set_value(15);
  for (const v1::Derive& one : {sched_dep, sched_minute, weekday, late}) *spec.add_derive() = one;
  for (const char* name : {"sched_dep", "sched_minute", "weekday", "carrier", "origin", "dest", "distance",
                           "temp", "humid", "wind_speed", "precip", "visib", "late"})
    spec.add_keep(name);
  spec.set_time("sched_dep");
  spec.add_snapshot_by("year");
  spec.add_snapshot_by("month");
  return spec;
}

class Flights : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(std::filesystem::path(kFolder) / "flights.csv.zip"))
      GTEST_SKIP() << "SKIPPED LOUDLY: no flights in " << kFolder << "; ./dev setup puts them there";
  }
};

// The whole import, against Python's: every row is hashed there and here in one canonical text.
TEST_F(Flights, ImportEqualsThePythonComputation) {
  std::ifstream golden_file("tests/dataio/golden/flights.json");
  const boost::json::value golden = boost::json::parse(
      std::string(std::istreambuf_iterator<char>(golden_file), std::istreambuf_iterator<char>()));
  TempFolder folder;
  auto store = artifacts::open_folder_store(folder.path()).value();
  const auto begun = std::chrono::steady_clock::now();
  const auto imported = import_dataset(flights_spec(), kFolder, *store);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  ASSERT_TRUE(imported.ok()) << imported.status().to_string();
  RecordProperty("import_seconds", std::to_string(took.count()));
  const auto& snapshots = imported.value();
  ASSERT_EQ(snapshots.size(), golden.at("snapshots").as_array().size());
  const v1::ImportSpec spec = flights_spec();
  const std::vector<std::string> columns(spec.keep().begin(), spec.keep().end());
  for (size_t i = 0; i < snapshots.size(); ++i) {
    const boost::json::value& expected = golden.at("snapshots").at(i);
    EXPECT_EQ(snapshots[i].name(), expected.at("name").as_string());
    EXPECT_EQ(snapshots[i].rows(), static_cast<uint64_t>(expected.at("rows").as_int64()));
    const Table table = read_rows(*store, std::span(&snapshots[i], 1), columns, INT64_MIN, INT64_MAX).value();
    std::string text;
    for (size_t row = 0; row < table.rows(); ++row) text += show_row(table, row) + "\n";
    EXPECT_EQ(text.substr(0, text.find('\n')), expected.at("first").as_string());
    EXPECT_EQ(sha256_hex(text), expected.at("sha256").as_string()) << snapshots[i].name();
  }
}

TEST_F(Flights, ImportingAgainGivesEqualSnapshots) {
  TempFolder one, two;
  auto first = artifacts::open_folder_store(one.path()).value();
  auto second = artifacts::open_folder_store(two.path()).value();
  const auto a = import_dataset(flights_spec(), kFolder, *first).value();
  const auto b = import_dataset(flights_spec(), kFolder, *second).value();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(same_content(a[i], b[i])) << a[i].name();
    EXPECT_EQ(a[i].SerializeAsString(), b[i].SerializeAsString());
  }
}

}  // namespace
}  // namespace rekindle::dataio
