#include "trainer/predict/load.h"

#include "trainer/kinds/module_predictor.h"
#include "trainer/predict/package.h"

namespace rekindle::trainer {
namespace {

constexpr uint64_t kWeightsBytesMax = 16ull << 30;

}  // namespace

// The one place that says which predictor a kind has.
Result<std::unique_ptr<models::Predictor>> make_version(const v1::ModelCard& card,
                                                        std::string_view safetensors, PluginCode code) {
  switch (card.kind().kind_case()) {
    case v1::Model::kLinear:
    case v1::Model::kTabular:
      // The plain forward pass: the bits that serving nodes answer, not almost the same ones.
      return models::make_predictor(card, safetensors);
    case v1::Model::kCnn:
    case v1::Model::kTransformer:
    case v1::Model::kPlugin:
      return make_module_predictor(card, safetensors, std::move(code));
    default:
      return unimplemented("this build does not know the kind of this version; use a newer rekindle");
  }
}

Result<std::unique_ptr<models::Predictor>> load_version(const fs::path& folder) {
  const v1::ModelCard card = TRY(models::parse_card(TRY(read_file(folder / "model.json"))));
  if (!card.predict().package().empty()) return load_package(card, folder);
  // Beside the version's folder: whoever starts rekindle-predict unpacks it there.
  return make_version(card, TRY(read_file(folder / "model.safetensors", kWeightsBytesMax)),
                      PluginCode::lent(folder.parent_path() / "code"));
}

}  // namespace rekindle::trainer
