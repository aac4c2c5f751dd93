#include "cases.h"

namespace rekindle::trainer {

// Dropout is off throughout: its masks are ours alone. 4,400 training rows in batches of 256: 18 steps an
// epoch.
const std::vector<OracleCase>& oracle_cases() {
  static const std::string kTabular =
      R"("model": {"tabular": {"hidden": [32, 16], "dropout": 0, "embedding": 4}})";
  static const std::vector<OracleCase> kCases = {
      {"tabular-adamw", 1, kTabular + R"(, "optimizer": {"adamw": {"rate": 0.01, "decay": 0.05}})"},
      {"tabular-adamw-2-ranks", 2, kTabular + R"(, "optimizer": {"adamw": {"rate": 0.01, "decay": 0.05}})"},
      {"linear-adamw", 1,
       R"("model": {"linear": {}}, "optimizer": {"adamw": {"rate": 0.02, "decay": 0.01}})"},
      {"linear-adamw-2-ranks", 2,
       R"("model": {"linear": {}}, "optimizer": {"adamw": {"rate": 0.02, "decay": 0.01}})"},
  };
  return kCases;
}

}  // namespace rekindle::trainer
