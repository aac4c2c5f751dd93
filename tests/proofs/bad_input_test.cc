// Rows and plans that no model can be made of, through the real trainer: each is refused with the reason and
// the exit code that says whose fault it is, by all ranks alike, and nothing is published.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "dataio/snapshot.h"
#include "plans.h"

namespace rekindle::trainer {
namespace {

using ::testing::HasSubstr;

struct BadInput {
  const char* name;
  std::function<void(TestRun&, v1::Plan&)> spoil;
  int code;
  const char* says;
  uint32_t world = 1;
};
void PrintTo(const BadInput& bad, std::ostream* out) {
  *out << bad.name;
}

void use_rows(TestRun& run, v1::Plan& plan, const dataio::Table& rows) {
  *plan.mutable_data(0) =
      dataio::make_snapshot(*run.store, "made-up", "spoiled", rows, "when", "a test").value();
}

std::function<void(TestRun&, v1::Plan&)> with_values(std::vector<std::string> columns,
                                                     std::function<double(size_t)> value) {
  return [=](TestRun& run, v1::Plan& plan) {
    auto rows = made_up_rows(3000);
    for (const auto& column : columns) {
      auto& numbers = rows.find(column)->numbers;
      for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = value(i);
    }
    use_rows(run, plan, rows);
  };
}

std::function<void(TestRun&, v1::Plan&)> with_train(std::function<void(v1::Train&)> change) {
  return [=](TestRun&, v1::Plan& plan) { change(*plan.mutable_spec()->mutable_train()); };
}

class BadInputs : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadInputs, AreRefusedWithTheReason) {
  const auto& bad = GetParam();
  TestRun run;
  auto plan = run.plan(bad.world);
  bad.spoil(run, plan);
  auto ended = run.run(plan);
  EXPECT_EQ(ended.code, bad.code) << ended.log;
  const auto outcome = run.outcome(plan);
  EXPECT_EQ(outcome.kind(), bad.code == 65 ? v1::Outcome::DATA_REFUSED : v1::Outcome::SPEC_REFUSED);
  EXPECT_THAT(outcome.message(), HasSubstr(bad.says));
  EXPECT_TRUE(outcome.manifest().empty());
  EXPECT_EQ(outcome.steps() == 0 || bad.code == 78, true) << "bad rows are seen before the first step";
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

INSTANTIATE_TEST_SUITE_P(
    Rows, BadInputs,
    ::testing::Values(
        BadInput{"every label missing", with_values({"late"}, [](size_t) { return kNan; }), 65,
                 "no labelled rows"},
        BadInput{"every label missing, 2 ranks", with_values({"late"}, [](size_t) { return kNan; }), 65,
                 "no labelled rows", 2},
        BadInput{"one class only", with_values({"late"}, [](size_t) { return 1; }), 65, "label 1", 2},
        BadInput{"a label beyond 0 and 1",
                 [](TestRun&, v1::Plan& p) {
                   p.mutable_spec()->mutable_data()->mutable_label()->set_column("minute");
                 },
                 65, "minute"},
        BadInput{"a label column of text",
                 [](TestRun&, v1::Plan& p) {
                   p.mutable_spec()->mutable_data()->mutable_label()->set_column("carrier");
                 },
                 65, "carrier"},
        BadInput{"an infinite feature",
                 with_values({"temp"},
                             [](size_t i) { return i == 700 ? kInfinity : 1.0 * static_cast<double>(i); }),
                 65, "'temp' holds an infinite value", 2},
        BadInput{"features that never vary",
                 [](TestRun& run, v1::Plan& p) {
                   with_values({"minute", "wind", "temp"}, [](size_t) { return 7; })(run, p);
                   p.mutable_spec()->mutable_data()->clear_categorical();
                 },
                 65, "no feature column varies"},
        BadInput{"features that are all missing",
                 [](TestRun& run, v1::Plan& p) {
                   with_values({"minute", "wind", "temp"}, [](size_t) { return kNan; })(run, p);
                   p.mutable_spec()->mutable_data()->clear_categorical();
                 },
                 65, "no feature column varies"},
        BadInput{"numbers where a category is named",
                 [](TestRun&, v1::Plan& p) { p.mutable_spec()->mutable_data()->add_categorical("temp"); }, 65,
                 "temp"},
        BadInput{"text where a number is named",
                 [](TestRun&, v1::Plan& p) { p.mutable_spec()->mutable_data()->add_numeric("carrier"); }, 65,
                 "carrier"},
        BadInput{"no feature at all",
                 [](TestRun&, v1::Plan& p) {
                   p.mutable_spec()->mutable_data()->clear_numeric();
                   p.mutable_spec()->mutable_data()->clear_categorical();
                 },
                 78, "no inputs"},
        BadInput{"fewer rows than ranks",
                 [](TestRun& run, v1::Plan& p) {
                   auto rows = made_up_rows(12);
                   for (size_t i = 0; i < rows.rows(); ++i)
                     rows.find("late")->numbers[i] = i % 2 == 0 ? 1 : 0;
                   use_rows(run, p, rows);
                   auto* w = p.mutable_windows();
                   w->set_valid_from_us(run.first_us + 2 * kDayUs);
                   w->set_holdout_from_us(run.first_us + 5 * kDayUs);
                 },
                 65, "training rows for 4 ranks", 4},
        BadInput{
            "windows out of order",
            [](TestRun& run, v1::Plan& p) { p.mutable_windows()->set_valid_from_us(run.first_us - kDayUs); },
            65, "not in order"}));

INSTANTIATE_TEST_SUITE_P(
    Plans, BadInputs,
    ::testing::Values(
        BadInput{"a hidden layer of no units",
                 with_train([](v1::Train& t) { t.mutable_model()->mutable_tabular()->add_hidden(0); }), 78,
                 "hidden"},
        BadInput{"a hidden layer of a million units", with_train([](v1::Train& t) {
                   t.mutable_model()->mutable_tabular()->add_hidden(1'000'000);
                 }),
                 78, "hidden"},
        BadInput{"everything dropped",
                 with_train([](v1::Train& t) { t.mutable_model()->mutable_tabular()->set_dropout(1); }), 78,
                 "dropout"},
        BadInput{"a share that is not a number",
                 with_train([](v1::Train& t) { t.mutable_model()->mutable_tabular()->set_dropout(kNan); }),
                 78, "dropout", 2},
        BadInput{"a rate that blows up",
                 with_train([](v1::Train& t) { t.mutable_optimizer()->mutable_adamw()->set_rate(1e30); }), 78,
                 "not finite"},
        BadInput{"a rate that blows up, 2 ranks",
                 with_train([](v1::Train& t) { t.mutable_optimizer()->mutable_adamw()->set_rate(1e30); }), 78,
                 "not finite", 2}));

}  // namespace
}  // namespace rekindle::trainer
