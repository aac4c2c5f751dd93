#include "trainer/predict/load.h"

#include "trainer/predict/package.h"

namespace rekindle::trainer {
namespace {

constexpr uint64_t kWeightsBytesMax = 16ull << 30;

}  // namespace

// The one place where a kind is looked up.
Result<std::unique_ptr<models::Predictor>> make_version(const v1::ModelCard& card,
                                                        std::string_view safetensors) {
  switch (card.kind().kind_case()) {
    case v1::Model::kLinear:
    case v1::Model::kTabular:
      // The plain forward pass: the bits that serving nodes answer, not almost the same ones.
      return models::make_predictor(card, safetensors);
    default:
      return unimplemented("this build does not know the kind of this version; use a newer rekindle");
  }
}

Result<std::unique_ptr<models::Predictor>> load_version(const fs::path& folder) {
  const v1::ModelCard card = TRY(models::parse_card(TRY(read_file(folder / "model.json"))));
  if (!card.predict().package().empty()) return load_package(card, folder);
  return make_version(card, TRY(read_file(folder / "model.safetensors", kWeightsBytesMax)));
}

}  // namespace rekindle::trainer
