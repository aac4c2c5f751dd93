#include "trainer/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "dataio/choice.h"
#include "dataio/snapshot.h"

namespace rekindle::trainer {
namespace {

std::string range(int64_t from_us, int64_t until_us) {
  return "[" + format_time(time_from_micros(from_us)) + ", " + format_time(time_from_micros(until_us)) + ")";
}

Status check_training(const Window& train, const dataio::LabelRule& rule, const v1::Plan& plan) {
  const std::string where = range(plan.windows().train_from_us(), plan.windows().valid_from_us());
  if (std::all_of(train.labels.begin(), train.labels.end(), [&](double v) { return v == train.labels[0]; })) {
    return failed_precondition(fmt::format(
        "every one of the {} training rows has the label {}: there is nothing to tell apart in {}",
        train.size(),
        rule.binary() || rule.regression() ? rule.text(train.labels[0])
                                           : "'" + rule.text(train.labels[0]) + "'",
        where));
  }
  return {};
}

Window taken(const Window& window, const std::vector<uint32_t>& rows) {
  Window out;
  out.rows = dataio::take(window.rows, rows);
  for (const uint32_t row : rows) out.labels.push_back(window.labels[row]);
  return out;
}

// Leaves in rows.train those that the spec's choice keeps.
Status choose(const v1::Plan& plan, RunRows& rows) {
  const v1::Train& train = plan.spec().train();
  const auto& times = TRY(rows.train.rows.get(plan.spec().data().time(), v1::TIMESTAMP))->times;
  const auto kept = dataio::chosen(train.rows(), train.seed(),
                                   {times, rows.train.labels, plan.windows().holdout_from_us()});
  if (kept.size() == rows.train.size()) return ok_status();
  Window thinned = taken(rows.train, kept);
  if (train.rows().has_balanced()) rows.unbalanced = std::move(rows.train);
  rows.train = std::move(thinned);
  return ok_status();
}

}  // namespace

std::vector<std::string> feature_columns(const v1::Data& data) {
  std::vector<std::string> out(data.numeric().begin(), data.numeric().end());
  for (const auto& name : data.categorical()) {
    if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
  }
  for (const auto& name : {data.image(), data.tokens()}) {
    if (!name.empty()) out.push_back(name);
  }
  return out;
}

Window labelled(const dataio::Table& rows, const std::vector<double>& labels,
                const std::vector<int64_t>& times, int64_t from_us, int64_t until_us) {
  std::vector<uint32_t> picked;
  Window out;
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i] < from_us || times[i] >= until_us || std::isnan(labels[i])) continue;
    picked.push_back(static_cast<uint32_t>(i));
    out.labels.push_back(labels[i]);
  }
  out.rows = dataio::take(rows, picked);
  return out;
}

Result<RunRows> read_run_rows(const artifacts::Store& store, const v1::Plan& plan) {
  const auto& data = plan.spec().data();
  const auto& w = plan.windows();
  if (!(w.train_from_us() <= w.valid_from_us() && w.valid_from_us() <= w.holdout_from_us() &&
        w.holdout_from_us() <= w.until_us())) {
    return invalid_argument("the plan's windows are not in order: train, validation, holdout");
  }
  auto columns = feature_columns(data);
  if (std::find(columns.begin(), columns.end(), data.label().column()) == columns.end()) {
    columns.push_back(data.label().column());
  }
  std::vector<v1::DatasetSnapshot> snapshots(plan.data().begin(), plan.data().end());
  const dataio::LabelRule rule(data.label());
  auto rows = TRY(dataio::read_rows(store, snapshots, columns, w.train_from_us(), w.until_us(), {}, &rule));
  dataio::Column& column = *rows.find(data.label().column());
  const std::vector<double> labels = column.numbers;
  // A script of the user's reads them as people write them.
  column = rule.column(column.name, labels);
  const auto& times = TRY(rows.get(data.time(), v1::TIMESTAMP))->times;
  RunRows out;
  out.train = labelled(rows, labels, times, w.train_from_us(), w.valid_from_us());
  out.valid = labelled(rows, labels, times, w.valid_from_us(), w.holdout_from_us());
  out.holdout = labelled(rows, labels, times, w.holdout_from_us(), w.until_us());
  TRY_STATUS(choose(plan, out));
  if (out.train.size() == 0) {
    return failed_precondition("no labelled rows to train on in " +
                               range(w.train_from_us(), w.valid_from_us()) +
                               ": name more data, or widen train.rows");
  }
  if (out.valid.size() == 0) {
    return failed_precondition("no labelled rows to validate on in " +
                               range(w.valid_from_us(), w.holdout_from_us()) + ": raise train.validation");
  }
  TRY_STATUS(check_training(out.train, rule, plan));
  return out;
}

}  // namespace rekindle::trainer
