// The reference of boosted trees: real LightGBM, as set-up installs it.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <random>

#include "backtest/trees/lightgbm.h"
#include "backtest/trees/reference.h"
#include "base/stats.h"

namespace rekindle::backtest {
namespace {

using ::testing::HasSubstr;

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// y is 1 where exactly one of two numbers is large, and always so in category 3; one number in ten is
// missing.
LabelledTreeRows crossed(size_t rows, uint64_t seed) {
  std::mt19937_64 dice(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  LabelledTreeRows out{{3, 1, {}}, {}};
  for (size_t row = 0; row < rows; ++row) {
    const double a = uniform(dice), b = uniform(dice);
    const int category = static_cast<int>(uniform(dice) * 5);
    out.rows.values.insert(out.rows.values.end(), {a, uniform(dice) < 0.1 ? kMissing : b, double(category)});
    out.labels.push_back(category == 3 || (a > 0.5) != (b > 0.5) ? 1 : 0);
  }
  return out;
}

std::vector<double> doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

TEST(LightGbm, FitsWhatNoSumOfColumnsCan) {
  const auto library = LightGbm::open("auto");
  ASSERT_TRUE(library.ok()) << library.status().message();
  const LabelledTreeRows train = crossed(4000, 1), valid = crossed(1000, 2), later = crossed(2000, 3);
  const auto model = library->fit(train, valid, {});
  ASSERT_TRUE(model.ok()) << model.status().message();
  const auto answers = library->predict(*model, later.rows, 1);
  ASSERT_TRUE(answers.ok()) << answers.status().message();
  // What can be known: a missing number leaves a coin to toss in four categories of five, one row in ten.
  const double least = 0.1 * 0.8 * std::log(2);
  EXPECT_LT(log_loss(doubles(later.labels), *answers), least + 0.05);
  EXPECT_EQ(*model, *library->fit(train, valid, {})) << "twice is the same";
  // Rounds stop where the validation rows have had enough: on labels that nothing tells of, at once.
  LabelledTreeRows noise = crossed(4000, 4);
  std::mt19937 dice(5);
  for (float& label : noise.labels) label = static_cast<float>(dice() % 2);
  const auto few = library->fit(noise, crossed(1000, 6), {});
  ASSERT_TRUE(few.ok());
  EXPECT_LT(few->size(), model->size() / 2);
}

TEST(LightGbm, FitsClassesAndNumbers) {
  const auto library = LightGbm::open("auto");
  ASSERT_TRUE(library.ok()) << library.status().message();
  LabelledTreeRows train{{1, 0, {}}, {}}, valid = train;
  for (int row = 0; row < 900; ++row) {
    LabelledTreeRows& to = row % 3 == 0 ? valid : train;
    to.rows.values.push_back(row);
    to.labels.push_back(static_cast<float>(row / 300));
  }
  const TreeRows asked{1, 0, {100, 450, 800}};
  const TreeGoal classes{TreeGoal::Kind::kMulticlass, 3, 0};
  const auto shares = library->predict(*library->fit(train, valid, classes), asked, classes.outputs());
  ASSERT_TRUE(shares.ok()) << shares.status().message();
  for (size_t row = 0; row < 3; ++row)
    for (size_t one = 0; one < 3; ++one)
      EXPECT_NEAR(row == one ? 1 : 0, (*shares)[row * 3 + one], 0.05) << row << " " << one;
  const TreeGoal numbers{TreeGoal::Kind::kRegression, 0, 0};
  const auto values = library->predict(*library->fit(train, valid, numbers), asked, 1);
  ASSERT_TRUE(values.ok()) << values.status().message();
  for (size_t row = 0; row < 3; ++row) EXPECT_NEAR(static_cast<double>(row), (*values)[row], 0.05);
}

TEST(LightGbm, SaysWhereItWasLookedForAndWhatIsNone) {
  const auto nowhere = LightGbm::open("/nowhere/lib_lightgbm.so");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_EQ(Code::kNotFound, nowhere.status().code());
  EXPECT_THAT(nowhere.status().message(), HasSubstr("/nowhere/lib_lightgbm.so"));
  EXPECT_THAT(nowhere.status().message(), HasSubstr("pip install lightgbm"));
  const auto other = LightGbm::open("libm.so.6");
  ASSERT_FALSE(other.ok());
  EXPECT_THAT(other.status().message(), HasSubstr("is no LightGBM"));
}

TEST(TreesReference, SaysOfWhichJobsItKnowsNothing) {
  v1::JobSpec spec;
  v1::Data& data = *spec.mutable_data();
  EXPECT_EQ("", no_trees_for(spec));
  data.set_image("picture");
  EXPECT_THAT(no_trees_for(spec), HasSubstr("images"));
  data.clear_image();
  data.mutable_label()->set_kind(v1::Label::MULTILABEL);
  EXPECT_THAT(no_trees_for(spec), HasSubstr("one label"));
  data.clear_label();
  spec.mutable_train()->add_command("python");
  EXPECT_THAT(no_trees_for(spec), HasSubstr("not beside a script"));
}

}  // namespace
}  // namespace rekindle::backtest
