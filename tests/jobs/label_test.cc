// Kinds of labels: what a spec may say of them, and the metric that follows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builders.h"

namespace rekindle::jobs {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::string labelled(const std::string& label, const std::string& more = "") {
  return with("{column: late}", label) + more;
}

TEST(LabelSpec, EveryKindIsTaken) {
  for (const char* label :
       {"{column: late}", "{column: late, kind: binary}", "{column: late, kind: multiclass, classes: [a, b]}",
        "{column: late, kind: regression}", "{column: late, kind: multilabel, classes: [a]}"}) {
    const auto spec = parse_job(labelled(label), "s.yaml");
    EXPECT_TRUE(spec.ok()) << label << ": " << spec.status().message();
  }
}

struct Case {
  const char* name;
  std::string yaml;
  std::string says;
};

std::string many(int classes) {
  std::string out;
  for (int i = 0; i < classes; ++i) out += (i ? ", c" : "c") + std::to_string(i);
  return "[" + out + "]";
}

TEST(LabelSpec, WhatCannotBeIsRefused) {
  const std::string multiclass = "{column: late, kind: multiclass, classes: [a, b]}";
  const std::string regression = "{column: late, kind: regression}";
  const std::vector<Case> cases = {
      {"no classes", labelled("{column: late, kind: multiclass}"), "names its classes, at least 2"},
      {"one class", labelled("{column: late, kind: multiclass, classes: [a]}"),
       "names its classes, at least 2"},
      {"no labels", labelled("{column: late, kind: multilabel}"), "names its classes, at least 1"},
      {"twice", labelled("{column: late, kind: multiclass, classes: [a, b, a]}"),
       "class 'a' is listed twice"},
      {"a bar", labelled("{column: late, kind: multilabel, classes: [\"a|b\"]}"),
       "class 'a|b' has a '|' in it"},
      {"fifty-one", labelled("{column: late, kind: multilabel, classes: " + many(51) + "}"),
       "51 classes; a multilabel label has at most 50"},
      {"a quote", labelled("{column: late, kind: multiclass, classes: [a, 'b\"']}"),
       "a line break, tab, quote"},
      {"classes of a number", labelled("{column: late, kind: regression, classes: [a, b]}"),
       "a regression label has no classes"},
      {"classes of yes and no", labelled("{column: late, classes: [no, yes]}"), "unquoted"},
      {"two binary classes", labelled("{column: late, classes: [a, b]}"), "a binary label has no classes"},
      {"AUROC of classes", labelled(multiclass, "gate: {metric: auroc}\n"),
       "does not judge a multiclass label; log_loss or accuracy do"},
      {"log-loss of numbers", labelled(regression, "gate: {metric: log_loss}\n"),
       "does not judge a regression label; squared_error or absolute_error do"},
      {"error of classes", labelled(multiclass, "gate: {metric: absolute_error}\n"),
       "does not judge a multiclass"},
      {"error of yes and no", labelled("{column: late}", "gate: {metric: squared_error}\n"),
       "does not judge a binary label; log_loss, auroc or accuracy do"},
      {"accuracy above 1", labelled(multiclass, "gate: {metric: accuracy, limit: 2}\n"),
       "an accuracy is at most 1"},
      {"a margin of classes", labelled(multiclass, "gate: {margin: 1.5}\n"), "between -1 and 1"},
      {"McNemar of losses", labelled("{column: late}", "gate: {test: mcnemar}\n"), "write metric: accuracy"},
      {"McNemar with a margin",
       labelled("{column: late}", "gate: {test: mcnemar, metric: accuracy, margin: -0.01}\n"),
       "for a margin write test: bootstrap"},
      {"a test against the constant", labelled("{column: late}", "gate: {test: bootstrap, beat: constant}\n"),
       "say test: gain"},
      {"calibration of numbers", labelled(regression, "gate: {calibration: 0.1}\n"), "is of probabilities"},
      {"labels without a canary", labelled("{column: late}", "serve: {canary: 0%, analysis: {}}\n"),
       "say a canary between"},
  };
  for (const auto& one : cases) {
    const auto spec = parse_job(one.yaml, "s.yaml");
    ASSERT_FALSE(spec.ok()) << one.name;
    EXPECT_THAT(spec.status().message(), HasSubstr(one.says)) << one.name;
  }
}

TEST(LabelSpec, FiftyLabelsAreTaken) {
  EXPECT_TRUE(parse_job(labelled("{column: late, kind: multilabel, classes: " + many(50) + "}"), "s").ok());
}

const ResolvedField& metric_of(const Resolved& resolved) {
  for (const auto& field : resolved.fields)
    if (field.path == "gate.metric") return field;
  static const ResolvedField none;
  return none;
}

TEST(LabelSpec, TheDefaultMetricIsTheKinds) {
  auto resolved = resolve(parse_job(labelled("{column: late, kind: regression}"), "s").value()).value();
  EXPECT_EQ(resolved.spec.gate().metric(), v1::Gate::SQUARED_ERROR);
  EXPECT_EQ(metric_of(resolved).value, "squared_error");
  EXPECT_THAT(metric_of(resolved).reason, HasSubstr("a regression has no log-loss"));
  EXPECT_TRUE(metric_of(resolved).was_default);
  const auto again = resolve(resolved.spec).value();
  EXPECT_EQ(spec_sha256(again.spec), spec_sha256(resolved.spec)) << "resolving again changes nothing";

  const auto asked = resolve(
      parse_job(labelled("{column: late, kind: regression}", "gate: {metric: absolute_error, margin: 20}\n"),
                "s")
          .value());
  ASSERT_TRUE(asked.ok());
  EXPECT_EQ(asked->spec.gate().metric(), v1::Gate::ABSOLUTE_ERROR);
  EXPECT_TRUE(check(asked->spec).ok()) << "a margin in the label's unit";
  const auto classes =
      resolve(parse_job(labelled("{column: late, kind: multiclass, classes: [a, b]}"), "s").value());
  EXPECT_EQ(classes->spec.gate().metric(), v1::Gate::LOG_LOSS);
}

}  // namespace
}  // namespace rekindle::jobs
