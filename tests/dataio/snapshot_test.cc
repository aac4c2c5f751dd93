#include "dataio/snapshot.h"

#include "artifacts/fake_store.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::DatasetSnapshot named(const std::string& dataset, const std::string& name) {
  v1::DatasetSnapshot out;
  out.set_dataset(dataset);
  out.set_name(name);
  return out;
}

TEST(References, NameSnapshots) {
  const std::vector<v1::DatasetSnapshot> available = {named("flights", "2013-03"),
                                                      named("flights", "2013-01"), named("other", "all"),
                                                      named("flights", "2013-02")};
  const auto chosen = [&](const char* reference) -> std::string {
    const auto result = select_snapshots(reference, available);
    if (!result.ok()) return result.status().to_string();
    std::string out;
    for (const auto& snapshot : result.value()) out += snapshot.name() + " ";
    return out;
  };
  EXPECT_EQ(chosen("flights"), "2013-01 2013-02 2013-03 ");
  EXPECT_EQ(chosen("flights@2013-02"), "2013-02 ");
  EXPECT_EQ(chosen("flights@2013-02..2013-03"), "2013-02 2013-03 ");
  EXPECT_EQ(chosen("flights@2013-02..2014-01"), "2013-02 2013-03 ");
  EXPECT_EQ(chosen("other"), "all ");
  EXPECT_THAT(chosen("flights@2014-01"),
              HasSubstr("dataset 'flights' has no snapshot '2014-01'; it has: 2013-01, 2013-02"));
  EXPECT_THAT(chosen("trains"), HasSubstr("no dataset named 'trains'; there is: flights, other"));
  for (const char* bad : {"", "@", "flights@", "flights@..", "a b", "flights@../x",
                          "flights@2013-03..2013-01", "flights@a..b..c/"})
    EXPECT_THAT(chosen(bad), HasSubstr("invalid_argument")) << bad;
}

class Rows : public ::testing::Test {
 protected:
  // Rows at the given seconds; x is the second, word its parity.
  v1::DatasetSnapshot add(const std::string& name, std::vector<int64_t> seconds, bool with_id = false,
                          v1::ColumnType label = v1::BOOL) {
    Table table;
    std::vector<double> x;
    std::vector<std::string> words, ids;
    for (int64_t& second : seconds) {
      x.push_back(static_cast<double>(second));
      words.push_back(second % 2 ? "odd" : "even");
      ids.push_back("r" + std::to_string(second));
      second *= 1000000;
    }
    table.add(number_column("x", x));
    table.add(time_column("when", seconds));
    table.add(text_column("word", words));
    Column flag = bool_column("late", x);
    for (double& value : flag.numbers) value = value > 2;
    flag.type = label;
    table.add(flag);
    if (with_id) table.add(text_column("request_id", ids));
    return make_snapshot(store_, "small", name, table, "when", "a test").value();
  }
  Result<Table> read(std::vector<v1::DatasetSnapshot> snapshots, int64_t from, int64_t until,
                     std::vector<std::string> columns = {"word", "x"},
                     std::vector<std::string> optional = {}) {
    return read_rows(store_, snapshots, columns, from * 1000000, until * 1000000, optional);
  }
  static std::string xs(const Result<Table>& table) {
    if (!table.ok()) return table.status().to_string();
    std::string out;
    for (double x : table.value().find("x")->numbers) out += fmt::format("{} ", x);
    return out;
  }

  artifacts::FakeStore store_;
};

TEST_F(Rows, AreCutByTimeAndSorted) {
  const auto later = add("b", {4, 5, 6}), earlier = add("a", {1, 2, 5});
  EXPECT_EQ(xs(read({later, earlier}, 0, 100)), "1 2 4 5 5 6 ");
  EXPECT_EQ(xs(read({later, earlier}, 2, 5)), "2 4 ");
  EXPECT_EQ(xs(read({later, earlier}, 5, 5)), "");
  EXPECT_EQ(xs(read({later, earlier}, 50, 60)), "");
  EXPECT_EQ(show_row(read({later, earlier}, 5, 6).value(), 0), "1970-01-01T00:00:05Z|odd|5");
}

TEST_F(Rows, HoldTheTimeAndTheWantedColumnsOnly) {
  const Table table = read({add("a", {1})}, 0, 9, {"x", "when", "x"}).value();
  ASSERT_EQ(table.columns.size(), 2u);
  EXPECT_EQ(table.columns[0].name, "when");
  EXPECT_EQ(table.columns[1].name, "x");
}

