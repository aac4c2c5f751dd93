#include "models/predictor.h"

#include <google/protobuf/util/json_util.h>

#include "artifacts/manifest.h"
#include "models/forward.h"

namespace rekindle::models {
namespace {

class BuiltIn final : public Predictor {
 public:
  BuiltIn(v1::ModelCard card, dataio::Encoder encoder, Forward forward)
      : card_(std::move(card)), encoder_(std::move(encoder)), forward_(std::move(forward)) {}

  Result<Predictions> predict(const dataio::Table& rows) const override {
    dataio::Encoded inputs;
    TRY_STATUS(encoder_.encode(rows, inputs));
    return Predictions{.values = forward_.run(inputs)};
  }
  const v1::ModelCard& card() const override { return card_; }

 private:
  v1::ModelCard card_;
  dataio::Encoder encoder_;
  Forward forward_;
};

constexpr int kFormat = 1;

}  // namespace

size_t output_width(const v1::ModelCard& card) {
  const auto kind = card.label().kind();
  const bool classes = kind == v1::Label::MULTICLASS || kind == v1::Label::MULTILABEL;
  return classes ? static_cast<size_t>(card.label().classes_size()) : 1;
}

Result<std::unique_ptr<Predictor>> make_predictor(const v1::ModelCard& card, std::string_view safetensors) {
  if (card.format() != kFormat) {
    return unimplemented("the model card has format " + std::to_string(card.format()) +
                         "; this build reads format 1: use a newer rekindle");
  }
  auto network = TRY(network_of(card));
  auto parameters = TRY(read_parameters(network, safetensors));
  for (const auto& [name, values] : parameters) {
    for (float v : values) {
      if (!std::isfinite(v))
        return data_loss("the parameter '" + name + "' holds a value that is not finite");
    }
  }
  auto encoder = TRY(dataio::Encoder::make(card.transforms()));
  Forward forward(std::move(network), parameters);
  return std::unique_ptr<Predictor>(std::make_unique<BuiltIn>(card, std::move(encoder), std::move(forward)));
}

Result<std::unique_ptr<Predictor>> load_predictor(const artifacts::Store& store,
                                                  std::string_view manifest_sha256, const PredictorOptions&) {
  auto manifest = TRY(artifacts::load_manifest(store, manifest_sha256, artifacts::Verify::kSize));
  auto json = TRY(artifacts::read_file(store, manifest, "model.json"));
  v1::ModelCard card;
  auto parsed = google::protobuf::util::JsonStringToMessage(json, &card);
  if (!parsed.ok()) return data_loss("model.json cannot be read: " + std::string(parsed.message()));
  if (card.has_predict()) return unimplemented("this build serves built-in kinds alone");
  auto weights = TRY(artifacts::read_file(store, manifest, "model.safetensors"));
  auto predictor = make_predictor(card, weights);
  if (!predictor.ok()) {
    return predictor.status().within("version with manifest " + std::string(manifest_sha256.substr(0, 12)));
  }
  return predictor;
}

}  // namespace rekindle::models
