#include "versions.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <cmath>

#include "artifacts/manifest.h"
#include "base/hash.h"
#include "models/fake_predictor.h"
#include "models/network.h"

namespace rekindle::serving::testing {
namespace {

std::string to_json_text(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string out;
  CHECK(google::protobuf::util::MessageToJsonString(message, &out, options).ok());
  return out;
}

}  // namespace

v1::ModelCard test_card(const std::string& model) {
  v1::ModelCard card;
  card.set_format(1);
  card.set_model(model);
  card.mutable_kind()->mutable_linear();
  card.set_time_column("sched");
  card.set_output("probability");
  const auto add = [&](const char* name, v1::ColumnType type) {
    v1::Column& column = *card.add_inputs();
    column.set_name(name);
    column.set_type(type);
  };
  add("sched", v1::TIMESTAMP);
  add("x", v1::NUMBER);
  add("color", v1::TEXT);
  v1::NumericTransform& x = *card.mutable_transforms()->add_numeric();
  x.set_column("x");
  x.set_low(0);
  x.set_high(10);
  x.set_mean(5);
  x.set_scale(2);
  v1::CategoricalTransform& color = *card.mutable_transforms()->add_categorical();
  color.set_column("color");
  color.add_values("green");
  color.add_values("red");
  return card;
}

v1::Profile test_profile() {
  std::vector<double> xs, ps;
  drift::CategoryTally colors;
  for (int i = 0; i < 100; ++i) {
    xs.push_back(i / 10.0);
    ps.push_back(i / 100.0);
    colors.add(i % 3 == 0 ? "green" : "red");
  }
  v1::Profile profile;
  *profile.add_features() = drift::numeric_profile("x", xs);
  *profile.add_features() = colors.profile("color");
  *profile.mutable_prediction() = drift::numeric_profile(drift::kPrediction, ps);
  profile.set_label_rate(0.3);
  profile.set_rows(100);
  return profile;
}

VersionPtr constant_version(const std::string& model, uint64_t number, double probability) {
  auto version = std::make_shared<LoadedVersion>();
  version->model = model;
  version->number = number;
  version->manifest = no_manifest(number);
  version->predictor = std::make_unique<models::FakePredictor>(
      [probability](const dataio::Table&, size_t) { return probability; }, test_card(model));
  auto bins = drift::ProfileBins::make(test_profile());
  CHECK(bins.ok(), bins.status().message());
  version->bins = *bins;
  return version;
}

namespace {

std::string weights_of(const v1::ModelCard& card, double probability) {
  const auto network = models::network_of(card);
  CHECK(network.ok(), network.status().message());
  models::Parameters parameters = models::initial_parameters(*network, 1, {probability});
  for (auto& [name, values] : parameters)
    if (name != "layer0.bias") std::fill(values.begin(), values.end(), 0.0f);
  parameters["layer0.bias"] = {static_cast<float>(std::log(probability / (1 - probability)))};
  return models::save_parameters(*network, parameters);
}

std::string finish(artifacts::ManifestWriter& writer) {
  CHECK(writer.add("profile.json", to_json_text(test_profile())).ok());
  CHECK(writer.add("lineage.json", "{}").ok());
  const auto sha256 = writer.finish();
  CHECK(sha256.ok(), sha256.status().message());
  return *sha256;
}

}  // namespace

std::string publish_version(artifacts::Store& store, const std::string& model, double probability) {
  const v1::ModelCard card = test_card(model);
  artifacts::ManifestWriter writer(store, model);
  CHECK(writer.add("model.json", to_json_text(card)).ok());
  CHECK(writer.add("model.safetensors", weights_of(card, probability)).ok());
  return finish(writer);
}

std::string publish_process_version(artifacts::Store& store, const std::string& model, double probability,
                                    const std::vector<std::string>& arguments, uint64_t memory) {
  v1::ModelCard card = test_card(model);
  artifacts::ManifestWriter writer(store, model);
  CHECK(writer.add("out/model.json", to_json_text(card)).ok());
  CHECK(writer.add("out/model.safetensors", weights_of(card, probability)).ok());
  card.clear_kind();
  card.clear_transforms();
  card.mutable_predict()->add_command("/usr/bin/python3");
  card.mutable_predict()->add_command(fs::absolute("tests/predictors/linear_predictor.py"));
  for (const std::string& argument : arguments) card.mutable_predict()->add_command(argument);
  card.mutable_predict()->set_memory(memory);
  CHECK(writer.add("model.json", to_json_text(card)).ok());
  return finish(writer);
}

std::string publish_card(artifacts::Store& store, const v1::ModelCard& card,
                         const std::vector<std::pair<std::string, std::string>>& files) {
  artifacts::ManifestWriter writer(store, card.model());
  CHECK(writer.add("model.json", to_json_text(card)).ok());
  for (const auto& [name, content] : files) CHECK(writer.add(name, content).ok());
  return finish(writer);
}

std::string no_manifest(uint64_t number) {
  return sha256_hex(std::to_string(number));
}

v1::ServingPlan plan_of(const std::string& model, uint64_t revision, const std::vector<Planned>& versions) {
  v1::ServingPlan plan;
  plan.set_model(model);
  plan.set_revision(revision);
  plan.set_salt("salt");
  for (const Planned& planned : versions) {
    v1::PlannedVersion& version = *plan.add_versions();
    version.set_version(planned.version);
    version.set_role(planned.share > 0 ? v1::LIVE : v1::PINNED);
    version.set_share(planned.share);
    version.set_manifest(planned.manifest.empty() ? no_manifest(planned.version) : planned.manifest);
  }
  return plan;
}

std::string infer_body(const std::string& id, size_t rows, int64_t event_us, bool record) {
  std::string xs, colors, times;
  for (size_t row = 0; row < rows; ++row) {
    const char* comma = row == 0 ? "" : ",";
    xs += fmt::format("{}{}", comma, 0.5 + static_cast<double>(row % 9));
    colors += fmt::format("{}\"{}\"", comma, row % 2 == 0 ? "red" : "green");
    times += fmt::format("{}{}", comma, event_us);
  }
  std::string out = "{";
  if (!id.empty()) out += fmt::format(R"("id":"{}",)", id);
  if (!record) out += R"("parameters":{"rekindle_record":false},)";
  out += R"("inputs":[)";
  if (event_us > 0)
    out += fmt::format(R"({{"name":"sched","datatype":"INT64","shape":[{}],"data":[{}]}},)", rows, times);
  out += fmt::format(R"({{"name":"x","datatype":"FP64","shape":[{}],"data":[{}]}},)", rows, xs);
  out += fmt::format(R"({{"name":"color","datatype":"BYTES","shape":[{}],"data":[{}]}}]}})", rows, colors);
  return out;
}

}  // namespace rekindle::serving::testing
