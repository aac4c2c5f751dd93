// Labels of each kind from columns and names, and back.
#include "dataio/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rekindle/v1/events.pb.h"

namespace rekindle::dataio {
namespace {

using ::testing::HasSubstr;

LabelRule rule(v1::Label::Kind kind, std::vector<std::string> classes = {"UA", "AA", "DL"}) {
  v1::Label label;
  label.set_column("what");
  label.set_kind(kind);
  for (auto& name : classes) label.add_classes(std::move(name));
  return LabelRule(label);
}

Column texts(std::vector<std::string> values) {
  return text_column("what", values);
}

void expect_equal(const std::vector<double>& got, const std::vector<double>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i)
    if (std::isnan(want[i]))
      EXPECT_TRUE(std::isnan(got[i])) << i;
    else
      EXPECT_EQ(got[i], want[i]) << i;
}

TEST(Labels, AreReadFromColumns) {
  Column some = texts({"DL", "UA", "DL"});
  some.add_missing();
  expect_equal(rule(v1::Label::MULTICLASS).read(some).value(), {2, 0, 2, NAN});
  expect_equal(rule(v1::Label::MULTICLASS).read(number_column("what", {2, NAN, 0})).value(), {2, NAN, 0});
  Column sets = texts({"", "UA|DL", "|", "DL|UA", "AA"});
  sets.add_missing();
  expect_equal(rule(v1::Label::MULTILABEL).read(sets).value(), {0, 5, 0, 5, 2, NAN});
  expect_equal(rule(v1::Label::REGRESSION).read(number_column("what", {-3.5, NAN})).value(), {-3.5, NAN});
  expect_equal(rule(v1::Label::BINARY).read(bool_column("what", {1, 0, NAN})).value(), {1, 0, NAN});
  expect_equal(rule(v1::Label::KIND_UNSPECIFIED).read(number_column("what", {1, 0})).value(), {1, 0});
}

TEST(Labels, ComeBackFromTheirOwnColumn) {
  const std::vector<std::pair<LabelRule, std::vector<double>>> cases = {
      {rule(v1::Label::BINARY), {1, NAN, 0}},
      {rule(v1::Label::MULTICLASS), {2, NAN, 0, 2}},
      {rule(v1::Label::REGRESSION), {1e9, NAN, -0.25}},
      {rule(v1::Label::MULTILABEL), {0, 7, NAN, 5, 0}},
  };
  for (const auto& [of, labels] : cases) {
    const Column column = of.column("what", labels);
    EXPECT_EQ(column.type, of.column_type());
    EXPECT_EQ(column.name, "what");
    expect_equal(of.read(column).value(), labels);
  }
  EXPECT_EQ(rule(v1::Label::MULTILABEL).column("what", std::vector{5.0}).text(0), "UA|DL");
  EXPECT_FALSE(rule(v1::Label::MULTILABEL).column("what", std::vector{0.0}).missing(0))
      << "none is not unknown";
}

struct Refusal {
  const char* name;
  LabelRule rule;
  Column column;
  const char* says;
};

TEST(Labels, RefusalsNameRowValueAndColumn) {
  const std::vector<Refusal> cases = {
      {"two", rule(v1::Label::BINARY), number_column("what", {0, 2}),
       "row 2 of the label column 'what' holds 2; a label is 0 or 1, or missing"},
      {"a text", rule(v1::Label::BINARY), texts({"yes"}),
       "holds text values; data.label says that a label is 0 or 1"},
      {"unknown class", rule(v1::Label::MULTICLASS), texts({"UA", "XX"}),
       "row 2 of the label column 'what' holds 'XX'; a label is one of the 3 classes (UA, AA, DL)"},
      {"a number beyond", rule(v1::Label::MULTICLASS), number_column("what", {3}),
       "row 1 of the label column"},
      {"a negative number", rule(v1::Label::MULTICLASS), number_column("what", {-1}), "holds -1"},
      {"a part of a class", rule(v1::Label::MULTICLASS), number_column("what", {0.5}), "holds 0.5"},
      {"bool classes", rule(v1::Label::MULTICLASS), bool_column("what", {1}), "holds bool values"},
      {"unknown in a set", rule(v1::Label::MULTILABEL), texts({"UA|XX"}), "holds 'UA|XX'"},
      {"twice in a set", rule(v1::Label::MULTILABEL), texts({"UA|UA"}), "holds 'UA|UA'"},
      {"numbers for sets", rule(v1::Label::MULTILABEL), number_column("what", {1}), "holds number values"},
      {"infinite", rule(v1::Label::REGRESSION), number_column("what", {1, INFINITY}), "row 2"},
      {"bool numbers", rule(v1::Label::REGRESSION), bool_column("what", {1}), "holds bool values"},
      {"a text number", rule(v1::Label::REGRESSION), texts({"12"}), "a label is a finite number"},
  };
  for (const auto& one : cases) {
    const auto read = one.rule.read(one.column);
    EXPECT_EQ(read.status().code(), Code::kInvalidArgument) << one.name;
    EXPECT_THAT(read.status().message(), HasSubstr(one.says)) << one.name;
  }
}

TEST(Labels, SoundNumbersAreThoseOfTheKind) {
  EXPECT_TRUE(rule(v1::Label::MULTILABEL).sound(7));
  EXPECT_FALSE(rule(v1::Label::MULTILABEL).sound(8));
  EXPECT_FALSE(rule(v1::Label::MULTILABEL).sound(-1));
  EXPECT_FALSE(rule(v1::Label::MULTICLASS).sound(3));
  EXPECT_FALSE(rule(v1::Label::REGRESSION).sound(INFINITY));
  EXPECT_FALSE(rule(v1::Label::BINARY).sound(0.5));
  for (const auto kind :
       {v1::Label::BINARY, v1::Label::MULTICLASS, v1::Label::REGRESSION, v1::Label::MULTILABEL})
    EXPECT_TRUE(rule(kind).sound(NAN)) << "not known";
}

TEST(Labels, ACopyFindsItsNamesAfterTheOriginalIsGone) {
  auto first = std::make_unique<LabelRule>(rule(v1::Label::MULTICLASS));
  LabelRule copy = *first, assigned;
  assigned = *first;
  first.reset();
  EXPECT_EQ(copy.number("DL").value(), 2);
  EXPECT_EQ(assigned.number("AA").value(), 1);
}

v1::LabelRecord named(std::vector<std::string> names, std::vector<uint32_t> unknown = {}) {
  v1::LabelRecord out;
  out.set_request_id("r-1");
  for (auto& name : names) out.add_names(std::move(name));
  for (const uint32_t row : unknown) out.add_unknown(row);
  return out;
}

TEST(Labels, NamesOfARequestBecomeNumbers) {
  v1::LabelRecord one = named({"DL", "", "UA"}, {1});
  ASSERT_TRUE(number_labels(one, rule(v1::Label::MULTICLASS)).ok());
  expect_equal({one.labels().begin(), one.labels().end()}, {2, NAN, 0});
  EXPECT_TRUE(one.names().empty() && one.unknown().empty()) << "nothing is left for the event store to read";
  v1::LabelRecord sets = named({"", "AA|UA", ""}, {2});
  ASSERT_TRUE(number_labels(sets, rule(v1::Label::MULTILABEL)).ok());
  expect_equal({sets.labels().begin(), sets.labels().end()}, {0, 3, NAN});
}

TEST(Labels, NamesThatCannotBeAreRefusedWithTheirRow) {
  const auto refusal = [](v1::LabelRecord record, const LabelRule& of) {
    return number_labels(record, of).message();
  };
  EXPECT_THAT(refusal(named({"UA", "XX"}), rule(v1::Label::MULTICLASS)),
              HasSubstr("row 2: 'XX' is none of its"));
  EXPECT_THAT(refusal(named({""}), rule(v1::Label::MULTICLASS)), HasSubstr("row 1: '' is none"));
  EXPECT_THAT(refusal(named({"1"}), rule(v1::Label::BINARY)),
              HasSubstr("this label has no classes, it is 0 or 1"));
  EXPECT_THAT(refusal(named({"UA"}, {1}), rule(v1::Label::MULTICLASS)), HasSubstr("there are 1 names"));
  v1::LabelRecord both = named({"UA"});
  both.add_labels(0);
  EXPECT_THAT(refusal(both, rule(v1::Label::MULTICLASS)), HasSubstr("either numbers in 'labels' or 'names'"));
  v1::LabelRecord beyond;
  beyond.add_labels(3);
  EXPECT_THAT(refusal(beyond, rule(v1::Label::MULTICLASS)),
              HasSubstr("row 1: 3 is not one of the 3 classes"));
}

TEST(Labels, ClassesMayBeAddedAtTheEnd) {
  const LabelRule now = rule(v1::Label::MULTICLASS, {"UA", "AA", "DL"});
  EXPECT_TRUE(now.extends(rule(v1::Label::MULTICLASS, {"UA", "AA"})));
  EXPECT_TRUE(now.extends(now));
  EXPECT_FALSE(now.extends(rule(v1::Label::MULTICLASS, {"AA", "UA"}))) << "another order";
  EXPECT_FALSE(now.extends(rule(v1::Label::MULTICLASS, {"UA", "AA", "DL", "B6"}))) << "one was taken away";
  EXPECT_FALSE(now.extends(rule(v1::Label::MULTILABEL, {"UA", "AA"})));
  expect_equal(now.widened(rule(v1::Label::MULTICLASS, {"UA", "AA"}), {0.25, 0.75, 1, 0}),
               {0.25, 0.75, 0, 1, 0, 0});
}

TEST(Labels, AreCountedForDrift) {
  EXPECT_EQ(rule(v1::Label::MULTICLASS).counted_category(std::vector{0.2, 0.4, 0.4}), "AA")
      << "the first of equals";
  EXPECT_EQ(rule(v1::Label::MULTILABEL).counted_number(std::vector{0.5, 0.25, 1.0}), 1.75);
  EXPECT_EQ(rule(v1::Label::REGRESSION).counted_number(std::vector{-4.0}), -4.0);
}

}  // namespace
}  // namespace rekindle::dataio
