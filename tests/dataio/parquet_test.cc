#include "dataio/parquet.h"

#include "base/ids.h"
#include "dataio/order.h"
#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Table all_types(size_t rows) {
  Table table;
  std::vector<int64_t> times;
  std::vector<double> numbers, flags;
  std::vector<std::string> words;
  for (size_t i = 0; i < rows; ++i) {
    times.push_back(i % 11 == 10 ? kMissingTime : static_cast<int64_t>(i) * 1000003);
    numbers.push_back(i % 7 == 6 ? kMissingNumber : static_cast<double>(i) / 3);
    flags.push_back(i % 5 == 4 ? kMissingNumber : static_cast<double>(i % 2));
    words.push_back("word \xC3\xA4 " + std::to_string(i * 31 % 97));
  }
  table.add(time_column("when", times));
  table.add(number_column("x", numbers));
  table.add(text_column("word", words));
  table.add(bool_column("flag", flags));
  std::vector<std::string> images;
  std::vector<std::vector<int32_t>> tokens;
  for (size_t i = 0; i < rows; ++i) {
    images.push_back(std::string(i % 17, static_cast<char>(i)) + std::string("\xFF\0\n", 3));
    tokens.emplace_back(i % 5, static_cast<int32_t>(i));
  }
  table.add(bytes_column("image", std::move(images)));
  table.add(tokens_column("tokens", std::move(tokens)));
  for (size_t i = 0; i < rows; i += 7) table.columns[4].blobs[i] = nullptr;
  for (size_t i = 0; i < rows; i += 9) table.columns[5].lists[i] = nullptr;
  for (size_t i = 0; i < rows; i += 13) table.columns[2].codes[i] = kMissingText;
  return table;
}

TEST(Parquet, RoundTrip) {
  for (size_t rows : {size_t{0}, size_t{1}, size_t{1000}, size_t{kRowGroupRows}, size_t{kRowGroupRows} + 1}) {
    const Table table = all_types(rows);
    const std::string bytes = write_parquet(table).value();
    const Result<Table> back = read_parquet(bytes, "t");
    ASSERT_TRUE(back.ok()) << back.status().to_string();
    EXPECT_TRUE(same_cells(table, back.value())) << rows;
    EXPECT_TRUE(check_table(back.value()).ok());
  }
}

TEST(Parquet, ValuesPastTheirLimitsAreNotWritten) {
  Table table;
  table.add(bytes_column("image", {"", std::string(kBlobBytesMax + 1, 'x')}));
  EXPECT_THAT(write_parquet(table).status().message(),
              HasSubstr("column 'image', row 1: 16777217 bytes; at most 16777216 are taken"));
  table = {};
  table.add(tokens_column("tokens", {{1, -1}}));
  EXPECT_THAT(write_parquet(table).status().message(), HasSubstr("column 'tokens', row 0: a token below 0"));
  table = {};
  table.add(tokens_column("tokens", {std::vector<int32_t>(kTokensMax + 1)}));
  EXPECT_THAT(write_parquet(table).status().message(), HasSubstr("65537 tokens; at most 65536 are taken"));
}

TEST(Parquet, EqualTablesGiveEqualBytes) {
  const Table table = all_types(5000);
  Table other = table;
  other.columns[2].words.push_back("unused");
  EXPECT_EQ(write_parquet(table).value(), write_parquet(other).value());
}

TEST(Parquet, RowGroupsAreBoundedAndReadApart) {
  const Table table = all_types(2 * kRowGroupRows + 5);
  const std::string bytes = write_parquet(table).value();
  EXPECT_THAT(inspect_parquet(bytes, "t").value().row_groups, ElementsAre(kRowGroupRows, kRowGroupRows, 5u));
  const std::vector<uint32_t> last = {2};
  const Table part = read_parquet(bytes, "t", {}, last).value();
  EXPECT_EQ(part.rows(), 5u);
  EXPECT_EQ(show_row(part, 4), show_row(table, 2 * kRowGroupRows + 4));
  const std::vector<uint32_t> none = {3};
  EXPECT_THAT(read_parquet(bytes, "t", {}, none).status().message(), HasSubstr("3 row groups"));
}

TEST(Parquet, ReadsTheWantedColumnsInTheirOrder) {
  const std::string bytes = write_parquet(all_types(20)).value();
  const std::vector<WantedColumn> wanted = {{"word"}, {"new", v1::TEXT, true}, {"x", v1::NUMBER}};
  const Table table = read_parquet(bytes, "t", wanted).value();
  EXPECT_EQ(show_row(table, 1), "word \xC3\xA4 31|-|0.3333333333333333");
  EXPECT_EQ(table.columns[1].rows(), 20u);
}

TEST(Parquet, NamesMissingColumnsAndWrongTypes) {
  const std::string bytes = write_parquet(all_types(20)).value();
  const std::vector<WantedColumn> absent = {{"nope", v1::NUMBER}}, wrong = {{"word", v1::NUMBER}};
  EXPECT_EQ(read_parquet(bytes, "the file", absent).status().message(),
            "the file has no column 'nope'; it has: when, x, word, flag, image, tokens");
  EXPECT_THAT(read_parquet(bytes, "the file", wrong).status().message(),
              HasSubstr("column 'word' of the file holds text values; number is needed"));
}

TEST(Parquet, RefusesUnsoundTables) {
  Table table = all_types(3);
  table.columns[1].numbers.pop_back();
  EXPECT_FALSE(write_parquet(table).ok());
  EXPECT_FALSE(write_parquet(Table{}).ok());
}

// Cut anywhere: always data_loss.
TEST(Parquet, TruncatedFilesAreDataLoss) {
  const std::string bytes = write_parquet(all_types(2000)).value();
  size_t step = std::max<size_t>(1, bytes.size() / 997);
  for (size_t cut = 0; cut < bytes.size(); cut += step) {
    const Result<Table> table = read_parquet(bytes.substr(0, cut), "cut");
    ASSERT_FALSE(table.ok()) << cut;
    EXPECT_EQ(table.status().code(), Code::kDataLoss);
    EXPECT_THAT(table.status().message(), HasSubstr("cut is not readable as Parquet"));
  }
}

// Bent anywhere: an error or a sound table, never a crash. Page checksums catch most of the data.
TEST(Parquet, BentFilesNeverCrash) {
  const std::string bytes = write_parquet(all_types(700)).value();
  size_t refused = 0, tried = 0;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    for (char mask : {'\x01', '\x80', '\xFF'}) {
      std::string bent = bytes;
      bent[at] = static_cast<char>(bent[at] ^ mask);
      const Result<Table> table = read_parquet(bent, "bent");
      ++tried;
      if (!table.ok())
        ++refused;
      else
        EXPECT_TRUE(check_table(table.value()).ok());
    }
  }
  EXPECT_GT(refused, tried / 2);
}

TEST(Parquet, WhatIsNoParquetIsDataLoss) {
  for (const std::string& bytes : {std::string(), std::string("PAR1"), std::string("PAR1PAR1"),
                                   std::string(1000, 'x'), "PAR1" + std::string(100, '\0') + "PAR1"})
    EXPECT_EQ(read_parquet(bytes, "x").status().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace rekindle::dataio
