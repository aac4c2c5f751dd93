#include "tests/dataio/fixtures.h"

#include "dataio/parquet.h"
#include "dataio/parquet_events.h"

namespace rekindle::dataio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Table three_rows() {
  Table table;
  table.add(time_column("when", {1000000, kMissingTime, 3000000}));
  table.add(number_column("x", {1.5, kMissingNumber, -2}));
  table.add(text_column("word", std::vector<std::string>{"a", "", "a"}));
  table.add(bool_column("flag", {1, 0, kMissingNumber}));
  table.find("word")->codes[1] = kMissingText;
  return table;
}

TEST(Table, ShowsItsRows) {
  const Table table = three_rows();
  EXPECT_TRUE(check_table(table).ok());
  EXPECT_EQ(table.rows(), 3u);
  EXPECT_EQ(show_row(table, 0), "1970-01-01T00:00:01Z|1.5|a|1");
  EXPECT_EQ(show_row(table, 1), "-|-|-|0");
}

TEST(Table, TakesRows) {
  const std::vector<uint32_t> rows = {2, 0, 2};
  const Table taken = take(three_rows(), rows);
  EXPECT_EQ(show_row(taken, 0), "1970-01-01T00:00:03Z|-2|a|-");
  EXPECT_EQ(show_row(taken, 2), show_row(taken, 0));
  EXPECT_EQ(take(three_rows(), {}).rows(), 0u);
}

TEST(Table, ImagesAndTokensAreSharedNotCopied) {
  Table table;
  table.add(bytes_column("image", {"one", "two"}));
  table.add(tokens_column("tokens", {{1}, {2, 3}}));
  table.columns[0].add_missing();
  table.columns[1].add_missing();
  ASSERT_TRUE(check_table(table).ok());
  const std::vector<uint32_t> rows = {2, 1};
  Table taken = take(table, rows);
  EXPECT_EQ(show_row(taken, 0), "-|-");
  EXPECT_EQ(show_row(taken, 1), "<two>|[2 3]");
  EXPECT_EQ(taken.columns[0].blobs[1], table.columns[0].blobs[1]);
  ASSERT_TRUE(append(taken, table).ok());
  EXPECT_EQ(taken.rows(), 5u);
  EXPECT_EQ(show_row(taken, 2), "<one>|[1]");
  Table other = table;
  EXPECT_TRUE(same_cells(table, other));
  other.columns[1].lists[0] = std::make_shared<const std::vector<int32_t>>(2, 1);
  EXPECT_FALSE(same_cells(table, other));
}

TEST(Table, EventsCarryImagesAndTokens) {
  Table table;
  table.add(bytes_column("image", {std::string("\xFF\0", 2), ""}));
  table.add(tokens_column("tokens", {{1, 2}, {}}));
  for (Column& column : table.columns) column.add_missing();
  for (const Column& column : table.columns) {
    const v1::ColumnValues values = to_values(column);
    Column back{column.name, column.type};
    ASSERT_TRUE(append_values(back, values, 3).ok());
    EXPECT_TRUE(back.missing(2));
    EXPECT_TRUE(same_cells({{column}}, {{back}}));
    Column numbers{column.name, v1::NUMBER};
    EXPECT_THAT(append_values(numbers, values, 3).message(), HasSubstr("needs 3 number values"));
    EXPECT_EQ(append_values(back, values, 2).code(), Code::kInvalidArgument);
  }
  v1::ColumnValues negative;
  negative.add_lists()->add_tokens(-1);
  Column tokens{"tokens", v1::TOKENS};
  EXPECT_THAT(append_values(tokens, negative, 1).message(), HasSubstr("none below 0"));
}

TEST(Table, AppendsByTheWordsText) {
  Table table = three_rows(), more = three_rows();
  more.find("word")->words = {"b", "a", "unused"};
  ASSERT_TRUE(append(table, more).ok());
  EXPECT_EQ(table.rows(), 6u);
  EXPECT_EQ(table.find("word")->text(0), "a");
  EXPECT_EQ(table.find("word")->text(3), "b");
  EXPECT_TRUE(table.find("word")->missing(4));
  EXPECT_TRUE(check_table(table).ok());
  more.columns.pop_back();
  EXPECT_FALSE(append(table, more).ok());
  EXPECT_EQ(table.rows(), 6u);
}

