#include "trainer/kinds/module_predictor.h"

#include <cmath>

#include "models/safetensors.h"
#include "trainer/kinds/module.h"

namespace rekindle::trainer {
namespace {

class ModulePredictor final : public models::Predictor {
 public:
  ModulePredictor(v1::ModelCard card, PluginCode code, std::unique_ptr<Module> module)
      : card_(std::move(card)), code_(std::move(code)), module_(std::move(module)) {}

  Result<models::Predictions> predict(const dataio::Table& rows) const override {
    const Examples examples = TRY(make_examples(card_, rows));
    try {
      return models::Predictions{models::output_width(card_), module_->outputs(examples, 0, rows.rows())};
    } catch (const std::exception& error) {  // LibTorch and plugins
      return internal_error(error.what());
    }
  }
  const v1::ModelCard& card() const override { return card_; }

 private:
  v1::ModelCard card_;
  PluginCode code_;
  std::unique_ptr<Module> module_;
};

Result<models::Parameters> read_parameters(const Layout& layout, std::string_view safetensors) {
  const auto file = TRY(models::parse_safetensors(safetensors));
  models::Parameters out;
  for (const auto& p : layout.placed()) {
    auto values = TRY(file.floats(p.parameter.name, p.parameter.shape));
    for (const float v : values)
      if (!std::isfinite(v))
        return data_loss("the parameter '" + p.parameter.name + "' holds a value that is not finite");
    out[p.parameter.name] = std::move(values);
  }
  for (const auto& [name, tensor] : file.tensors)
    if (!out.contains(name))
      return data_loss("model.safetensors holds '" + name + "', which the model card does not name");
  return out;
}

}  // namespace

Result<std::unique_ptr<models::Predictor>> make_module_predictor(const v1::ModelCard& card,
                                                                 std::string_view safetensors,
                                                                 PluginCode code) {
  auto module = TRY(make_module(card, at::kCPU, code.path()));
  const auto parameters = TRY(read_parameters(module->layout(), safetensors));
  module->parameters().load(module->layout().flat(parameters));
  return std::unique_ptr<models::Predictor>(
      std::make_unique<ModulePredictor>(card, std::move(code), std::move(module)));
}

}  // namespace rekindle::trainer
