#include "drift/unlabelled/cbpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "drift/many/auroc.h"
#include "drift/unlabelled/splits.h"

namespace rekindle::drift {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr double kSeparates = 0.999;  // AUROC from which on calibration has nothing to gain
constexpr size_t kBins = 10;
constexpr int kSplits = 10;
constexpr uint32_t kSeed = 42;

std::vector<size_t> rows_by(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return values[i]; });
  return order;
}

double calibration_error(std::span<const double> probability, std::span<const uint8_t> labels) {
  const size_t rows = probability.size();
  const size_t bins = rows <= 2 * kBins ? rows / 2 : kBins;
  const size_t width = rows / bins;
  const std::vector<size_t> order = rows_by(probability);
  double error = 0;
  // Edges are multiples of the width; the last of them moves to the end.
  const size_t edges = rows / width;
  for (size_t bin = 0; bin < edges; ++bin) {
    const size_t from = bin * width, until = bin + 1 == edges ? rows : from + width;
    double said = 0, came = 0;
    for (size_t i = from; i < until; ++i) {
      said += probability[order[i]];
      came += labels[order[i]];
    }
    error += std::abs(said - came) / static_cast<double>(rows);
  }
  return error;
}

double rounded(double x) {
  return std::nearbyint(x * 1e5) / 1e5;
}

// The curve of expected true and false positives from the surest row down.
double expected_auroc(std::span<const double> probability, std::span<const double> score) {
  std::vector<size_t> order = rows_by(score);
  std::ranges::reverse(order);
  std::vector<double> hits = {0}, misses = {0};
  double sum = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    sum += probability[order[i]];
    hits.push_back(rounded(sum));
    misses.push_back(rounded(static_cast<double>(i + 1) - sum));
  }
  double area = 0;
  for (size_t i = 1; i < hits.size(); ++i)
    area += (misses[i] - misses[i - 1]) / misses.back() * (hits[i] + hits[i - 1]) / hits.back() / 2;
  return area;
}

Performance expected(std::span<const double> probability, std::span<const double> score,
                     std::span<const uint8_t> predicted) {
  if (probability.empty()) return {kUndefined, kUndefined, kUndefined};
  double hits = 0, rightly_not = 0, false_alarms = 0, missed = 0;
  for (size_t i = 0; i < probability.size(); ++i) {
    (predicted[i] ? hits : missed) += probability[i];
    (predicted[i] ? false_alarms : rightly_not) += 1 - probability[i];
  }
  const double found = hits + 0.5 * (false_alarms + missed);
  return {(hits + rightly_not) / static_cast<double>(probability.size()), found > 0 ? hits / found : 0,
          expected_auroc(probability, score)};
}

Answers part(const Answers& answers, const nannyml::Chunk& chunk) {
  const size_t count = chunk.second - chunk.first;
  return {answers.probability.subspan(chunk.first, count), answers.predicted.subspan(chunk.first, count)};
}

Result<PerformanceLimits> limits_from(const Answers& answers, std::span<const uint8_t> labels,
                                      size_t chunk_rows) {
  std::vector<double> accuracy, f1, auroc;
  for (const nannyml::Chunk& chunk : nannyml::chunks_of(labels.size(), chunk_rows)) {
    const Performance seen =
        realized(part(answers, chunk), labels.subspan(chunk.first, chunk.second - chunk.first));
    accuracy.push_back(seen.accuracy);
    f1.push_back(seen.f1);
    auroc.push_back(seen.auroc);
  }
  const auto limits = [](const std::vector<double>& values) {
    // Not one chunk had both classes: there is nothing to be beyond.
    if (std::ranges::all_of(values, [](double x) { return std::isnan(x); })) return nannyml::Limits{};
    return nannyml::limits_of(values, {0, 1});
  };
  return PerformanceLimits{limits(accuracy), limits(f1), limits(auroc)};
}

}  // namespace

Performance realized(const Answers& answers, std::span<const uint8_t> labels) {
  CHECK(answers.probability.size() == labels.size() && answers.predicted.size() == labels.size(),
        "a label and an answer for each row");
  if (labels.empty()) return {kUndefined, kUndefined, kUndefined};
  double hits = 0, right = 0, answered = 0, ones = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    hits += labels[i] && answers.predicted[i];
    right += labels[i] == answers.predicted[i];
    answered += answers.predicted[i];
    ones += labels[i];
  }
  const auto rows = static_cast<double>(labels.size());
  const bool both = ones > 0 && ones<rows, answers_both = answered> 0 && answered < rows;
  return {right / rows, both && answers_both ? 2 * hits / (answered + ones) : kUndefined,
          auroc(answers.probability, labels)};
}

bool calibration_helps(std::span<const double> probability, std::span<const uint8_t> labels) {
  const double area = auroc(probability, labels);
  if (std::isnan(area) || area > kSeparates) return false;
  std::vector<double> plain, calibrated;
  std::vector<uint8_t> came;
  for (const Split& split : stratified_splits(labels, kSplits, kSeed)) {
    std::vector<double> scores;
    std::vector<uint8_t> known;
    for (const size_t row : split.train) {
      scores.push_back(probability[row]);
      known.push_back(labels[row]);
    }
    const Isotonic calibration = Isotonic::fit(scores, known);
    for (const size_t row : split.test) {
      plain.push_back(probability[row]);
      calibrated.push_back(calibration(probability[row]));
      came.push_back(labels[row]);
    }
  }
  return came.size() >= 4 && calibration_error(plain, came) > calibration_error(calibrated, came);
}

Result<Cbpe> Cbpe::fit(const Answers& answers, std::span<const uint8_t> labels, size_t chunk_rows) {
  if (answers.probability.size() != labels.size() || answers.predicted.size() != labels.size())
    return invalid_argument(fmt::format("{} probabilities, {} answers and {} labels: one of each per row",
                                        answers.probability.size(), answers.predicted.size(), labels.size()));
  if (labels.empty() || chunk_rows == 0)
    return invalid_argument("performance is estimated from labelled rows, in chunks of at least one");
  if (!std::ranges::all_of(answers.probability, [](double p) { return p >= 0 && p <= 1; }))
    return invalid_argument("a probability of the reference does not lie in [0, 1]");
  const auto binary = [](uint8_t x) { return x <= 1; };
  if (!std::ranges::all_of(labels, binary) || !std::ranges::all_of(answers.predicted, binary))
    return invalid_argument("a label or an answer is neither 0 nor 1");
  Cbpe out;
  out.limits_ = TRY(limits_from(answers, labels, chunk_rows));
  if (calibration_helps(answers.probability, labels))
    out.calibration_ = Isotonic::fit(answers.probability, labels);
  return out;
}

Performance Cbpe::estimate(const Answers& answers) const {
  CHECK(answers.probability.size() == answers.predicted.size(), "an answer for each row");
  std::vector<double> score, probability;
  std::vector<uint8_t> predicted;
  for (size_t i = 0; i < answers.probability.size(); ++i) {
    if (std::isnan(answers.probability[i])) continue;
    score.push_back(answers.probability[i]);
    probability.push_back(calibration_ ? (*calibration_)(score.back()) : score.back());
    predicted.push_back(answers.predicted[i]);
  }
  return expected(probability, score, predicted);
}

}  // namespace rekindle::drift
