#include "models/predictor.h"

#include "artifacts/manifest.h"
#include "models/forward.h"
#include "models/process/version.h"
#include "proto/json.h"

namespace rekindle::models {
namespace {

class BuiltIn final : public Predictor {
 public:
  BuiltIn(v1::ModelCard card, dataio::Encoder encoder, Forward forward)
      : card_(std::move(card)),
        width_(output_width(card_)),
        encoder_(std::move(encoder)),
        forward_(std::move(forward)) {}

  Result<Predictions> predict(const dataio::Table& rows) const override {
    dataio::Encoded inputs;
    TRY_STATUS(encoder_.encode(rows, inputs));
    return Predictions{.width = width_, .values = forward_.run(inputs)};
  }
  const v1::ModelCard& card() const override { return card_; }

 private:
  v1::ModelCard card_;
  size_t width_;
  dataio::Encoder encoder_;
  Forward forward_;
};

constexpr int kFormat = 1;

Status check_format(const v1::ModelCard& card) {
  if (card.format() == kFormat) return ok_status();
  return unimplemented("the model card has format " + std::to_string(card.format()) +
                       "; this build reads format 1: use a newer rekindle");
}

}  // namespace

size_t output_width(const v1::ModelCard& card) {
  return dataio::LabelRule(card.label()).outputs();
}

Result<std::unique_ptr<Predictor>> make_predictor(const v1::ModelCard& card, std::string_view safetensors) {
  TRY_STATUS(check_format(card));
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

Result<v1::ModelCard> parse_card(std::string_view json) {
  v1::ModelCard card;
  if (const Status parsed = from_json(json, &card, UnknownFields::kRefused); !parsed.ok())
    return data_loss("model.json cannot be read: " + parsed.message());
  TRY_STATUS(check_format(card));
  return card;
}

Result<std::unique_ptr<Predictor>> load_predictor(const artifacts::Store& store,
                                                  std::string_view manifest_sha256,
                                                  const PredictorOptions& options) {
  const auto load = [&]() -> Result<std::unique_ptr<Predictor>> {
    const auto manifest = TRY(artifacts::load_manifest(store, manifest_sha256, artifacts::Verify::kSize));
    auto card = TRY(parse_card(TRY(artifacts::read_file(store, manifest, "model.json"))));
    if (needs_process(card)) return load_process(store, manifest, std::move(card), options);
    return make_predictor(card, TRY(artifacts::read_file(store, manifest, "model.safetensors")));
  };
  auto predictor = load();
  if (!predictor.ok())
    return predictor.status().within("version with manifest " + std::string(manifest_sha256.substr(0, 12)));
  return predictor;
}

}  // namespace rekindle::models
