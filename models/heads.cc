#include "models/heads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/stats.h"

namespace rekindle::models {
namespace {

// No bias begins further out: a class that the training rows lack may still come.
constexpr double kShareMin = 1e-4;

double sigmoid(float logit) {
  return 1.0 / (1.0 + std::exp(-static_cast<double>(logit)));
}

void softmax(std::span<const float> logits, std::span<double> out) {
  const double greatest = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (size_t i = 0; i < logits.size(); ++i) total += out[i] = std::exp(logits[i] - greatest);
  for (double& p : out) p /= total;
}

float log_odds(double share) {
  const double rate = std::clamp(share, kShareMin, 1 - kShareMin);
  return static_cast<float>(std::log(rate / (1 - rate)));
}

}  // namespace

void Head::answer(std::span<const float> logits, std::span<double> answers) const {
  const size_t width = outputs();
  CHECK(logits.size() == answers.size() && logits.size() % width == 0, "an answer for each raw output");
  if (rule.kind() == v1::Label::MULTICLASS) {
    for (size_t at = 0; at < logits.size(); at += width)
      softmax(logits.subspan(at, width), answers.subspan(at, width));
    return;
  }
  for (size_t i = 0; i < logits.size(); ++i)
    answers[i] = rule.regression() ? mean + scale * static_cast<double>(logits[i]) : sigmoid(logits[i]);
}

void Head::target(double label, std::span<float> out) const {
  CHECK(out.size() == target_width(), "room for one row's target");
  if (rule.kind() == v1::Label::MULTILABEL) {
    const auto set = static_cast<uint64_t>(label);
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>((set >> i) & 1);
  } else {
    out[0] = static_cast<float>((label - mean) / scale);
  }
}

void Head::targets(std::span<const double> labels, std::span<const int64_t> rows,
                   dataio::AlignedVector<float>& out) const {
  out.resize(rows.size() * target_width());
  targets(labels, rows, std::span<float>(out));
}

void Head::targets(std::span<const double> labels, std::span<const int64_t> rows,
                   std::span<float> out) const {
  const size_t width = target_width();
  CHECK(out.size() == rows.size() * width, "room for the targets of all rows");
  for (size_t i = 0; i < rows.size(); ++i)
    target(labels[static_cast<size_t>(rows[i])], out.subspan(i * width, width));
}

std::vector<float> Head::initial_bias(std::span<const double> constant) const {
  CHECK(constant.size() == outputs(), "a constant answer has as many numbers as any");
  std::vector<float> out;
  for (const double answer : constant) {
    if (rule.regression())
      out.push_back(static_cast<float>((answer - mean) / scale));
    else if (rule.kind() == v1::Label::MULTICLASS)
      out.push_back(static_cast<float>(std::log(std::max(answer, kShareMin))));
    else
      out.push_back(log_odds(answer));
  }
  return out;
}

Result<Head> head_of(const v1::ModelCard& card) {
  Head out;
  out.rule = dataio::LabelRule(card.label());
  const auto kind = out.rule.kind();
  const size_t classes = out.rule.classes();
  if (kind == v1::Label::MULTICLASS && (classes < 2 || classes > dataio::kMulticlassClassesMax))
    return invalid_argument(fmt::format("a multiclass label has 2 to {} classes, not {}",
                                        dataio::kMulticlassClassesMax, classes));
  if (kind == v1::Label::MULTILABEL && (classes < 1 || classes > dataio::kMultilabelClassesMax))
    return invalid_argument(fmt::format("a multilabel label has 1 to {} classes, not {}",
                                        dataio::kMultilabelClassesMax, classes));
  if (kind != v1::Label::REGRESSION) return out;
  const auto& transform = card.transforms().label();
  out.mean = transform.mean();
  out.scale = transform.scale();
  if (!std::isfinite(out.mean) || !std::isfinite(out.scale) || out.scale <= 0)
    return invalid_argument(
        fmt::format("the transform of the label is not sound: mean {}, scale {}", out.mean, out.scale));
  return out;
}

v1::NumericTransform fit_label(const v1::Label& label, std::span<const double> labels) {
  v1::NumericTransform out;
  if (label.kind() != v1::Label::REGRESSION || labels.empty()) return out;
  out.set_column(label.column());
  out.set_low(*std::min_element(labels.begin(), labels.end()));
  out.set_high(*std::max_element(labels.begin(), labels.end()));
  out.set_mean(mean(labels));
  const double spread = std::sqrt(variance(labels));
  out.set_scale(spread > 0 ? spread : 1);
  return out;
}

}  // namespace rekindle::models
