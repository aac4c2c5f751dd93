// Answers, losses and metrics of each kind of label against their oracles: scipy 1.17.1, scikit-learn 1.9.1,
// numpy (golden/make_heads.py).
#include "models/heads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "base/stats.h"

namespace rekindle::models {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

std::vector<double> numbers(const json::value& array) {
  std::vector<double> out;
  for (const auto& v : array.as_array()) out.push_back(v.to_number<double>());
  return out;
}

v1::Label label(v1::Label::Kind kind, std::vector<std::string> classes = {}) {
  v1::Label out;
  out.set_column("what");
  out.set_kind(kind);
  for (auto& name : classes) out.add_classes(std::move(name));
  return out;
}

struct Golden {
  json::object of;
  Head head;
  std::vector<double> labels, answers;

  std::span<const double> answer(size_t row) const {
    return std::span(answers).subspan(row * head.outputs(), head.outputs());
  }
};

std::vector<Golden> golden() {
  std::ifstream in("tests/models/golden/heads.json");
  std::stringstream text;
  text << in.rdbuf();
  std::vector<Golden> out;
  const json::value parsed = json::parse(text.str());
  for (const auto& value : parsed.as_array()) {
    Golden& one = out.emplace_back();
    one.of = value.as_object();
    v1::ModelCard card;
    v1::Label::Kind kind = v1::Label::KIND_UNSPECIFIED;
    EXPECT_TRUE(v1::Label::Kind_Parse(std::string(one.of.at("kind").as_string()), &kind));
    *card.mutable_label() = label(kind);
    if (one.of.contains("classes"))
      for (const auto& name : one.of.at("classes").as_array())
        card.mutable_label()->add_classes(std::string(name.as_string()));
    one.labels = numbers(one.of.at("labels"));
    *card.mutable_transforms()->mutable_label() = fit_label(card.label(), one.labels);
    one.head = head_of(card).value();
    one.answers = numbers(one.of.at("answers"));
  }
  return out;
}

TEST(Heads, AnswerAsTheOracles) {
  const auto cases = golden();
  ASSERT_EQ(cases.size(), 4u);
  for (const auto& one : cases) {
    SCOPED_TRACE(one.of.at("kind").as_string().c_str());
    std::vector<float> logits;
    for (const double v : numbers(one.of.at("logits"))) logits.push_back(static_cast<float>(v));
    ASSERT_EQ(logits.size(), one.labels.size() * one.head.outputs());
    std::vector<double> answers(logits.size());
    one.head.answer(logits, answers);
    for (size_t i = 0; i < answers.size(); ++i)
      EXPECT_NEAR(answers[i], one.answers[i], 1e-12 * std::max(1.0, std::abs(one.answers[i]))) << i;
  }
}

TEST(Heads, LossesAndMetricsAreTheOracles) {
  for (const auto& one : golden()) {
    SCOPED_TRACE(one.of.at("kind").as_string().c_str());
    const auto losses = numbers(one.of.at("losses"));
    const auto& rule = one.head.rule;
    double right = 0, off = 0;
    for (size_t r = 0; r < losses.size(); ++r) {
      EXPECT_NEAR(rule.loss(one.labels[r], one.answer(r)), losses[r], 1e-9 * std::max(1.0, losses[r])) << r;
      if (rule.regression())
        off += rule.absolute_error(one.labels[r], one.answer(r));
      else
        right += rule.correct(one.labels[r], one.answer(r));
    }
    const auto rows = static_cast<double>(losses.size());
    if (rule.regression()) {
      EXPECT_NEAR(off / rows, one.of.at("absolute_error").to_number<double>(), 1e-9);
      EXPECT_NEAR(mean(losses), one.of.at("squared_error").to_number<double>(), 1e-9);
      EXPECT_NEAR(one.head.mean, one.of.at("mean").to_number<double>(), 1e-9);
      EXPECT_NEAR(one.head.scale, one.of.at("scale").to_number<double>(), 1e-9);
    } else {
      EXPECT_NEAR(right / rows, one.of.at("accuracy").to_number<double>(), 1e-12);
      EXPECT_LT(right, rows) << "not every row is right";
    }
    if (rule.binary()) {
      EXPECT_NEAR(auroc(one.labels, one.answers), one.of.at("auroc").to_number<double>(), 1e-12);
    }
    const auto constant = numbers(one.of.at("constant"));
    const auto ours = rule.constant_answer(one.labels);
    ASSERT_EQ(ours.size(), constant.size());
    for (size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], constant[i], 1e-12);
  }
}

