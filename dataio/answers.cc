#include "dataio/answers.h"

#include <algorithm>
#include <cmath>

namespace rekindle::dataio {

bool sound_answer(const LabelRule& rule, std::span<const double> answer) {
  return answer.size() == rule.outputs() && std::all_of(answer.begin(), answer.end(), [&rule](double value) {
           return rule.regression() ? std::isfinite(value) : value >= 0 && value <= 1;
         });
}

}  // namespace rekindle::dataio
