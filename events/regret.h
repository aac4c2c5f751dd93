// What the version in service loses more than the shadow: fed with each slot's labelled rows, in the order of
// event time. Private to this folder; drift/shadow/shadow.h has the model and the sum.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "drift/profile.h"
#include "events/errors.h"
#include "events/model_log.h"

namespace rekindle::events {

class Regret {
 public:
  // A state without a shadow begins one over the profile of the champion; another champion begins without
  // regret. All but `trigger` outlive it.
  Regret(v1::ShadowState& state, const ErrorTerms& terms, uint64_t champion, const v1::Profile& profile,
         const v1::RegretTrigger& trigger, int64_t window_us);

  // One matured slot: each row is answered by the shadow, compared where the champion answered it too, then
  // learned from. Requests whose columns are not of the profile are left out.
  Status see(int64_t slot_us, std::span<const LabelledRequest> requests,
             const std::function<bool(const LabelledRequest&)>& excluded);

 private:
  struct Row {
    int64_t time_us;
    std::vector<uint32_t> bins;
    double label;
    std::span<const double> answer;  // the champion's; empty: another version answered
  };
  std::vector<Row> ordered(const std::vector<drift::FeatureBins>& features,
                           std::span<const LabelledRequest> requests,
                           const std::function<bool(const LabelledRequest&)>& excluded) const;

  v1::ShadowState& state_;
  const ErrorTerms& terms_;
  const uint64_t champion_;
  const v1::Profile& profile_;
  const double share_;  // of the window, that a slot is
};

}  // namespace rekindle::events
