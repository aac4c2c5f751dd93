#include "cases.h"

namespace rekindle::trainer {
namespace {

std::string with(const std::string& model, const std::string& rest) {
  return R"("model": )" + model + ", " + rest;
}

}  // namespace

// Dropout and augmentation are off throughout: their draws are ours alone.
const std::vector<OracleCase>& oracle_cases() {
  const std::string tabular = R"({"tabular": {"hidden": [32, 16], "dropout": 0, "embedding": 4}})";
  const std::string linear = R"({"linear": {}})";
  const std::string adamw = R"("optimizer": {"adamw": {"rate": 0.01, "decay": 0.05}})";
  static const std::vector<OracleCase> kCases = {
      {"tabular-adamw", 1, with(tabular, adamw)},
      {"tabular-adamw-2-ranks", 2, with(tabular, adamw)},
      {"tabular-adamw-2-ranks-buckets", 2, with(tabular, adamw + R"(, "reduction": {"kind": "BUCKETS"})")},
      {"tabular-adamw-parts", 1, with(tabular, adamw + R"(, "accumulate": 3)")},
      {"tabular-adamw-parts-2-ranks", 2, with(tabular, adamw + R"(, "accumulate": 4)")},
      {"tabular-adam-linear-clip", 1,
       with(tabular, R"("optimizer": {"adam": {"rate": 0.005, "decay": 0.001, "beta1": 0.8},
                                      "schedule": {"linear": {"floor": 0.2}}, "clip": 0.05})")},
      {"tabular-sgd-momentum-step", 1, with(tabular, R"("optimizer": {"sgd": {"rate": 0.2, "decay": 0.001},
                                      "schedule": {"step": {"every": 10, "factor": 0.5}}})")},
      {"tabular-sgd-nesterov-2-ranks", 2,
       with(tabular, R"("optimizer": {"sgd": {"rate": 0.1, "nesterov": true}, "schedule": {"constant": {}},
                                      "warmup": {"share": 0.3, "most": 8}})")},
      {"tabular-sgd-plain", 1,
       with(tabular, R"("optimizer": {"sgd": {"rate": 0.3, "momentum": 0}, "schedule": {"constant": {}},
                                      "clip": 0.1})")},
      {"tabular-adagrad", 1, with(tabular, R"("optimizer": {"adagrad": {"rate": 0.05, "decay": 0.001}})")},
      {"linear-adamw", 1, with(linear, R"("optimizer": {"adamw": {"rate": 0.02, "decay": 0.01}})")},
      {"linear-sgd-2-ranks", 2,
       with(linear, R"("optimizer": {"sgd": {"rate": 0.3}, "schedule": {"cosine": {"floor": 0}}})")},
  };
  return kCases;
}

}  // namespace rekindle::trainer
