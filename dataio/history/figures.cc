#include "dataio/history/figures.h"

#include <cmath>
#include <vector>

#include "base/stats.h"

namespace rekindle::dataio::history {

Figures figures_of(const LabelRule& rule, std::span<const double> labels, std::span<const double> answers) {
  const size_t width = rule.outputs();
  CHECK(answers.size() == labels.size() * width, "an answer for each row");
  std::vector<double> known, first, losses, off;
  double correct = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto answer = answers.subspan(i * width, width);
    if (std::isnan(labels[i]) || std::isnan(answer[0])) continue;
    known.push_back(labels[i]);
    first.push_back(answer[0]);
    losses.push_back(rule.loss(labels[i], answer));
    if (rule.regression())
      off.push_back(rule.absolute_error(labels[i], answer));
    else
      correct += rule.correct(labels[i], answer);
  }
  const double rows = static_cast<double>(known.size());
  const double score = rule.binary() ? auroc(known, first) : rule.regression() ? mean(off) : correct / rows;
  return {known.size(), mean(losses), score};
}

}  // namespace rekindle::dataio::history
