#include "serving/spool/batch.h"

#include <map>

#include "dataio/parquet_events.h"

namespace rekindle::serving {
namespace {

void count_predictions(const AnsweredRequest& answered, drift::SlotCounter& slot) {
  const dataio::LabelRule& rule = answered.version->rule;
  if (!rule.wide()) return slot.add_predictions(answered.predictions);
  const auto answers = std::span(answered.predictions);
  for (size_t at = 0; at < answers.size(); at += rule.outputs()) {
    const auto answer = answers.subspan(at, rule.outputs());
    if (rule.counted_as_category()) {
      slot.add_prediction(rule.counted_category(answer));
    } else {
      const double number = rule.counted_number(answer);
      slot.add_predictions(std::span(&number, 1));
    }
  }
}

// Adds the rows of one request to the counts of the version that answered it.
void count(const AnsweredRequest& answered, drift::CountsBuilder& counts) {
  drift::SlotCounter& slot = counts.at(time_from_micros(answered.event_us));
  slot.add_rows(static_cast<int64_t>(answered.rows.rows()));
  const auto& features = counts.bins().features;
  drift::RowContents contents(answered.rows.rows());
  for (size_t i = 0; i < features.size(); ++i) {
    const std::string& name = features[i].name();
    const dataio::Column* column = answered.rows.find(name);
    if (column == nullptr) {
      slot.add_missing(i, static_cast<int64_t>(answered.rows.rows()));
    } else if (!features[i].categorical()) {
      slot.add_numbers(i, column->numbers);
      contents.add_numbers(name, column->numbers);
    } else {
      drift::RowContents::Texts texts = contents.texts(name);
      for (size_t row = 0; row < column->rows(); ++row) {
        if (column->missing(row)) {
          slot.add_missing(i);
          texts.add_missing(row);
        } else {
          slot.add_text(i, column->text(row));
          texts.add(row, column->text(row));
        }
      }
    }
  }
  slot.add_contents(contents);
  count_predictions(answered, slot);
}

}  // namespace

v1::RequestRecord to_record(const AnsweredRequest& answered) {
  v1::RequestRecord record;
  record.set_request_id(answered.request_id);
  record.set_version(answered.version->number);
  record.set_event_time_us(answered.event_us);
  record.set_rows(static_cast<uint32_t>(answered.rows.rows()));
  for (const dataio::Column& column : answered.rows.columns)
    *record.add_columns() = dataio::to_values(column);
  record.mutable_predictions()->Add(answered.predictions.begin(), answered.predictions.end());
  return record;
}

v1::EventBatch batch_of(const std::string& model, std::span<const AnsweredRequest* const> requests) {
  v1::EventBatch batch;
  batch.set_model(model);
  std::map<uint64_t, drift::CountsBuilder> counts;
  for (const AnsweredRequest* request : requests) {
    *batch.add_requests() = to_record(*request);
    const LoadedVersion& version = *request->version;
    if (!version.bins) continue;
    auto found = counts.find(version.number);
    if (found == counts.end())
      found = counts.try_emplace(version.number, version.bins, version.number, request->snapshot->slot).first;
    count(*request, found->second);
  }
  for (auto& [version, builder] : counts)
    for (v1::SlotCounts& slot : builder.take()) *batch.add_counts() = std::move(slot);
  return batch;
}

}  // namespace rekindle::serving
