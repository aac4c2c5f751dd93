// The shadow: a small model that is always fresh. It answers each labelled row, then learns from it, and
// costs a few additions a row; what the version in service loses more than it is what waiting costs.
//
// A linear model over the bins of a profile, a weight each, by stochastic gradient descent with a rate that
// falls with the rows that touched a weight and never below a floor. Logistic for binary labels, least
// squares for numbers, which are taken in standard deviations. The same rows in the same order give the same
// bits. Knows nothing of events: rows come as bins.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "drift/profile.h"
#include "rekindle/v1/event_store.pb.h"

namespace rekindle::drift {

class Shadow {
 public:
  // Fresh weights over the profile's features. `label_mean` and `label_scale` are of numbers; 0 and 1 for
  // binary labels.
  static v1::ShadowState begin(const v1::Profile& profile, bool regression, double label_mean,
                               double label_scale);

  // The state outlives it and moves with it. Refuses one that is damaged.
  static Result<Shadow> of(v1::ShadowState& state, bool regression);

  const std::vector<FeatureBins>& features() const { return features_; }
  // `bins`: one of each feature, in their order. A probability, or a number in the label's unit.
  double answer(std::span<const uint32_t> bins) const;
  void learn(std::span<const uint32_t> bins, double label);

 private:
  Shadow(v1::ShadowState& state, bool regression) : state_(&state), regression_(regression) {}
  double sum(std::span<const uint32_t> bins) const;
  void move(int weight, double error);

  v1::ShadowState* state_;
  bool regression_;
  std::vector<FeatureBins> features_;
  std::vector<int> offsets_;  // of each feature's first weight
};

// The champion is another: what it owes begins anew. What was usual stays, so that one that comes into a
// world which it has not learned owes from its first day on; not where regret has fired and this one is the
// answer to it: then the shadow may be the better one in this world.
// `share` as of add_regret.
void begin_regret(uint64_t champion, double share, const v1::RegretTrigger& trigger, v1::ShadowState& state);

// Mean losses a row of a slot.
struct SlotLosses {
  double version = 0;  // in service
  double shadow = 0;
};

// Adds a slot, which is `share` of a window long. A shadow and a version are of different classes, so what
// counts is what the version loses more by since it was new: its first window, a hundred slots at least, says
// what was usual then (its mean and three standard errors), once the shadow has learned enough to be compared
// with; or less, where less was usual before it. Less than nothing is never owed: a version that did better
// has no credit. The world is taken to have changed where it most likely did (the greatest likelihood
// ratio): what begins by chance often goes over into what is owed. Where the shadow became better and the
// version no worse, it has not changed.
void add_regret(const SlotLosses& slot, double share, int64_t slot_us, v1::ShadowState& state);

// The regret so far against the larger of trigger.loss and of what chance adds up to: five standard
// deviations of as many slots like those since it was last nothing. It does not fire where the shadow became
// better and the version no worse: that many rows would teach a new version more is told by their number
// (drift/policy/learned.h).
v1::Score regret_score(const v1::ShadowState& state, const v1::RegretTrigger& trigger);

}  // namespace rekindle::drift
