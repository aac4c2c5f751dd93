#include "backtest/fits/matrix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "backtest/loop/node.h"
#include "base/stats.h"
#include "models/predictor.h"

namespace rekindle::backtest {
namespace {

constexpr size_t kRowsAtOnce = 4096;
// As the daemon's own error scores: one far-off row is not the whole window.
constexpr double kErrorVariances = 4;

}  // namespace

Matrix::Matrix(const FitStore& store, const dataio::LabelRule& rule, const v1::Data& data,
               const dataio::history::Rows& rows)
    : store_(store), rule_(rule), rows_(rows), inputs_(inputs_of(data, rows.table)) {
  judged_.times_us = rows.times;
  std::vector<double> known;
  for (const double label : rows.labels) {
    judged_.labelled.push_back(!std::isnan(label));
    if (!std::isnan(label)) known.push_back(label);
  }
  label_variance_ = variance(known);
}

Result<size_t> Matrix::add(MadeFit fit) {
  const auto predictor = TRY(models::load_predictor(store_.artifacts(), fit.manifest, store_.predictors()));
  const dataio::LabelRule theirs(predictor->card().label());
  const size_t first = fits_.empty() ? 0 : judged_.at(fit.active_us);
  const size_t width = rule_.outputs();
  std::vector<double> answers;
  answers.reserve((judged_.rows() - first) * width);
  for (size_t begin = first; begin < judged_.rows(); begin += kRowsAtOnce) {
    std::vector<uint32_t> rows(std::min(judged_.rows(), begin + kRowsAtOnce) - begin);
    std::iota(rows.begin(), rows.end(), static_cast<uint32_t>(begin));
    models::Predictions part = TRY(predictor->predict(dataio::take(inputs_, rows)));
    const std::vector<double> widened = rule_.widened(theirs, std::move(part.values));
    answers.insert(answers.end(), widened.begin(), widened.end());
  }
  losses_.push_back(losses_from(first, answers));
  answers_.push_back(std::move(answers));
  fits_.push_back(std::move(fit));
  return fits_.size() - 1;
}

FitLosses Matrix::losses_from(size_t first, std::span<const double> answers) const {
  const size_t width = rule_.outputs();
  std::vector<double> losses;
  for (size_t row = first; row < judged_.rows(); ++row)
    losses.push_back(judged_.labelled[row]
                         ? rule_.loss(rows_.labels[row], answers.subspan((row - first) * width, width))
                         : std::numeric_limits<double>::quiet_NaN());
  return FitLosses(first, losses);
}

FitLosses Matrix::losses_of(std::span<const double> answers) const {
  return losses_from(0, answers);
}

std::vector<int64_t> Matrix::active() const {
  std::vector<int64_t> out;
  for (const MadeFit& fit : fits_) out.push_back(fit.active_us);
  return out;
}

const double* Matrix::answer(size_t fit, size_t row) const {
  CHECK(row >= losses_[fit].first(), "a fit is asked about rows that it was scored on");
  return answers_[fit].data() + (row - losses_[fit].first()) * rule_.outputs();
}

double Matrix::loss(size_t fit, size_t row) const {
  return rule_.loss(rows_.labels[row], {answer(fit, row), rule_.outputs()});
}

double Matrix::error(size_t fit, size_t row) const {
  const std::span<const double> given(answer(fit, row), rule_.outputs());
  if (!rule_.regression()) return rule_.correct(rows_.labels[row], given) ? 0 : 1;
  if (!(label_variance_ > 0)) return 0;
  return std::min(1.0, rule_.loss(rows_.labels[row], given) / (kErrorVariances * label_variance_));
}

std::vector<double> Matrix::answers(const Schedule& schedule) const {
  const size_t width = rule_.outputs();
  std::vector<double> out(judged_.rows() * width);
  for (size_t i = 0; i < schedule.size(); ++i) {
    const size_t begin = i == 0 ? 0 : judged_.at(schedule[i].from_us);
    const size_t end = i + 1 == schedule.size() ? judged_.rows() : judged_.at(schedule[i + 1].from_us);
    if (begin < end)
      std::copy_n(answer(schedule[i].fit, begin), (end - begin) * width,
                  out.begin() + static_cast<ptrdiff_t>(begin * width));
  }
  return out;
}

dataio::history::Figures Matrix::figures(std::span<const double> answers, size_t begin, size_t end) const {
  const size_t width = rule_.outputs();
  return dataio::history::figures_of(rule_, std::span(rows_.labels).subspan(begin, end - begin),
                                     answers.subspan(begin * width, (end - begin) * width));
}

}  // namespace rekindle::backtest