TEST(Heads, BeginAtTheConstantAnswer) {
  for (const auto& one : golden()) {
    SCOPED_TRACE(one.of.at("kind").as_string().c_str());
    const auto constant = one.head.rule.constant_answer(one.labels);
    std::vector<double> answer(one.head.outputs());
    one.head.answer(one.head.initial_bias(constant), answer);
    for (size_t i = 0; i < answer.size(); ++i)
      EXPECT_NEAR(answer[i], constant[i], 1e-5 * std::max(1.0, constant[i]));
  }
}

TEST(Heads, TargetsAreWhatTheLossIsComputedAgainst) {
  for (const auto& one : golden()) {
    SCOPED_TRACE(one.of.at("kind").as_string().c_str());
    const std::vector<int64_t> rows = {7, 0, 3, 7};
    dataio::AlignedVector<float> targets(1000, -1.0f);
    one.head.targets(one.labels, rows, targets);
    const size_t width = one.head.target_width();
    ASSERT_EQ(targets.size(), rows.size() * width) << "overwritten";
    for (size_t r = 0; r < rows.size(); ++r) {
      const double label = one.labels[static_cast<size_t>(rows[r])];
      if (one.head.rule.regression()) {
        EXPECT_NEAR(targets[r] * one.head.scale + one.head.mean, label, 1e-4);
      } else if (width == 1) {
        EXPECT_EQ(targets[r], label);
      } else {
        double set = 0;
        for (size_t i = 0; i < width; ++i) set += std::ldexp(targets[r * width + i], static_cast<int>(i));
        EXPECT_EQ(set, label);
      }
    }
  }
}

TEST(Heads, ManyLabelsKeepEveryBit) {
  std::vector<std::string> names;
  for (int i = 0; i < 50; ++i) names.push_back("c" + std::to_string(i));
  v1::ModelCard card;
  *card.mutable_label() = label(v1::Label::MULTILABEL, names);
  const Head head = head_of(card).value();
  const double all = std::exp2(50) - 1, ends = std::exp2(49) + 1;
  EXPECT_EQ(head.rule.number(head.rule.text(all)).value(), all);
  EXPECT_EQ(head.rule.text(ends), "c0|c49");
  std::vector<float> target(50);
  head.target(ends, target);
  EXPECT_EQ(std::count(target.begin(), target.end(), 1.0f), 2);
  EXPECT_EQ(target[49], 1);
  card.mutable_label()->add_classes("one too many");
  EXPECT_THAT(head_of(card).status().message(), HasSubstr("1 to 50 classes, not 51"));
}

TEST(Heads, ImpossibleCardsAreRefused) {
  v1::ModelCard card;
  EXPECT_TRUE(head_of(card).value().rule.binary()) << "old cards have no label";
  *card.mutable_label() = label(v1::Label::MULTICLASS, {"one"});
  EXPECT_THAT(head_of(card).status().message(), HasSubstr("2 to 10000 classes, not 1"));
  *card.mutable_label() = label(v1::Label::REGRESSION);
  EXPECT_THAT(head_of(card).status().message(), HasSubstr("the transform of the label is not sound"));
  card.mutable_transforms()->mutable_label()->set_scale(NAN);
  EXPECT_FALSE(head_of(card).ok());
}

TEST(Heads, EqualTargetsStillHaveAScale) {
  const auto fitted = fit_label(label(v1::Label::REGRESSION), std::vector{4.0, 4.0});
  EXPECT_EQ(fitted.mean(), 4);
  EXPECT_EQ(fitted.scale(), 1);
}

}  // namespace
}  // namespace rekindle::models
