#include "trainer/train/fits.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "base/files.h"
#include "proto/candidates.h"

namespace rekindle::trainer {
namespace {

v1::Plan plan_of_fit(const v1::Plan& plan, int number) {
  v1::Plan out = plan;
  *out.mutable_spec()->mutable_train() = train_of(plan.spec().train(), number);
  out.mutable_windows()->clear_candidates_from_us();
  out.clear_candidate_starts();
  if (number == 0) return out;
  // A plan that says less than its spec is not of our making: what is missing is as for the first fit.
  if (number <= plan.windows().candidates_from_us_size())
    out.mutable_windows()->set_train_from_us(plan.windows().candidates_from_us(number - 1));
  if (number <= plan.candidate_starts_size()) {
    out.set_start_manifest(plan.candidate_starts(number - 1).manifest());
    out.set_start_version(plan.candidate_starts(number - 1).version());
  }
  out.set_checkpoints((fs::path(plan.checkpoints()) / ("candidate-" + std::to_string(number))).string());
  return out;
}

// What the fit comes to, whatever it is called.
v1::Plan essence(v1::Plan plan) {
  plan.clear_checkpoints();
  plan.clear_start_version();
  v1::Train& train = *plan.mutable_spec()->mutable_train();
  train.clear_start();
  // The window itself is the choice.
  if (train.rows().has_last() || train.rows().has_since_drift()) train.clear_rows();
  return plan;
}

}  // namespace

std::vector<PlannedFit> fits_of(const v1::Plan& plan) {
  std::vector<PlannedFit> fits;
  for (int number = 0; number <= plan.spec().train().candidates_size(); ++number) {
    PlannedFit fit{static_cast<uint32_t>(number), plan_of_fit(plan, number), std::nullopt};
    const auto same = std::find_if(fits.begin(), fits.end(), [&fit](const PlannedFit& other) {
      return google::protobuf::util::MessageDifferencer::Equals(essence(other.plan), essence(fit.plan));
    });
    if (same != fits.end()) fit.same_as = same->number;
    fits.push_back(std::move(fit));
  }
  return fits;
}

}  // namespace rekindle::trainer
