// What a world's name promises about what changes, and when.
#include "tests/worlds/catalogue.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "tests/worlds/fashion.h"

namespace rekindle::worlds {
namespace {

constexpr int64_t kRows = 40'000;

std::vector<Row> rows_of(const std::string& name, uint32_t seed = 5, int64_t rows = kRows) {
  Result<World> made = world(name, seed, rows);
  EXPECT_TRUE(made.ok()) << made.status().message();
  std::vector<Row> out;
  for (int64_t i = 0; i < rows; ++i) out.push_back(made->stream());
  return out;
}

// Mean of what `of` says of rows [begin, end), as shares of all.
template <typename Of>
double mean(const std::vector<Row>& rows, double begin, double end, const Of& of) {
  double sum = 0, n = 0;
  for (auto i = static_cast<size_t>(begin * kRows); i < static_cast<size_t>(end * kRows); ++i, ++n)
    sum += of(rows[i]);
  return sum / n;
}

double label(const Row& row) {
  return row.y;
}
double first(const Row& row) {
  return row.x[0];
}
// Whether SEA's first rule gives another label: noise, before anything changes.
double against_sea(const Row& row) {
  return (row.x[0] + row.x[1] > 8) != (row.y == 1);
}

TEST(Catalogue, EachNameIsAWorldThatCanBeMadeAgain) {
  EXPECT_GE(names().size(), 35u);
  for (const std::string& name : names()) {
    const auto once = rows_of(name, 5, 1'000), again = rows_of(name, 5, 1'000),
               other = rows_of(name, 6, 1'000);
    int same = 0;
    for (size_t i = 0; i < once.size(); i += 17) {
      EXPECT_EQ(once[i].x, again[i].x) << name;
      same += once[i].x == other[i].x;
    }
    // A row of LED is one of 2^24.
    EXPECT_LT(same, 3) << name << ": another seed gives other rows";
    const World made = *world(name, 5, kRows);
    EXPECT_EQ(made.changes.empty(), name.ends_with("-still")) << name;
    EXPECT_EQ(once[0].x.size(), made.fields.size()) << name;
  }
  EXPECT_THAT(world("sea", 1, 10).status().message(), ::testing::HasSubstr("sea-abrupt"));
}

TEST(Catalogue, AbruptIsOneRuleAndThenAnother) {
  const auto rows = rows_of("sea-abrupt");
  EXPECT_NEAR(mean(rows, 0, 0.4, against_sea), 0.1, 0.01);
  // The strip between 8 and 9.5 is 13 % of the square, and noise turns a tenth of everything around.
  EXPECT_NEAR(mean(rows, 0.4, 1, against_sea), 0.1 + 0.8 * (9.5 * 9.5 - 64) / 200, 0.01);
  EXPECT_NEAR(mean(rows, 0, 0.4, first), mean(rows, 0.4, 1, first), 0.1) << "the inputs are as they were";
  EXPECT_EQ(world("sea-abrupt", 1, kRows)->changes, (std::vector<int64_t>{kRows * 2 / 5}));
}

TEST(Catalogue, GradualLiesBetween) {
  const auto rows = rows_of("sea-gradual");
  EXPECT_NEAR(mean(rows, 0, 0.3, against_sea), 0.1, 0.01);
  EXPECT_NEAR(mean(rows, 0.38, 0.42, against_sea), 0.15, 0.02);
  EXPECT_NEAR(mean(rows, 0.55, 1, against_sea), 0.2, 0.01);
}

TEST(Catalogue, RecurringComesBack) {
  const auto rows = rows_of("sea-recurring");
  EXPECT_NEAR(mean(rows, 0, 0.35, against_sea), 0.1, 0.01);
  EXPECT_NEAR(mean(rows, 0.36, 0.64, against_sea), 0.2, 0.015);
  EXPECT_NEAR(mean(rows, 0.66, 1, against_sea), 0.1, 0.01);
  EXPECT_EQ(world("sea-recurring", 1, kRows)->changes.size(), 2u);
}

TEST(Catalogue, IncrementalGoesFurtherAndFurther) {
  const auto rows = rows_of("sea-incremental");
  const double steps[] = {mean(rows, 0, 0.3, label), mean(rows, 0.3, 0.5, label), mean(rows, 0.5, 0.7, label),
                          mean(rows, 0.7, 1, label)};
  for (int i = 1; i < 4; ++i) EXPECT_LT(steps[i], steps[i - 1] - 0.02) << i;
  // Two growing weights: in the end the first two numbers say nearly everything.
  const auto plane = rows_of("hyperplane-incremental");
  const auto by_two = [](const Row& row) { return (row.x[0] + row.x[1] > 1) == (row.y == 1); };
  EXPECT_GT(mean(plane, 0.95, 1, by_two), mean(plane, 0, 0.3, by_two) + 0.1);
}

// P(x) differs, P(y | x) does not; or P(y) differs and P(x | y) does not.
TEST(Catalogue, OneThingAloneChanges) {
  const auto covariate = rows_of("sea-covariate");
  EXPECT_GT(mean(covariate, 0.4, 1, first), mean(covariate, 0, 0.4, first) + 1);
  EXPECT_NEAR(mean(covariate, 0.4, 1, against_sea), 0.1, 0.01);

  const auto prior = rows_of("agrawal-prior");
  EXPECT_LT(mean(prior, 0.4, 1, label), mean(prior, 0, 0.4, label) - 0.15);
  std::map<int, double> before, after, n_before, n_after;
  for (size_t i = 0; i < prior.size(); ++i) {
    const bool early = i < kRows * 2 / 5;
    (early ? before : after)[prior[i].y] += prior[i].x[2];
    (early ? n_before : n_after)[prior[i].y] += 1;
  }
  for (const int y : {0, 1})
    EXPECT_NEAR(before[y] / n_before[y], after[y] / n_after[y], 0.7) << "ages of class " << y;
}

TEST(Catalogue, PicturesTurnSwapAndBecomeRare) {
  if (!fashion_is_installed()) GTEST_SKIP() << "the Debian package dataset-fashion-mnist is not installed";
  const auto still = rows_of("fashion-still", 5, 4'000), turned = rows_of("fashion-rotation", 5, 4'000);
  EXPECT_EQ(still[1'000].x, turned[1'000].x) << "the same pictures, until they begin to turn";
  // A quarter turn, at the end, takes square (i, j) from (6 - j, i) or back.
  EXPECT_EQ(still[3'999].y, turned[3'999].y);
  EXPECT_NE(still[3'999].x, turned[3'999].x);
  double apart = 0;
  for (size_t i = 0; i < 7; ++i)
    for (size_t j = 0; j < 7; ++j)
      apart = std::max(apart, std::abs(turned[3'999].x[i * 7 + j] - still[3'999].x[(6 - j) * 7 + i]));
  double other_way = 0;
  for (size_t i = 0; i < 7; ++i)
    for (size_t j = 0; j < 7; ++j)
      other_way = std::max(other_way, std::abs(turned[3'999].x[i * 7 + j] - still[3'999].x[j * 7 + 6 - i]));
  EXPECT_LT(std::min(apart, other_way), 0.05);

  const auto rare = rows_of("fashion-prior", 5, 4'000), swapped = rows_of("fashion-swap", 5, 4'000);
  const auto first_half = [](const Row& row) { return row.y < 5 ? 1.0 : 0.0; };
  const auto share = [&](size_t begin, size_t end) {
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += first_half(rare[i]);
    return sum / static_cast<double>(end - begin);
  };
  EXPECT_NEAR(share(0, 1'600), 0.5, 0.05);
  EXPECT_NEAR(share(1'600, 4'000), 1.0 / 6, 0.05);
  for (size_t i = 0; i < 4'000; i += 101) {
    EXPECT_EQ(swapped[i].x, still[i].x);
    const bool changes_name = i >= 1'600 && still[i].y < 4;
    EXPECT_EQ(swapped[i].y, changes_name ? still[i].y ^ 1 : still[i].y) << i;
  }
}

TEST(Catalogue, ATableHoldsTheRowsInEventTime) {
  World plain = *world("agrawal-still", 3, 50), again = *world("agrawal-still", 3, 50);
  const dataio::Table table = table_of(plain, 20, 1'000'000, 60'000'000);
  ASSERT_EQ(table.rows(), 20u);
  const Row row = again.stream();
  EXPECT_EQ(table.find("at")->times[1], 61'000'000);
  EXPECT_EQ(table.find("salary")->numbers[0], row.x[0]);
  EXPECT_EQ(table.find("car")->text(0), std::to_string(static_cast<int>(row.x[4])));
  EXPECT_EQ(table.find("y")->numbers[0], row.y);
  World digits = *world("led-abrupt", 3, 50);
  EXPECT_EQ(table_of(digits, 5, 0, 1).find("y")->type, v1::TEXT);
}

}  // namespace
}  // namespace rekindle::worlds
