#include "serving/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace rekindle::serving {
namespace {
constexpr double kLeastMs = 0.001;
constexpr double kGrowth = 1.2;
}  // namespace

void Latencies::add(double ms) {
  const double place = ms <= kLeastMs ? 0 : std::ceil(std::log(ms / kLeastMs) / std::log(kGrowth));
  const size_t bucket = std::min(kBuckets - 1, static_cast<size_t>(place));
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
}

double Latencies::quantile(double q) const {
  uint64_t total = 0;
  for (const auto& count : counts_) total += count.load(std::memory_order_relaxed);
  if (total == 0) return 0;
  const auto wanted = static_cast<uint64_t>(std::ceil(q * static_cast<double>(total)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket].load(std::memory_order_relaxed);
    if (seen >= wanted) return kLeastMs * std::pow(kGrowth, static_cast<double>(bucket));
  }
  return kLeastMs * std::pow(kGrowth, static_cast<double>(kBuckets - 1));
}

bool sound_answers(const dataio::LabelRule& rule, const models::Predictions& answers, size_t rows) {
  if (answers.width != rule.outputs() || answers.values.size() != rows * answers.width) return false;
  for (size_t row = 0; row < rows; ++row)
    if (!rule.sound_answer(std::span(answers.values).subspan(row * answers.width, answers.width)))
      return false;
  return true;
}

Result<models::Predictions> predict_checked(const LoadedVersion& version, const dataio::Table& rows,
                                            bool recorded) {
  auto answers = version.predictor->predict(rows);
  Status failure = answers.status();
  if (failure.ok() && answers->rows() != rows.rows())
    failure = internal_error(fmt::format("version {} of {} gave {} answers for {} rows", version.number,
                                         version.model, answers->rows(), rows.rows()));
  if (failure.ok() && !sound_answers(version.rule, *answers, rows.rows()))
    failure = internal_error(fmt::format("version {} of {} gave an answer that is no {}", version.number,
                                         version.model,
                                         version.rule.regression() ? "finite value" : "probability"));
  if (recorded)
    (failure.ok() ? version.health.answered : version.health.failed).fetch_add(1, std::memory_order_relaxed);
  if (!failure.ok()) return failure;
  return answers;
}

}  // namespace rekindle::serving