TEST(Table, NamesWhatIsMissingOrOfAnotherType) {
  const Table table = three_rows();
  EXPECT_THAT(table.get("nope", v1::NUMBER).status().message(), HasSubstr("when, x, word, flag"));
  EXPECT_THAT(table.get("word", v1::NUMBER).status().message(),
              HasSubstr("holds text values; number is needed"));
  EXPECT_TRUE(table.get("x", v1::NUMBER).ok());
}

TEST(Table, ChecksFindDamage) {
  Table table = three_rows();
  table.find("word")->codes[0] = 7;
  EXPECT_THAT(check_table(table).message(), HasSubstr("outside its words"));
  table = three_rows();
  table.find("x")->numbers.pop_back();
  EXPECT_THAT(check_table(table).message(), HasSubstr("has 2 rows"));
  table = three_rows();
  table.find("x")->name = "when";
  EXPECT_THAT(check_table(table).message(), HasSubstr("two columns"));
}

TEST(Table, AddTextReusesTheWordBefore) {
  Column column{"word", v1::TEXT};
  for (const char* word : {"a", "a", "b", "a"}) column.add_text(word);
  EXPECT_THAT(column.words, ElementsAre("a", "b", "a"));
  EXPECT_EQ(column.text(3), "a");
}

TEST(Events, ColumnsOfASettledDay) {
  v1::Data data;
  data.set_time("when");
  data.add_numeric("x");
  data.add_categorical("word");
  data.mutable_label()->set_column("late");
  std::string names;
  const std::vector<v1::Column> columns = settled_columns(data);
  for (const v1::Column& column : columns)
    names += column.name() + ":" + std::string(type_word(column.type())) + " ";
  EXPECT_EQ(names, "when:timestamp x:number word:text late:bool request_id:text row:number ");
  EXPECT_EQ(empty_table(columns).rows(), 0u);
  EXPECT_EQ(empty_table(columns).columns.size(), 6u);
}

TEST(Events, ValuesOfARequestAreAppended) {
  Table table = three_rows();
  v1::ColumnValues values;
  values.add_texts("c");
  values.add_texts("");
  values.add_missing(1);
  ASSERT_TRUE(append_values(*table.find("word"), values, 2).ok());
  EXPECT_EQ(table.find("word")->text(3), "c");
  EXPECT_TRUE(table.find("word")->missing(4));
  EXPECT_FALSE(append_values(*table.find("x"), values, 2).ok());
  values.add_missing(2);
  EXPECT_THAT(append_values(*table.find("word"), values, 2).message(), HasSubstr("row 2 missing"));
  v1::ColumnValues times;
  times.add_numbers(5e6);
  times.add_numbers(NAN);
  ASSERT_TRUE(append_values(*table.find("when"), times, 2).ok());
  EXPECT_EQ(table.find("when")->times[3], 5000000);
  EXPECT_TRUE(table.find("when")->missing(4));
  EXPECT_FALSE(append_values(*table.find("when"), times, 3).ok());
}

TEST(Events, PredictionsRoundTrip) {
  v1::Label classes;
  classes.set_kind(v1::Label::MULTICLASS);
  for (const char* name : {"UA", "AA"}) classes.add_classes(name);
  for (const auto& rule : {LabelRule(), LabelRule(classes)}) {
    Predictions in{{1, 2}, {"r/0", "r/1"}, {1, NAN}, {0.25, 0.75}};
    if (rule.wide()) in.answers = {0.25, 0.75, 1, 0};
    const std::string bytes = write_predictions(rule, in).value();
    const Predictions out = read_predictions(rule, bytes, "predictions").value();
    EXPECT_EQ(out.times_us, in.times_us);
    EXPECT_EQ(out.ids, in.ids);
    EXPECT_EQ(out.answers, in.answers);
    EXPECT_EQ(out.labels[0], 1);
    EXPECT_TRUE(std::isnan(out.labels[1]));
    const Table table = read_parquet(bytes, "predictions").value();
    EXPECT_EQ(table.columns[2].type, rule.wide() ? v1::TEXT : v1::BOOL);
    EXPECT_NE(table.find(rule.wide() ? "probabilities[AA]" : "probability"), nullptr);
    in.ids.pop_back();
    EXPECT_FALSE(write_predictions(rule, in).ok());
  }
}

}  // namespace
}  // namespace rekindle::dataio
