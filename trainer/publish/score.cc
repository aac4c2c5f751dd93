#include "trainer/publish/score.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/stats.h"
#include "dataio/parquet_events.h"
#include "dataio/snapshot.h"
#include "models/predictor.h"
#include "trainer/publish/evaluate.h"
#include "trainer/rows.h"

namespace rekindle::trainer {
namespace {

std::string item_name(const v1::ScoreItem& item) {
  if (item.version() != 0) return "version " + std::to_string(item.version());
  return item.run().empty() ? "manifest " + item.manifest().substr(0, 12)
                            : "the candidate of run " + item.run();
}

std::vector<std::string> row_ids(const dataio::Table& rows) {
  const auto* request = rows.find(dataio::kRequestIdColumn);
  const auto* number = rows.find(dataio::kRowColumn);
  std::vector<std::string> out(rows.rows());
  for (size_t r = 0; r < out.size(); ++r) {
    const bool settled =
        request != nullptr && number != nullptr && !request->missing(r) && !number->missing(r);
    out[r] = settled ? std::string(request->text(r)) + "/" +
                           std::to_string(static_cast<int64_t>(number->numbers[r]))
                     : std::to_string(r);
  }
  return out;
}

struct Loaded {
  std::unique_ptr<models::Predictor> predictor;
  dataio::Table rows;
  std::vector<double> labels;
};

Result<Loaded> load_item(Context& context, const v1::ScoreItem& item) {
  const auto& data = context.plan.spec().data();
  Loaded out;
  out.predictor =
      TRY(models::load_predictor(context.store, item.manifest(), predictor_options(context.plan)));
  std::vector<std::string> columns = feature_columns(data);
  auto want = [&](const std::string& name) {
    if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
  };
  for (const auto& input : out.predictor->card().inputs()) {
    if (input.name() != data.time()) want(input.name());
  }
  want(data.label().column());
  const bool all = item.from_us() == 0 && item.until_us() == 0;
  const int64_t from = all ? std::numeric_limits<int64_t>::min() + 1 : item.from_us();
  const int64_t until = all ? std::numeric_limits<int64_t>::max() : item.until_us();
  std::vector<v1::DatasetSnapshot> snapshots(context.plan.data().begin(), context.plan.data().end());
  const std::vector<std::string> optional = {dataio::kRequestIdColumn, dataio::kRowColumn};
  const dataio::LabelRule rule(data.label()), theirs(out.predictor->card().label());
  TRY_STATUS(check_goes_on(rule, theirs));
  out.rows = TRY(dataio::read_rows(context.store, snapshots, columns, from, until, optional, &rule));
  out.labels = out.rows.find(data.label().column())->numbers;
  return out;
}

Result<std::string> keep_predictions(Context& context, const dataio::LabelRule& rule, Loaded loaded,
                                     std::vector<double> answers) {
  const auto* times = TRY(loaded.rows.get(context.plan.spec().data().time(), v1::TIMESTAMP));
  dataio::Predictions predictions;
  predictions.times_us = times->times;
  predictions.ids = row_ids(loaded.rows);
  predictions.labels = std::move(loaded.labels);
  predictions.answers = std::move(answers);
  return context.store.put(TRY(dataio::write_predictions(rule, predictions)));
}

Status add_figures(const dataio::LabelRule& rule, const std::vector<double>& labels,
                   const std::vector<double>& answers, v1::ScoreResult& out) {
  const size_t width = rule.outputs();
  Figures figures;
  std::vector<double> known, scores;
  for (size_t r = 0; r < labels.size(); ++r) {
    if (std::isnan(labels[r])) continue;
    const auto answer = std::span(answers).subspan(r * width, width);
    figures.add(rule, labels[r], answer);
    if (!rule.binary()) continue;
    known.push_back(labels[r]);
    scores.push_back(answer[0]);
    out.set_positives(out.positives() + (labels[r] == 1));
  }
  if (figures.losses.empty())
    return failed_precondition("no labelled rows in the range that is to be scored");
  out.set_rows(figures.losses.size());
  out.set_log_loss(mean(figures.losses));
  if (rule.binary()) out.set_auroc(auroc(known, scores));
  if (rule.regression())
    out.set_absolute_error(mean(figures.absolute));
  else
    out.set_accuracy(static_cast<double>(figures.correct) / static_cast<double>(figures.losses.size()));
  return {};
}

Result<v1::ScoreResult> score_item(Context& context, const v1::ScoreItem& item) {
  auto opened = load_item(context, item);
  TRY_STATUS(agreed(context.collectives, opened.status()));
  Loaded loaded = std::move(opened).value();
  context.reporter.advance();
  const dataio::LabelRule rule(context.plan.spec().data().label());
  auto answers = rule.widened(dataio::LabelRule(loaded.predictor->card().label()),
                              TRY(score_window(context.collectives, *loaded.predictor, loaded.rows)).values);
  context.reporter.advance();

  v1::ScoreResult out;
  out.set_manifest(item.manifest());
  out.set_version(item.version());
  out.set_run(item.run());
  TRY_STATUS(add_figures(rule, loaded.labels, answers, out));
  Status kept;
  if (context.first()) {
    auto predictions = keep_predictions(context, rule, std::move(loaded), std::move(answers));
    kept = predictions.status();
    if (predictions.ok()) out.set_predictions(*predictions);
  }
  TRY_STATUS(agreed(context.collectives, kept));
  return out;
}

}  // namespace

Result<std::vector<v1::ScoreResult>> score_items(Context& context) {
  std::vector<v1::ScoreResult> out;
  for (const auto& item : context.plan.score()) {
    context.reporter.phase(v1::PHASE_SCORE);
    auto result = score_item(context, item);
    if (!result.ok()) return result.status().within("scoring " + item_name(item));
    out.push_back(std::move(result).value());
  }
  return out;
}

}  // namespace rekindle::trainer
