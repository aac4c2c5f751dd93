#include "trainer/rows.h"

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "dataio/snapshot.h"

namespace rekindle::trainer {
namespace {

std::string range(int64_t from_us, int64_t until_us) {
  return "[" + format_time(time_from_micros(from_us)) + ", " + format_time(time_from_micros(until_us)) + ")";
}

}  // namespace

size_t Window::positives() const {
  return static_cast<size_t>(std::count(labels.begin(), labels.end(), 1.0));
}

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

Result<std::vector<double>> labels_of(const dataio::Table& rows, const std::string& column) {
  const dataio::Column* found = rows.find(column);
  if (found == nullptr) return not_found("the rows have no column '" + column + "', which data.label names");
  if (found->type != v1::BOOL && found->type != v1::NUMBER) {
    return invalid_argument("the label column '" + column + "' is a " +
                            std::string(dataio::type_word(found->type)) +
                            "; a binary label is a bool, or the numbers 0 and 1");
  }
  for (double v : found->numbers) {
    if (!std::isnan(v) && v != 0 && v != 1) {
      return invalid_argument("the label column '" + column + "' holds " + std::to_string(v) +
                              "; a binary label is 0, 1 or missing");
    }
  }
  return found->numbers;
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
  auto rows = TRY(dataio::read_rows(store, snapshots, columns, w.train_from_us(), w.until_us()));
  auto labels = TRY(labels_of(rows, data.label().column()));
  const auto& times = TRY(rows.get(data.time(), v1::TIMESTAMP))->times;
  RunRows out;
  out.train = labelled(rows, labels, times, w.train_from_us(), w.valid_from_us());
  out.valid = labelled(rows, labels, times, w.valid_from_us(), w.holdout_from_us());
  out.holdout = labelled(rows, labels, times, w.holdout_from_us(), w.until_us());
  if (out.train.size() == 0) {
    return failed_precondition("no labelled rows to train on in " +
                               range(w.train_from_us(), w.valid_from_us()) +
                               ": name more data, or widen train.rows");
  }
  if (out.valid.size() == 0) {
    return failed_precondition("no labelled rows to validate on in " +
                               range(w.valid_from_us(), w.holdout_from_us()) + ": raise train.validation");
  }
  const size_t positives = out.train.positives();
  if (positives == 0 || positives == out.train.size()) {
    return failed_precondition("every one of the " + std::to_string(out.train.size()) +
                               " training rows has the label " + (positives == 0 ? "0" : "1") +
                               ": there is nothing to tell apart in " +
                               range(w.train_from_us(), w.valid_from_us()));
  }
  return out;
}

}  // namespace rekindle::trainer