TEST_F(Rows, OptionalColumnsAreMissingWhereTheyAreAbsent) {
  const auto without = add("a", {1}), with = add("b", {2}, true);
  EXPECT_EQ(show_row(read({without, with}, 0, 9, {"x"}, {"request_id"}).value(), 0),
            "1970-01-01T00:00:01Z|1|-");
  EXPECT_EQ(show_row(read({without, with}, 0, 9, {"x"}, {"request_id"}).value(), 1),
            "1970-01-01T00:00:02Z|2|r2");
  EXPECT_EQ(read({without}, 0, 9, {"x"}, {"request_id"}).value().columns.size(), 2u);
}

TEST_F(Rows, LabelsOfNumbersAndBoolsGoTogether) {
  const Table table = read({add("a", {1}, false, v1::NUMBER), add("b", {5})}, 0, 9, {"late"}).value();
  EXPECT_EQ(table.columns[1].type, v1::NUMBER);
  EXPECT_THAT(table.columns[1].numbers, ElementsAre(0, 1));
}

TEST_F(Rows, NameWhatIsWrong) {
  auto good = add("a", {1});
  EXPECT_THAT(xs(read({good}, 0, 9, {"nope"})),
              HasSubstr("small@a has no column 'nope'; it has: x, when, word, late"));
  EXPECT_THAT(xs(read({}, 0, 9)), HasSubstr("no snapshots"));
  auto typed = add("b", {1});
  typed.mutable_columns(0)->set_type(v1::TEXT);
  EXPECT_THAT(xs(read({good, typed}, 0, 9)),
              HasSubstr("'x' holds number values in small@a and text values in small@b"));
  EXPECT_THAT(xs(read({typed}, 0, 9)), HasSubstr("holds number values; text is needed"));
  auto timed = add("c", {1});
  timed.set_time_column("x");
  EXPECT_THAT(xs(read({good, timed}, 0, 9)),
              HasSubstr("small@a has the time column 'when', small@c has 'x'"));
  store_.damage(good.parts(0).sha256());
  EXPECT_EQ(read({good}, 0, 9).status().code(), Code::kDataLoss);
  EXPECT_THAT(xs(read({good}, 0, 9)), HasSubstr("reading small@a"));
  store_.forget(good.parts(0).sha256());
  EXPECT_EQ(read({good}, 0, 9).status().code(), Code::kNotFound);
}

TEST_F(Rows, OfASnapshotThatIsNoParquet) {
  auto snapshot = add("a", {1});
  snapshot.mutable_parts(0)->set_sha256(store_.put("not Parquet").value());
  EXPECT_EQ(read({snapshot}, 0, 9).status().code(), Code::kDataLoss);
  EXPECT_THAT(xs(read({snapshot}, 0, 9)), HasSubstr("small@a (blob"));
}

TEST_F(Rows, SnapshotsDescribeTheirBlob) {
  const auto snapshot = add("2013-01-02", {1, 2, 7});
  EXPECT_EQ(snapshot.dataset(), "small");
  EXPECT_EQ(snapshot.rows(), 3u);
  EXPECT_EQ(snapshot.first_time_us(), 1000000);
  EXPECT_EQ(snapshot.last_time_us(), 7000000);
  EXPECT_EQ(snapshot.created_us(), 0);
  ASSERT_EQ(snapshot.parts_size(), 1);
  EXPECT_EQ(snapshot.parts(0).rows(), 3u);
  EXPECT_EQ(snapshot.parts(0).bytes(), store_.size(snapshot.parts(0).sha256()).value());
  auto again = add("2013-01-02", {1, 2, 7});
  again.set_created_us(5);
  again.set_source("elsewhere");
  EXPECT_TRUE(same_content(snapshot, again));
  EXPECT_FALSE(same_content(snapshot, add("2013-01-02", {1, 2, 8})));
}

TEST_F(Rows, SnapshotsNeedSortedTimes) {
  Table table;
  table.add(time_column("when", {2, 1}));
  EXPECT_THAT(make_snapshot(store_, "small", "a", table, "when", "").status().message(),
              HasSubstr("not sorted"));
  table.columns[0].times = {kMissingTime, 1};
  EXPECT_THAT(make_snapshot(store_, "small", "a", table, "when", "").status().message(),
              HasSubstr("has no 'when'"));
  EXPECT_FALSE(make_snapshot(store_, "small", "a", table, "x", "").ok());
  EXPECT_FALSE(make_snapshot(store_, "Bad Name", "a", table, "when", "").ok());
}

}  // namespace
}  // namespace rekindle::dataio
