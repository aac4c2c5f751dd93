#include "events/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "base/clock.h"
#include "dataio/table.h"

namespace rekindle::events {

namespace {

// A time outside these years is a unit mistaken (seconds, nanoseconds) or a default, never an event.
constexpr int64_t kEarliestUs = 31'536'000'000'000;   // 1971-01-01
constexpr int64_t kLatestUs = 7'258'118'400'000'000;  // 2200-01-01
constexpr int64_t kRowsMax = int64_t{1} << 50;        // sums of sums stay far from overflow
constexpr int kBinsMax = 100'000;

Status check_time(std::string_view what, int64_t time_us) {
  if (time_us >= kEarliestUs && time_us < kLatestUs) return ok_status();
  return invalid_argument(
      fmt::format("{} {} is not a time in microseconds between 1971 and 2200", what, time_us));
}

Status check_id(std::string_view id) {
  if (id.empty()) return invalid_argument("a record without a request id");
  if (id.size() > kRequestIdMax)
    return invalid_argument(
        fmt::format("a request id of {} bytes; {} are allowed", id.size(), kRequestIdMax));
  return ok_status();
}

Status check_column(const v1::ColumnValues& column, uint32_t rows) {
  const int sizes[] = {column.numbers_size(), column.texts_size(), column.blobs_size(), column.lists_size()};
  const auto size = static_cast<uint32_t>(*std::max_element(std::begin(sizes), std::end(sizes)));
  if (std::count(std::begin(sizes), std::end(sizes), 0) < 3)
    return invalid_argument(
        fmt::format("column '{}' has values of two kinds: numbers, texts, blobs or lists", column.name()));
  if (size != rows)
    return invalid_argument(fmt::format("column '{}' has {} values for {} rows", column.name(), size, rows));
  for (uint32_t row : column.missing())
    if (row >= rows)
      return invalid_argument(fmt::format("column '{}': row {} of {} is missing", column.name(), row, rows));
  for (const auto& blob : column.blobs())
    if (blob.size() > dataio::kBlobBytesMax)
      return invalid_argument(fmt::format("column '{}' has a value of {} bytes; {} are allowed",
                                          column.name(), blob.size(), dataio::kBlobBytesMax));
  for (const auto& list : column.lists())
    if (static_cast<size_t>(list.tokens_size()) > dataio::kTokensMax)
      return invalid_argument(fmt::format("column '{}' has a row of {} tokens; {} are allowed", column.name(),
                                          list.tokens_size(), dataio::kTokensMax));
  return ok_status();
}

// Versions that were made before the job's last classes were added give fewer numbers a row.
Status check_predictions(const v1::RequestRecord& record, const dataio::LabelRule& rule) {
  const auto given = static_cast<size_t>(record.predictions_size());
  const size_t width = given / record.rows();
  if (given == 0 || given % record.rows() != 0 || width > rule.outputs())
    return invalid_argument(fmt::format("{} predictions for {} rows", given, record.rows()));
  for (const double p : record.predictions()) {
    if (rule.regression() ? !std::isfinite(p) : !(p >= 0 && p <= 1))
      return invalid_argument(
          fmt::format("{} is no {}", p, rule.regression() ? "finite value" : "probability"));
  }
  return ok_status();
}

Status check_feature(const v1::FeatureCounts& feature) {
  if (feature.counts_size() > kBinsMax)
    return invalid_argument(
        fmt::format("counts of '{}' over {} bins", feature.name(), feature.counts_size()));
  for (int64_t count : feature.counts())
    if (count < 0 || count > kRowsMax)
      return invalid_argument(
          fmt::format("counts of '{}': {} is not a number of rows", feature.name(), count));
  if (feature.far() < 0 || feature.far() > kRowsMax)
    return invalid_argument(fmt::format("counts of '{}': {} far rows", feature.name(), feature.far()));
  if (std::isnan(feature.least()) || std::isnan(feature.greatest()))
    return invalid_argument(fmt::format("counts of '{}': a range that is not a number", feature.name()));
  return ok_status();
}

}  // namespace

Status check_request(const v1::RequestRecord& record, const dataio::LabelRule& rule) {
  TRY_STATUS(check_id(record.request_id()));
  const std::string context = fmt::format("request '{}'", record.request_id());
  if (record.rows() == 0 || record.rows() > kRequestRowsMax)
    return invalid_argument(
        fmt::format("{}: {} rows; 1 to {} are allowed", context, record.rows(), kRequestRowsMax));
  if (record.version() == 0) return invalid_argument(context + ": no version");
  TRY_STATUS(check_time("event time", record.event_time_us()).within(context));
  TRY_STATUS(check_predictions(record, rule).within(context));
  std::set<std::string_view> names;
  for (const auto& column : record.columns()) {
    TRY_STATUS(check_column(column, record.rows()).within(context));
    if (!names.insert(column.name()).second)
      return invalid_argument(fmt::format("{}: column '{}' twice", context, column.name()));
  }
  return ok_status();
}

Status check_labels(const v1::LabelRecord& record, const dataio::LabelRule& rule) {
  TRY_STATUS(check_id(record.request_id()));
  const std::string context = fmt::format("labels of request '{}'", record.request_id());
  if (record.labels_size() == 0 || record.labels_size() > static_cast<int>(kRequestRowsMax))
    return invalid_argument(fmt::format("{}: {} labels", context, record.labels_size()));
  for (double label : record.labels())
    if (!rule.sound(label))
      return invalid_argument(fmt::format("{}: {} is not {}", context, label, rule.words()));
  // The request's own time counts where it is known; both may be left out.
  if (record.event_time_us() != 0)
    TRY_STATUS(check_time("event time", record.event_time_us()).within(context));
  if (record.known_at_us() != 0) TRY_STATUS(check_time("known at", record.known_at_us()).within(context));
  return ok_status();
}

Status check_counts(const v1::SlotCounts& counts) {
  TRY_STATUS(check_time("slot", counts.slot_us()).within("counts"));
  if (counts.version() == 0) return invalid_argument("counts: no version");
  if (counts.rows() < 0 || counts.rows() > kRowsMax)
    return invalid_argument(fmt::format("counts: {} is not a number of rows", counts.rows()));
  for (const auto& feature : counts.features()) TRY_STATUS(check_feature(feature).within("counts"));
  return check_feature(counts.prediction()).within("counts");
}

}  // namespace rekindle::events
