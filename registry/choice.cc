#include "registry/choice.h"

#include <fmt/format.h>

#include <cmath>

#include "base/check.h"
#include "proto/candidates.h"
#include "registry/gate/figures.h"

namespace rekindle::registry {
namespace {

// Without rows: what the metric is called and which way it is better.
Figures kind_of(v1::Gate::Metric metric) {
  return figures_of(metric, v1::SliceSums());
}

bool better(bool more_is_better, double a, double b) {
  return more_is_better ? a > b : a < b;
}

// The best beside the one at `chosen`; -1: it is alone.
int next_best(v1::Gate::Metric metric, CandidateFits fits, int chosen) {
  fits[chosen].set_passed_over("it is the best");
  return best_of(metric, fits);
}

}  // namespace

int best_of(v1::Gate::Metric metric, const CandidateFits& fits) {
  const bool more = kind_of(metric).more_is_better;
  int best = -1;
  for (int i = 0; i < fits.size(); ++i) {
    if (!fits[i].passed_over().empty() || !std::isfinite(fits[i].figure())) continue;
    if (best < 0 || better(more, fits[i].figure(), fits[best].figure())) best = i;
  }
  return best;
}

v1::GateCheck choice_told(v1::Gate::Metric metric, const CandidateFits& fits) {
  int chosen = 0;
  while (chosen < fits.size() && !fits[chosen].chosen()) ++chosen;
  CHECK(chosen < fits.size(), "one of the fits was chosen");
  const v1::CandidateFit& best = fits[chosen];
  const int next = next_best(metric, fits, chosen);
  v1::GateCheck check;
  check.set_name("choice");
  check.set_result(v1::GateCheck::NOT_JUDGED);
  check.set_value(best.figure());
  check.set_rows(static_cast<int64_t>(best.valid_rows()));
  check.set_text(fmt::format(
      "{} was chosen of {} fits by {} {:.4f} on {} validation rows{}", candidate_name(best.number()),
      fits.size(), kind_of(metric).name, best.figure(), best.valid_rows(),
      next < 0
          ? ", the only one to choose from"
          : fmt::format(", then {} with {:.4f}", candidate_name(fits[next].number()), fits[next].figure())));
  return check;
}

}  // namespace rekindle::registry
