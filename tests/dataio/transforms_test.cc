#include "dataio/transforms.h"

#include <boost/json.hpp>

#include <fstream>
#include <numeric>

#include "tests/dataio/fixtures.h"

namespace rekindle::dataio {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const char* const kNumbers[] = {"x", "big", "constant", "empty"};

// golden/transforms.py: the same transforms in plain Python.
const boost::json::value& golden() {
  static const boost::json::value value = [] {
    std::ifstream file("tests/dataio/golden/transforms.json");
    return boost::json::parse(
        std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
  }();
  return value;
}

Table golden_table(const char* numbers, const char* words) {
  Table table;
  for (const char* name : kNumbers) {
    std::vector<double> values;
    for (const auto& cell : golden().at(numbers).at(name).as_array())
      values.push_back(cell.is_null() ? kMissingNumber : cell.to_number<double>());
    table.add(number_column(name, values));
  }
  Column word{"word", v1::TEXT};
  for (const auto& cell : golden().at(words).as_array()) {
    if (cell.is_null())
      word.add_missing();
    else
      word.add_text(std::string_view(cell.as_string()));
  }
  table.add(word);
  return table;
}

v1::Data data() {
  v1::Data out;
  for (const char* name : kNumbers) out.add_numeric(name);
  out.add_categorical("word");
  return out;
}

void expect_rows(const Encoded& encoded, const boost::json::array& rows) {
  ASSERT_EQ(encoded.rows, rows.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    const boost::json::array& numeric = rows[row].at("numeric").as_array();
    ASSERT_EQ(encoded.numeric_width, numeric.size());
    for (size_t i = 0; i < numeric.size(); ++i)
      // 1e-6: one unit in the last place of a mean of 1e9 is 4e-7 of the column's scale.
      EXPECT_NEAR(encoded.numeric[row * encoded.numeric_width + i], numeric[i].to_number<double>(), 1e-6)
          << row << " " << i;
    EXPECT_EQ(encoded.categorical[row], rows[row].at("category").as_int64());
  }
}

TEST(Transforms, EqualPythons) {
  const Table training = golden_table("columns", "words");
  const v1::Transforms transforms = fit(data(), training).value();
  for (int i = 0; i < transforms.numeric_size(); ++i) {
    const v1::NumericTransform& fitted = transforms.numeric(i);
    const boost::json::value& expected = golden().at("fits").at(kNumbers[i]);
    EXPECT_EQ(fitted.column(), kNumbers[i]);
    EXPECT_EQ(fitted.low(), expected.at("low").to_number<double>());
    EXPECT_EQ(fitted.high(), expected.at("high").to_number<double>());
    EXPECT_DOUBLE_EQ(fitted.mean(), expected.at("mean").to_number<double>());
    // 1e-7: Boost.JSON 1.81 reads numbers to the last place but one, 1.2e-7 of values around 1e9.
    EXPECT_NEAR(fitted.scale() / expected.at("scale").to_number<double>(), 1, 1e-7) << kNumbers[i];
    EXPECT_EQ(fitted.indicator(), expected.at("indicator").as_bool());
  }
  std::vector<std::string> vocabulary(transforms.categorical(0).values().begin(),
                                      transforms.categorical(0).values().end());
  std::vector<std::string> expected;
  for (const auto& word : golden().at("vocabulary").as_array())
    expected.emplace_back(word.as_string().c_str());
  EXPECT_EQ(vocabulary, expected);
  EXPECT_EQ(numeric_width(transforms), 6u);
  EXPECT_THAT(category_counts(transforms), ElementsAre(static_cast<int64_t>(expected.size()) + 1));
  expect_rows(apply(transforms, training).value(), golden().at("training").as_array());
  expect_rows(apply(transforms, golden_table("fresh", "fresh_words")).value(),
              golden().at("unseen").as_array());
}

// One row of a request gets the same inputs as in the middle of a million.
TEST(Transforms, RowsDoNotDependOnTheirTable) {
  const Table training = golden_table("columns", "words");
  const Encoder encoder = Encoder::make(fit(data(), training).value()).value();
  Encoded whole, one;
  ASSERT_TRUE(encoder.encode(training, whole).ok());
  for (uint32_t row = 0; row < training.rows(); ++row) {
    ASSERT_TRUE(encoder.encode(take(training, std::span(&row, 1)), one).ok());
    const Encoded cut = slice(whole, row, row + 1);
    EXPECT_EQ(one.numeric, cut.numeric);
    EXPECT_EQ(one.categorical, cut.categorical);
  }
}

TEST(Transforms, OrderOfRowsDoesNotChangeTheVocabulary) {
  Table training = golden_table("columns", "words");
  const v1::Transforms before = fit(data(), training).value();
  std::vector<uint32_t> reversed(training.rows());
  std::iota(reversed.rbegin(), reversed.rend(), 0u);
  const v1::Transforms after = fit(data(), take(training, reversed)).value();
  EXPECT_EQ(before.categorical(0).SerializeAsString(), after.categorical(0).SerializeAsString());
}

TEST(Transforms, TooManyCategoriesKeepTheMostFrequent) {
  v1::Data only;
  only.add_categorical("word");
  Table table;
  table.add(text_column("word", std::vector<std::string>{"c", "b", "a", "c", "b", "c", "d"}));
  const v1::Transforms transforms = fit(only, table, {.category_rows_min = 1, .categories_max = 3}).value();
  EXPECT_THAT(transforms.categorical(0).values(), ElementsAre("a", "b", "c"));
}

TEST(Transforms, BuffersAreAlignedAndReused) {
  const Encoder encoder = Encoder::make(fit(data(), golden_table("columns", "words")).value()).value();
  Encoded out;
  ASSERT_TRUE(encoder.encode(golden_table("columns", "words"), out).ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(out.numeric.data()) % 64, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(out.categorical.data()) % 64, 0u);
  const float* before = out.numeric.data();
  ASSERT_TRUE(encoder.encode(golden_table("fresh", "fresh_words"), out).ok());
  EXPECT_EQ(out.numeric.data(), before);
  EXPECT_EQ(out.rows, 4u);
}

TEST(Transforms, NameColumnsThatDoNotFit) {
  const v1::Transforms transforms = fit(data(), golden_table("columns", "words")).value();
  Table table = golden_table("fresh", "fresh_words");
  table.columns[1].name = "renamed";
  EXPECT_THAT(apply(transforms, table).status().message(),
              HasSubstr("column 'big' is missing; the rows have: x, renamed"));
  table = golden_table("fresh", "fresh_words");
  table.columns[4] = number_column("word", {1, 2, 3, 4});
  EXPECT_THAT(apply(transforms, table).status().message(),
              HasSubstr("'word' holds number values; text is needed"));
  table = golden_table("fresh", "fresh_words");
  table.columns[2].numbers.push_back(1);
  EXPECT_THAT(apply(transforms, table).status().message(),
              HasSubstr("'constant' has 5 rows where the others have 4"));
  EXPECT_EQ(fit(data(), Table{}).status().code(), Code::kFailedPrecondition);
  table = golden_table("fresh", "fresh_words");
  table.columns[0].numbers[0] = INFINITY;
  EXPECT_THAT(fit(data(), table).status().message(), HasSubstr("'x' holds an infinite value"));
}

TEST(Transforms, UnsoundOnesAreRefused) {
  const v1::Transforms good = fit(data(), golden_table("columns", "words")).value();
  v1::Transforms bad = good;
  bad.mutable_numeric(0)->set_scale(0);
  EXPECT_THAT(Encoder::make(bad).status().message(), HasSubstr("column 'x' is not sound"));
  bad = good;
  bad.mutable_numeric(0)->set_mean(NAN);
  EXPECT_FALSE(Encoder::make(bad).ok());
  bad = good;
  bad.mutable_categorical(0)->add_values("a");
  EXPECT_THAT(Encoder::make(bad).status().message(), HasSubstr("lists 'a' twice"));
}

TEST(Transforms, ClipsToQuantilesWhenAsked) {
  std::vector<double> ramp, rare(101, 0.0);
  for (int i = 0; i <= 100; ++i) ramp.push_back(i);
  rare[7] = 5;
  Table table;
  table.add(number_column("ramp", ramp));
  table.add(number_column("rare", rare));
  v1::Data wanted;
  wanted.add_numeric("ramp");
  wanted.add_numeric("rare");
  FitOptions options;
  options.clip_share = 0.1;
  const v1::Transforms transforms = fit(wanted, table, options).value();
  EXPECT_DOUBLE_EQ(transforms.numeric(0).low(), 10);
  EXPECT_DOUBLE_EQ(transforms.numeric(0).high(), 90);
  EXPECT_EQ(transforms.numeric(1).low(), 0);
  EXPECT_EQ(transforms.numeric(1).high(), 5) << "a rare value is not clipped away";
}

TEST(Transforms, GatherAndSlice) {
  const Encoded whole =
      apply(fit(data(), golden_table("columns", "words")).value(), golden_table("columns", "words")).value();
  const std::vector<int64_t> rows = {5, 0, 5};
  const Encoded batch = gather(whole, rows);
  ASSERT_EQ(batch.rows, 3u);
  for (size_t i = 0; i < rows.size(); ++i) {
    const Encoded one = slice(whole, static_cast<size_t>(rows[i]), static_cast<size_t>(rows[i]) + 1);
    EXPECT_EQ(slice(batch, i, i + 1).numeric, one.numeric);
    EXPECT_EQ(slice(batch, i, i + 1).categorical, one.categorical);
  }
  EXPECT_EQ(gather(whole, {}).rows, 0u);
  AlignedVector<float> labels;
  const std::vector<double> from = {0, 1, 2, 3, 4, 5};
  gather(from, rows, labels);
  EXPECT_THAT(labels, ElementsAre(5, 0, 5));
}

}  // namespace
}  // namespace rekindle::dataio
