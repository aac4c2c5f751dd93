#include "events/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "dataio/table.h"
#include "drift/feed/least_hashes.h"

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

// A sample as drift::LeastHashes keeps it: what is none could not be added to others.
Status check_kept(std::string_view what, const google::protobuf::RepeatedField<uint64_t>& hashes,
                  const google::protobuf::RepeatedField<int64_t>& rows, size_t most) {
  const bool sorted =
      std::adjacent_find(hashes.begin(), hashes.end(), std::greater_equal<>()) == hashes.end();
  const bool counted =
      std::all_of(rows.begin(), rows.end(), [](int64_t n) { return n > 0 && n <= kRowsMax; });
  if (sorted && counted && hashes.size() == rows.size() && static_cast<size_t>(hashes.size()) <= most)
    return ok_status();
  return invalid_argument(fmt::format("{}: not at most {} hashes that rise, each with its rows", what, most));
}

Status check_sample(const v1::FeatureCounts& feature) {
  std::vector<uint64_t> hashes;
  for (const double value : feature.sample()) {
    if (!std::isfinite(value))
      return invalid_argument(fmt::format("counts of '{}': a sample with {}", feature.name(), value));
    hashes.push_back(drift::hash_of(value));
  }
  if (hashes.size() > drift::kSampleMax ||
      std::adjacent_find(hashes.begin(), hashes.end(), std::greater_equal<>()) != hashes.end())
    return invalid_argument(
        fmt::format("counts of '{}': a sample that is not at most {} values by their hash", feature.name(),
                    drift::kSampleMax));
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
  if (!std::isfinite(feature.least()) || !std::isfinite(feature.greatest()))
    return invalid_argument(fmt::format("counts of '{}': a range that is not a number", feature.name()));
  TRY_STATUS(check_sample(feature));
  return check_kept(fmt::format("counts of '{}'", feature.name()), feature.strangers(),
                    feature.stranger_rows(), drift::kStrangersMax);
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
  if (record.source().size() > kRequestIdMax)
    return invalid_argument(fmt::format("{}: a source of {} bytes; {} are allowed", context,
                                        record.source().size(), kRequestIdMax));
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
  TRY_STATUS(
      check_kept("counts: contents of rows", counts.contents(), counts.content_rows(), drift::kContentsMax));
  for (const auto& feature : counts.features()) TRY_STATUS(check_feature(feature).within("counts"));
  return check_feature(counts.prediction()).within("counts");
}

}  // namespace rekindle::events
