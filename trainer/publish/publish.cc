#include "trainer/publish/publish.h"

#include <torch/headeronly/version.h>

#include <cmath>

#include "artifacts/manifest.h"
#include "base/stats.h"
#include "dataio/labels.h"
#include "drift/profile.h"
#include "proto/json.h"

namespace rekindle::trainer {
namespace {

void add_input(v1::ModelCard& card, const std::string& name, v1::ColumnType type) {
  auto* column = card.add_inputs();
  column->set_name(name);
  column->set_type(type);
}

Status add_model(artifacts::ManifestWriter& writer, const VersionFiles& files) {
  TRY_STATUS(writer.add("model.json", TRY(to_json(files.card, JsonForm::kFile))));
  if (!files.safetensors.empty()) TRY_STATUS(writer.add("model.safetensors", files.safetensors));
  for (const v1::ManifestFile& file : files.out) TRY_STATUS(writer.add_blob(file.name(), file.sha256()));
  return ok_status();
}

// The numbers that answers are counted by, or the classes that they name.
v1::FeatureProfile prediction_profile(const dataio::LabelRule& rule, std::span<const double> answers) {
  const size_t width = rule.outputs();
  drift::CategoryTally tally;
  std::vector<double> numbers;
  for (size_t at = 0; at < answers.size(); at += width) {
    if (rule.counted_as_category())
      tally.add(rule.counted_category(answers.subspan(at, width)));
    else
      numbers.push_back(rule.counted_number(answers.subspan(at, width)));
  }
  return rule.counted_as_category() ? tally.profile(drift::kPrediction)
                                    : drift::numeric_profile(drift::kPrediction, numbers);
}

// What the holdout rows of each bin of the answers have lost.
Status add_losses(const dataio::LabelRule& rule, const std::vector<double>& labels,
                  std::span<const double> answers, v1::Profile& out) {
  const drift::FeatureBins bins = TRY(drift::FeatureBins::make(out.prediction()));
  std::vector<double> sums(bins.size()), squares(bins.size());
  const size_t width = rule.outputs();
  for (size_t row = 0; row < labels.size(); ++row) {
    const auto answer = answers.subspan(row * width, width);
    const double loss = rule.loss(labels[row], answer);
    if (!std::isfinite(loss)) continue;
    const uint32_t bin = rule.counted_as_category() ? bins.bin(rule.counted_category(answer))
                                                    : bins.bin(rule.counted_number(answer));
    sums[bin] += loss;
    squares[bin] += loss * loss;
  }
  out.mutable_loss_sums()->Assign(sums.begin(), sums.end());
  out.mutable_loss_square_sums()->Assign(squares.begin(), squares.end());
  return ok_status();
}

}  // namespace

v1::ModelCard model_card(const v1::JobSpec& spec, v1::Transforms transforms) {
  v1::ModelCard out;
  out.set_format(1);
  out.set_model(spec.name());
  *out.mutable_kind() = spec.train().model();
  add_input(out, spec.data().time(), v1::TIMESTAMP);
  for (const auto& name : spec.data().numeric()) add_input(out, name, v1::NUMBER);
  for (const auto& name : spec.data().categorical()) add_input(out, name, v1::TEXT);
  if (!spec.data().image().empty()) add_input(out, spec.data().image(), v1::BYTES);
  if (!spec.data().tokens().empty()) add_input(out, spec.data().tokens(), v1::TOKENS);
  if (out.kind().has_plugin()) *out.mutable_code() = spec.code();
  out.set_time_column(spec.data().time());
  *out.mutable_label() = spec.data().label();
  out.set_output(std::string(dataio::LabelRule(spec.data().label()).output_name()));
  *out.mutable_transforms() = std::move(transforms);
  return out;
}

Result<v1::Profile> make_profile(const v1::Data& data, const Window& train, const Window& holdout,
                                 std::span<const double> answers) {
  v1::Profile out;
  for (const auto& name : data.numeric()) {
    const auto* column = train.rows.find(name);
    if (column == nullptr) return not_found("the training rows have no column '" + name + "'");
    *out.add_features() = drift::numeric_profile(name, column->numbers);
  }
  for (const auto& name : data.categorical()) {
    const auto* column = TRY(train.rows.get(name, v1::TEXT));
    drift::CategoryTally tally;
    tally.add(column->words, column->codes);
    *out.add_features() = tally.profile(name);
  }
  const dataio::LabelRule rule(data.label());
  *out.mutable_prediction() = prediction_profile(rule, answers);
  TRY_STATUS(add_losses(rule, holdout.labels, answers, out));
  out.set_rows(static_cast<int64_t>(train.size()));
  if (rule.binary()) out.set_label_rate(mean(train.labels));
  if (rule.regression()) out.set_label_scale(std::sqrt(variance(train.labels)));
  return out;
}

v1::Lineage make_lineage(const v1::Plan& plan, const std::string& collectives, const std::string& reduction,
                         const std::string& parameters_sha256) {
  v1::Lineage out;
  out.set_model(plan.spec().name());
  out.set_run(plan.run());
  out.set_attempt(plan.attempt());
  out.set_spec_sha256(plan.spec_sha256());
  out.set_cause(plan.cause());
  *out.mutable_data() = plan.data();
  // When a snapshot was registered is not what a model was made from: equal runs give equal versions.
  for (auto& snapshot : *out.mutable_data()) snapshot.clear_created_us();
  *out.mutable_windows() = plan.windows();
  out.set_champion(plan.champion_version());
  out.set_world(plan.world());
  out.set_seed(plan.spec().train().seed());
  out.set_collectives(collectives);
  out.set_reduction(reduction);
  out.set_precision(plan.spec().train().precision() == v1::BF16 ? "bf16" : "fp32");
  out.set_started_from(plan.start_version());
  out.set_build("rekindle " REKINDLE_VERSION ", LibTorch " TORCH_VERSION);
  out.set_parameters_sha256(parameters_sha256);
  return out;
}

Result<std::string> store_candidate(artifacts::Store& store, const VersionFiles& files) {
  artifacts::ManifestWriter writer(store, files.card.model());
  TRY_STATUS(add_model(writer, files));
  return writer.finish();
}

Result<std::string> publish(artifacts::Store& store, const VersionFiles& files) {
  artifacts::ManifestWriter writer(store, files.card.model());
  TRY_STATUS(add_model(writer, files));
  TRY_STATUS(writer.add("profile.json", TRY(to_json(files.profile, JsonForm::kFile))));
  TRY_STATUS(writer.add("evaluation.parquet", files.evaluation_parquet));
  TRY_STATUS(writer.add("lineage.json", TRY(to_json(files.lineage, JsonForm::kFile))));
  return writer.finish();
}

}  // namespace rekindle::trainer
