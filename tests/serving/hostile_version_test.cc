// Versions whose files are sound by themselves and say what cannot be, and manifests that nobody of ours
// wrote: none gets a request, the version before goes on answering all of them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "fake_coordinator.h"
#include "models/safetensors.h"
#include "running_node.h"
#include "versions.h"

namespace rekindle::serving::testing {
namespace {

using ::testing::HasSubstr;

constexpr const char* kInfer = "/v2/models/m/infer";

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
  std::string dtype = "F32";
};

std::string file_of(const std::vector<Tensor>& tensors) {
  std::vector<models::NamedTensor> named;
  for (const Tensor& t : tensors)
    named.push_back({t.name,
                     t.dtype,
                     t.shape,
                     {reinterpret_cast<const char*>(t.values.data()), t.values.size() * sizeof(float)}});
  return models::write_safetensors(std::move(named));
}

// What test_card asks for: a bias, the weight of x, three values of color.
std::vector<Tensor> sound_weights() {
  return {{"layer0.bias", {1}, {-1}},
          {"layer0.weight", {1, 1}, {0.5}},
          {"embedding.color", {3, 1}, {0, 0.1f, 0.2f}}};
}

using Change = std::function<void(std::vector<Tensor>&)>;
std::string with_weights(artifacts::Store& store, const Change& change) {
  auto weights = sound_weights();
  change(weights);
  return publish_card(store, test_card("m"), {{"model.safetensors", file_of(weights)}});
}

// A manifest as anybody may write it; its files say which blobs.
std::string with_manifest(artifacts::Store& store, const std::string& files) {
  return store.put(R"({"format": 1, "model": "m", "files": [)" + files + "]}").value();
}
std::string entry(const std::string& name, const std::string& sha256, size_t bytes) {
  return fmt::format(R"({{"name": "{}", "sha256": "{}", "bytes": "{}"}})", name, sha256, bytes);
}
std::string entry(artifacts::Store& store, const std::string& name, const std::string& content = "{}") {
  return entry(name, store.put(content).value(), content.size());
}

v1::ModelCard transformer_card() {
  v1::ModelCard card = test_card("m");
  card.clear_inputs();
  card.clear_transforms();
  card.clear_time_column();
  auto* words = card.add_inputs();
  words->set_name("words");
  words->set_type(v1::TOKENS);
  auto* spec = card.mutable_kind()->mutable_transformer();
  spec->set_vocabulary(4);
  spec->set_context(4);
  spec->set_width(8);
  spec->set_layers(1);
  spec->set_heads(1);
  return card;
}

struct Hostile {
  const char* name;
  std::function<std::string(artifacts::Store&)> publish;  // SHA-256 of the manifest
  const char* says;
};

std::vector<Hostile> hostile_versions() {
  const auto weights = [](Change change) {
    return [change](artifacts::Store& store) { return with_weights(store, change); };
  };
  const auto manifest = [](std::function<std::string(artifacts::Store&)> files) {
    return [files](artifacts::Store& store) { return with_manifest(store, files(store)); };
  };
  return {
      {"another name", weights([](auto& t) { t[1].name = "layer1.weight"; }), "'layer0.weight' is missing"},
      {"another shape", weights([](auto& t) {
         t[1].shape = {1, 1, 1};
       }),
       "'layer0.weight' has another shape than the model"},
      {"a row more", weights([](auto& t) {
         t[2] = {"embedding.color", {4, 1}, {0, 1, 2, 3}};
       }),
       "'embedding.color' has another shape than the model"},
      {"another type", weights([](auto& t) { t[0].dtype = "I32"; }), "'layer0.bias' is I32, not F32"},
      {"not a number anywhere", weights([](auto& t) {
         for (Tensor& tensor : t) std::fill(tensor.values.begin(), tensor.values.end(), NAN);
       }),
       "holds a value that is not finite"},
      {"one infinity", weights([](auto& t) { t[2].values[2] = INFINITY; }),
       "'embedding.color' holds a value that is not finite"},
      {"twice the size that the card declares", weights([](auto& t) {
         t.push_back({"spare", {5}, std::vector<float>(5, 1)});
       }),
       "holds 'spare', which the model card does not name"},
      {"no weights", [](auto& store) { return publish_card(store, test_card("m"), {}); },
       "no file model.safetensors"},
      {"a process that takes twice the memory that it declares",
       [](auto& store) {
         return publish_process_version(store, "m", 0.5, {"--fault", "hoard", "--megabytes", "128"},
                                        64 << 20);
       },
       "where predict.memory allows 64 MB"},
      {"a deep kind with another width",
       [](auto& store) {
         auto card = transformer_card();
         return publish_card(store, card, {{"model.safetensors", file_of({{"fc.bias", {1}, {0}}})}});
       },
       "is missing"},
      {"a file outside of its folder", manifest([](auto& store) { return entry(store, "../model.json"); }),
       "'../model.json', which is not"},
      {"a file outside by way of a folder", manifest([](auto& store) { return entry(store, "out/../../x"); }),
       "'out/../../x', which is not"},
      {"a file by its path", manifest([](auto& store) { return entry(store, "/etc/cron.d/x"); }),
       "'/etc/cron.d/x', which is not"},
      {"a blob by a path", manifest([](auto&) { return entry("model.json", "../../../etc/passwd", 2); }),
       "a hash that is none"},
      {"a file twice",
       manifest([](auto& store) { return entry(store, "a") + "," + entry(store, "a", "[]"); }),
       "names the file a twice"},
      {"a file that is a folder too",
       manifest([](auto& store) { return entry(store, "a/b") + "," + entry(store, "a"); }),
       "'a', which is also a folder"},
      {"a file of another size",
       manifest([](auto& store) { return entry("model.json", store.put("{}").value(), 1u << 30); }),
       "the manifest says 1073741824"},
      {"a million files", manifest([](auto& store) {
         const std::string sha256 = store.put("{}").value();
         std::string files = entry("f0", sha256, 2);
         for (int i = 1; i < 1'000'000; ++i) files += "," + entry("f" + std::to_string(i), sha256, 2);
         return files;
       }),
       "1048576"},
      {"another model's", [](auto& store) { return publish_version(store, "other", 0.5); },
       "of model 'other', not 'm'"},
  };
}

TEST(HostileVersions, GetNoTraffic) {
  TempFolder state, artifacts;
  auto store = artifacts::open_folder_store(artifacts.path()).value();
  const std::string sound = publish_version(*store, "m", 0.25);
  FakeCoordinator coordinator;
  coordinator.set_plan(plan_of("m", 1, {{1, 10'000, sound}}));
  NodeOptions options = node_options(coordinator.url(), state.path() / "node");
  options.artifacts = artifacts.path();
  const char* programs = ::getenv("REKINDLE_BIN");
  options.predictors.program =
      fs::path(programs == nullptr ? "build/release/bin" : programs) / "rekindle-predict";
  RunningNode node(std::move(options));
  ASSERT_TRUE(coordinator.wait_in_force("m", 1));
  net::HttpClient client = http_client(node.url(), kServingToken);

  uint64_t number = 1;
  for (const Hostile& hostile : hostile_versions()) {
    SCOPED_TRACE(hostile.name);
    ++number;
    coordinator.set_plan(plan_of("m", number, {{1, 5'000, sound}, {number, 5'000, hostile.publish(*store)}}));
    v1::VersionHealth health;
    const auto failed = [&](FakeCoordinator& self) {
      for (const v1::VersionHealth& version : self.reports["m"].versions())
        if (version.version() == number) health = version;
      return health.state() == v1::VersionHealth::FAILED;
    };
    // A process is given up when it has died three times.
    bool seen = false;
    for (int waits = 0; waits < 6 && !seen; ++waits) seen = coordinator.wait(failed);
    EXPECT_TRUE(seen);
    EXPECT_THAT(health.message(), HasSubstr(hostile.says));
    for (int i = 0; i < 10; ++i)
      EXPECT_THAT(post(client, kInfer, infer_body(fmt::format("{}-{}", number, i), 1)).body,
                  HasSubstr(R"("model_version":"1")"));
    EXPECT_EQ(post(client, fmt::format("/v2/models/m/versions/{}/infer", number), infer_body("", 1)).status,
              404);
  }
  // And the node is none the worse for it.
  coordinator.set_plan(plan_of("m", number + 1, {{number + 1, 10'000, publish_version(*store, "m", 0.75)}}));
  ASSERT_TRUE(coordinator.wait_in_force("m", number + 1));
  EXPECT_THAT(post(client, kInfer, infer_body("last", 1)).body,
              HasSubstr(fmt::format(R"("model_version":"{}")", number + 1)));
}

}  // namespace
}  // namespace rekindle::serving::testing
