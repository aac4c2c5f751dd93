#include "serving/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "artifacts/manifest.h"
#include "base/faults/crash_point.h"
#include "base/hash.h"
#include "base/log.h"
#include "models/process/version.h"
#include "proto/json.h"

namespace rekindle::serving {
namespace {

constexpr int64_t kWarmTimeUs = 1'700'000'000'000'000;
constexpr size_t kWarmRows = 32;  // a request of the usual size, so that memory of that size is touched

Result<std::shared_ptr<const drift::ProfileBins>> read_profile(const artifacts::Store& store,
                                                               const v1::Manifest& manifest) {
  const std::string text = TRY(artifacts::read_file(store, manifest, "profile.json"));
  v1::Profile profile;
  // A later release may say more.
  if (const Status parsed = from_json(text, &profile, UnknownFields::kIgnored); !parsed.ok())
    return data_loss("profile.json: " + parsed.message());
  return drift::ProfileBins::make(profile);
}

// A column of `rows` values: mostly `typical`, every fourth missing.
dataio::Column warm_column(const v1::Column& input, const v1::Transforms& transforms, size_t rows) {
  dataio::Column column{input.name(), input.type()};
  double number = 0;
  for (const auto& numeric : transforms.numeric())
    if (numeric.column() == input.name()) number = numeric.mean();
  std::string text = "never seen";
  for (const auto& categorical : transforms.categorical())
    if (categorical.column() == input.name() && categorical.values_size() > 0) text = categorical.values(0);
  for (size_t row = 0; row < rows; ++row) {
    if (input.type() == v1::TIMESTAMP) {
      column.add_time(kWarmTimeUs);
    } else if (row % 4 == 3) {
      column.add_missing();
    } else if (input.type() == v1::TEXT) {
      column.add_text(row % 4 == 2 ? "never seen" : text);
    } else if (input.type() == v1::BYTES) {
      column.add_missing();  // what an image may be is the kind's to say; none is one
    } else if (input.type() == v1::TOKENS) {
      column.add_list({0, 1});
    } else {
      column.add_number(number);
    }
  }
  return column;
}

// The blob with the code of a version that brings a program or a plugin; empty: none.
Result<std::string> code_of(const artifacts::Store& store, const v1::Manifest& manifest) {
  const auto card = TRY(models::parse_card(TRY(artifacts::read_file(store, manifest, "model.json"))));
  return card.code().sha256();
}

}  // namespace

dataio::Table ordinary_rows(const v1::ModelCard& card, size_t rows) {
  dataio::Table out;
  for (const v1::Column& input : card.inputs()) out.add(warm_column(input, card.transforms(), rows));
  return out;
}

Status warm_up(const LoadedVersion& version) {
  const models::Predictions answers =
      TRY(version.predictor->predict(ordinary_rows(version.card(), kWarmRows)));
  if (!sound_answers(version.rule, answers, kWarmRows))
    return internal_error(fmt::format("its answers to ordinary rows are no {}",
                                      version.rule.regression() ? "finite values" : "probabilities"));
  return ok_status();
}

Result<Loader> Loader::open(std::unique_ptr<artifacts::Store> store, const fs::path& folder,
                            models::PredictorOptions predictors) {
  Loader loader;
  loader.predictors_ = std::move(predictors);
  loader.predictors_.stop = loader.stop_.get_token();
  if (!loader.predictors_.scratch.empty()) models::sweep_predictors(loader.predictors_.scratch);
  loader.store_ = std::move(store);
  loader.copy_ = TRY(artifacts::open_folder_store(folder));
  loader.folder_ = folder;
  return loader;
}

Status Loader::fetch(const std::string& manifest_sha256) const {
  crash_point("version-fetching");
  const v1::Manifest manifest = TRY(artifacts::load_manifest(*store_, manifest_sha256));
  for (const v1::ManifestFile& file : manifest.files()) {
    const fs::path path = TRY(store_->path(file.sha256()));
    const std::string put = TRY(copy_->put_file(path));
    if (put != file.sha256()) return data_loss(fmt::format("{} changed while it was copied", file.name()));
  }
  if (const std::string code = TRY(code_of(*copy_, manifest)); !code.empty())
    TRY(copy_->put_file(TRY(store_->path(code))));
  crash_point("version-fetched");
  // Last: a manifest in the copy says that its files are there.
  TRY(copy_->put(TRY(store_->get(manifest_sha256))));
  crash_point("version-copied");
  return ok_status();
}

Result<VersionPtr> Loader::load(const std::string& model, const v1::PlannedVersion& planned) const {
  auto manifest = artifacts::load_manifest(*copy_, planned.manifest());
  if (!manifest.ok()) {
    TRY_STATUS(
        fetch(planned.manifest())
            .within(fmt::format("fetching version {} from {}", planned.version(), store_->describe())));
    manifest = artifacts::load_manifest(*copy_, planned.manifest());
    if (!manifest.ok()) return manifest.status();
  }
  if (manifest->model() != model)
    return failed_precondition(
        fmt::format("the manifest is of model '{}', not '{}'", manifest->model(), model));
  auto version = std::make_shared<LoadedVersion>();
  version->model = model;
  version->number = planned.version();
  version->manifest = planned.manifest();
  version->predictor = TRY(models::load_predictor(*copy_, planned.manifest(), predictors_));
  version->rule = dataio::LabelRule(version->card().label());
  if (version->card().inputs().empty()) return failed_precondition("model.json names no inputs");
  version->bins = TRY(read_profile(*copy_, *manifest));
  if (version->bins && version->bins->prediction.categorical() != version->rule.counted_as_category())
    return failed_precondition("profile.json counts other predictions than those that model.json tells of");
  crash_point("version-warming");
  TRY_STATUS(warm_up(*version).within("warming up"));
  return VersionPtr(std::move(version));
}

void Loader::retain(const std::vector<std::string>& manifests) const {
  std::set<std::string> keep;
  for (const std::string& sha256 : manifests) {
    const auto manifest = artifacts::load_manifest(*copy_, sha256, artifacts::Verify::kSize);
    if (!manifest.ok()) continue;
    keep.insert(sha256);
    for (const v1::ManifestFile& file : manifest->files()) keep.insert(file.sha256());
    if (const auto code = code_of(*copy_, *manifest); code.ok()) keep.insert(*code);
  }
  std::error_code error;
  std::vector<fs::path> spent;
  for (const auto& entry : fs::recursive_directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file(error) && is_sha256_hex(name) && !keep.contains(name))
      spent.push_back(entry.path());
  }
  for (const fs::path& path : spent) {
    fs::remove(path, error);
    if (error) log_warning("blob of a past version could not be removed", {{"path", path.string()}});
  }
}

}  // namespace rekindle::serving
