#include "cases.h"

#include "drawn_rows.h"

namespace rekindle::trainer {
namespace {

std::string with(const std::string& model, const std::string& rest) {
  return R"("model": )" + model + ", " + rest;
}

std::string label(const std::string& column, const std::string& kind, const std::string& rest) {
  return R"("label": {"column": ")" + column + R"(", "kind": ")" + kind + R"("}, )" + rest;
}
std::string label(const std::string& column, const std::string& kind, const std::string& classes,
                  const std::string& rest) {
  return R"("label": {"column": ")" + column + R"(", "kind": ")" + kind + R"(", "classes": [)" + classes +
         "]}, " + rest;
}

}  // namespace

// Dropout and augmentation are off throughout: their draws are ours alone. Rates are such that PyTorch agrees
// with itself: at higher ones a deep network that begins 1e-7 apart ends 1e-3 apart in float32, whoever
// computes it. So does a large one with ReLU, where now and then a unit is within rounding of its kink.
const std::vector<OracleCase>& oracle_cases() {
  const std::string tabular = R"({"tabular": {"hidden": [32, 16], "dropout": 0, "embedding": 4}})";
  const std::string linear = R"({"linear": {}})";
  const std::string adamw = R"("optimizer": {"adamw": {"rate": 0.01, "decay": 0.05}})";
  const std::string cnn =
      R"({"cnn": {"size": 8, "width": 4, "blocks": [1, 1], "gray": true, "crop": 0, "flip": false}})";
  const std::string encoder =
      R"({"transformer": {"vocabulary": 10, "context": 7, "width": 16, "layers": 2, "heads": 2, "dropout": 0}})";
  const std::string decoder = R"({"transformer": {"vocabulary": 5, "context": 8, "width": 16, "layers": 2,
                                                  "heads": 4, "causal": true, "dropout": 0}})";
  const std::string plugin = R"({"plugin": {"library": "libwide.so", "options": {"start": "-0.5"}}})";
  const std::string calm_adamw = R"("optimizer": {"adamw": {"rate": 0.004, "decay": 0.05}})";
  const std::string calm_adam = R"("optimizer": {"adam": {"rate": 0.004}})";
  const std::string calm_sgd = R"("optimizer": {"sgd": {"rate": 0.02}, "clip": 1})";
  const std::string calm_adagrad = R"("optimizer": {"adagrad": {"rate": 0.005}})";
  const std::string adam = R"("optimizer": {"adam": {"rate": 0.01}})";
  const std::string sgd = R"("optimizer": {"sgd": {"rate": 0.1}, "clip": 1})";
  const std::string adagrad = R"("optimizer": {"adagrad": {"rate": 0.05}})";
  const std::string buckets = R"(, "reduction": {"kind": "BUCKETS"})";
  const std::string columns =
      R"("numeric": ["minute", "wind", "temp"], "categorical": ["weekday", "carrier"])";
  const std::string shift = label("shift", "MULTICLASS", R"("night", "day", "early")", columns);
  const std::string minutes = label("minutes", "REGRESSION", columns);
  const std::string tags = label("tags", "MULTILABEL", R"("warm", "first", "odd")", columns);
  const std::string image = R"("image": "image")", words = R"("tokens": "words")";
  const std::string across = label("label", "BINARY", image), height = label("height", "REGRESSION", image),
                    shape = label("shape", "MULTICLASS", R"("across", "down", "block")", image);
  const std::string order = label("label", "BINARY", words),
                    has = label("has", "MULTILABEL", R"("zero", "five", "nine")", words),
                    next = label("next", "MULTICLASS", R"("zero", "one", "two", "three", "four")", words),
                    total = label("total", "REGRESSION", words);
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
      {"linear-adam", 1, with(linear, adam)},
      {"linear-adagrad-2-ranks", 2, with(linear, adagrad)},

      {"linear-multiclass", 1, with(linear, adamw), rows_with_labels, shift},
      {"linear-regression", 1, with(linear, sgd), rows_with_labels, minutes},
      {"linear-multilabel-2-ranks", 2, with(linear, adam), rows_with_labels, tags},
      {"tabular-multiclass", 1, with(tabular, adamw), rows_with_labels, shift},
      {"tabular-multiclass-2-ranks", 2, with(tabular, adamw), rows_with_labels, shift},
      {"tabular-regression", 1, with(tabular, adam), rows_with_labels, minutes},
      {"tabular-regression-2-ranks", 2, with(tabular, sgd), rows_with_labels, minutes},
      {"tabular-multilabel", 1, with(tabular, adagrad), rows_with_labels, tags},
      {"tabular-multilabel-2-ranks", 2, with(tabular, adamw), rows_with_labels, tags},

      {"cnn-adamw-multiclass", 1, with(cnn, calm_adamw), pictures, shape, 32},
      {"cnn-adamw-multiclass-2-ranks", 2, with(cnn, calm_adamw), pictures, shape, 32},
      {"cnn-adamw-2-ranks-buckets", 2, with(cnn, calm_adamw + buckets), pictures, across, 32},
      {"cnn-adam-regression", 1, with(cnn, R"("optimizer": {"adam": {"rate": 0.008}})"), pictures, height,
       32},
      {"cnn-sgd", 1, with(cnn, sgd), pictures, across, 32},
      {"cnn-adagrad-parts-2-ranks", 2, with(cnn, calm_adagrad + R"(, "accumulate": 3)"), pictures, across,
       32},

      {"encoder-adamw-multilabel", 1, with(encoder, calm_adamw), orders, has, 64},
      {"encoder-adamw-multilabel-2-ranks", 2, with(encoder, calm_adamw), orders, has, 64},
      {"encoder-adam-parts", 1, with(encoder, calm_adam + R"(, "accumulate": 3)"), orders, order, 64},
      {"encoder-sgd-2-ranks-buckets", 2, with(encoder, calm_sgd + buckets), orders, has, 64},
      {"encoder-adagrad", 1, with(encoder, calm_adagrad), orders, has, 64},
      {"decoder-adamw-multiclass-2-ranks", 2, with(decoder, calm_adamw), sums, next, 64},
      {"decoder-adam-multiclass", 1, with(decoder, calm_adam), sums, next, 64},
      {"decoder-sgd-regression", 1, with(decoder, calm_sgd), sums, total, 64},
      {"decoder-adagrad-2-ranks", 2, with(decoder, calm_adagrad), sums, next, 64},

      {"plugin-adamw", 1, with(plugin, adamw)},
      {"plugin-sgd-2-ranks", 2, with(plugin, sgd)},
  };
  return kCases;
}

}  // namespace rekindle::trainer
