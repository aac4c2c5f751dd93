#include "drift/policy/triggers.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "drift/policy/evidence.h"

namespace rekindle::drift {
namespace {

// About what the model does first, then about what it is given, about neither last.
int rank_of(v1::Cause cause) {
  switch (cause) {
    case v1::CAUSE_QUALITY:
      return 0;
    case v1::CAUSE_REGRET:
      return 1;
    case v1::CAUSE_DRIFT:
      return 2;
    case v1::CAUSE_ESTIMATE:
      return 3;
    case v1::CAUSE_AGE:
      return 4;
    case v1::CAUSE_LABELS:
      return 5;
    default:
      return 6;
  }
}

struct Together {
  bool enough = false;
  std::string words;  // empty where any is enough
};

Together together(const v1::Need& need, const std::vector<Told>& all, const std::vector<Told>& fired) {
  if (need.has_all())
    return {fired.size() == all.size(),
            fmt::format("{} of {} triggers call for a run, all are needed", fired.size(), all.size())};
  if (need.kind_case() == v1::Need::kWeight) {
    double sum = 0;
    for (const Told& told : fired) sum += told.weight;
    // Tenths do not add up to the last bit.
    return {sum >= need.weight() * (1 - 1e-12),
            fmt::format("what calls for a run weighs {:g}, {:g} is needed", sum, need.weight())};
  }
  return {!fired.empty(), {}};
}

}  // namespace

std::optional<Wish> wish_of(const v1::Retrain& retrain, const v1::JudgedWindow& window,
                            const PolicyContext& context, v1::DecisionState& state, std::string& against) {
  const std::vector<Told> all = ask(retrain, window, context, state);
  std::vector<Told> fired;
  std::vector<std::string> reasons;
  state.clear_words();
  for (const Told& told : all) {
    *state.add_words() = told.word;
    if (told.word.fired()) fired.push_back(told);
  }
  std::stable_sort(fired.begin(), fired.end(),
                   [](const Told& a, const Told& b) { return rank_of(a.cause) < rank_of(b.cause); });
  const Together found = together(retrain.need(), all, fired);
  Wish wish;
  for (const Told& told : found.enough ? fired : all) reasons.push_back(told.word.reason());
  if (!found.words.empty()) reasons.push_back(found.words);
  if (!found.enough) {
    against = fmt::format("{}", fmt::join(reasons, "; "));
    return std::nullopt;
  }
  wish.cause = fired.front().cause;
  wish.words = found.words.empty() ? reasons.front() : fmt::format("{}", fmt::join(reasons, "; "));
  for (const Told& told : fired) wish.gain = std::max(wish.gain, told.gain);
  wish.for_more_rows =
      std::all_of(fired.begin(), fired.end(), [](const Told& told) { return told.word.for_more_rows(); });
  return wish;
}

}  // namespace rekindle::drift
