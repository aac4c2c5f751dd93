#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "drift/profile.h"
#include "events/checks.h"
#include "events/model_log.h"

namespace rekindle::events {

namespace {

int64_t known(std::span<const double> labels) {
  return std::count_if(labels.begin(), labels.end(), [](double v) { return !std::isnan(v); });
}

// Rows of the request, when it is here.
Result<std::optional<std::pair<int64_t, int64_t>>> find_request(Database& db, const std::string& model,
                                                                const std::string& id) {
  Query q = db.query("SELECT rows, time_us FROM requests WHERE model = ? AND id = ?");
  if (!TRY(q.with(model, id).step())) return std::optional<std::pair<int64_t, int64_t>>();
  return std::optional(std::make_pair(q.integer(0), q.integer(1)));
}

struct StoredLabels {
  std::vector<double> values;
  int64_t known_us = 0;
};
Result<std::optional<StoredLabels>> find_labels(Database& db, const std::string& model,
                                                const std::string& id) {
  Query q = db.query("SELECT vals, known_us FROM labels WHERE model = ? AND id = ?");
  if (!TRY(q.with(model, id).step())) return std::optional<StoredLabels>();
  return std::optional(StoredLabels{unpack(q.bytes(0)), q.integer(1)});
}

}  // namespace

std::string pack(std::span<const double> values) {
  std::string out(values.size() * sizeof(double), '\0');
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

std::vector<double> unpack(std::string_view bytes) {
  std::vector<double> out(bytes.size() / sizeof(double));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(double));
  return out;
}

void Intake::refuse(const std::string& why) {
  ++refused_;
  ++log_.totals.refused_records;
  if (first_refusal_.empty()) first_refusal_ = why;
}

Status Intake::request(const v1::RequestRecord& record, std::string_view node) {
  if (const Status s = check_request(record, rule_); !s.ok()) {
    refuse(s.message());
    return ok_status();
  }
  if (TRY(find_request(db_, log_.name, record.request_id()))) {
    ++log_.totals.duplicate_requests;
    return ok_status();
  }
  const std::optional<StoredLabels> waiting = TRY(find_labels(db_, log_.name, record.request_id()));
  if (waiting) {
    --log_.totals.waiting_labels;
    if (waiting->values.size() == record.rows()) {
      log_.totals.labelled_rows += static_cast<uint64_t>(known(waiting->values));
    } else {
      refuse(fmt::format("labels of request '{}': {} for {} rows", record.request_id(),
                         waiting->values.size(), record.rows()));
      --log_.totals.labels;
      TRY_STATUS(db_.query("DELETE FROM labels WHERE model = ? AND id = ?")
                     .with(log_.name, record.request_id())
                     .run());
    }
  }
  const std::string predictions =
      pack({record.predictions().data(), static_cast<size_t>(record.predictions_size())});
  const std::string bytes = record.SerializeAsString();
  TRY_STATUS(db_.query("INSERT INTO requests (model, id, version, time_us, rows, node, predictions, record) "
                       "VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                 .with(log_.name, record.request_id(), record.version(), record.event_time_us(),
                       static_cast<int64_t>(record.rows()), node, Query::blob(predictions),
                       Query::blob(bytes))
                 .run());
  ++requests_;
  ++log_.totals.requests;
  log_.totals.rows += record.rows();
  log_.newest_us = std::max(log_.newest_us, record.event_time_us());
  return ok_status();
}

Status Intake::labels(const v1::LabelRecord& record, std::string_view node) {
  if (const Status s = check_labels(record, rule_); !s.ok()) {
    refuse(s.message());
    return ok_status();
  }
  const auto request = TRY(find_request(db_, log_.name, record.request_id()));
  std::vector<double> values(record.labels().begin(), record.labels().end());
  if (request && request->first != record.labels_size()) {
    refuse(fmt::format("labels of request '{}': {} for {} rows", record.request_id(), values.size(),
                       request->first));
    return ok_status();
  }
  const std::optional<StoredLabels> stored = TRY(find_labels(db_, log_.name, record.request_id()));
  int64_t known_us = record.known_at_us();
  int64_t before = 0;
  if (stored) {
    // What is known stands; what was not known may follow.
    bool conflict = stored->values.size() != values.size();
    for (size_t i = 0; !conflict && i < values.size(); ++i) {
      if (std::isnan(values[i])) values[i] = stored->values[i];
      conflict = !std::isnan(stored->values[i]) && stored->values[i] != values[i];
    }
    if (conflict) {
      ++log_.totals.conflicting_labels;
      refuse(fmt::format("labels of request '{}' differ from those stored; the first ones stand",
                         record.request_id()));
      return ok_status();
    }
    before = known(stored->values);
    if (known(values) == before) {
      ++labels_;
      return ok_status();
    }
    known_us = std::max(known_us, stored->known_us);
  } else {
    ++log_.totals.labels;
    if (!request) ++log_.totals.waiting_labels;
  }
  if (request) log_.totals.labelled_rows += static_cast<uint64_t>(known(values) - before);
  const int64_t time_us = request ? request->second : record.event_time_us();
  if (log_.state.scored_until_us() != 0 && time_us != 0 && time_us < log_.state.scored_until_us())
    ++log_.totals.late_labels;
  const std::string bytes = pack(values);
  const std::string_view source = record.source().empty() ? node : std::string_view(record.source());
  TRY_STATUS(
      db_.query("INSERT INTO labels (model, id, known_us, vals, source) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (model, id) DO UPDATE SET known_us = excluded.known_us, vals = excluded.vals")
          .with(log_.name, record.request_id(), known_us, Query::blob(bytes), source)
          .run());
  ++labels_;
  return ok_status();
}

Status Intake::counts(const v1::SlotCounts& counts, std::string_view node) {
  if (const Status s = check_counts(counts); !s.ok()) {
    refuse(s.message());
    return ok_status();
  }
  v1::SlotCounts sum = counts;
  {
    Query q =
        db_.query("SELECT counts FROM counts WHERE model = ? AND slot_us = ? AND version = ? AND node = ?");
    if (TRY(q.with(log_.name, counts.slot_us(), counts.version(), node).step())) {
      const std::string_view bytes = q.bytes(0);
      if (!sum.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return data_loss(fmt::format("the counts of slot {} are damaged", counts.slot_us()));
      if (const Status s = drift::add_counts(sum, counts); !s.ok()) {
        refuse(s.message());
        return ok_status();
      }
    }
  }
  const std::string bytes = sum.SerializeAsString();
  TRY_STATUS(
      db_.query(
             "INSERT OR REPLACE INTO counts (model, slot_us, version, node, counts) VALUES (?, ?, ?, ?, ?)")
          .with(log_.name, counts.slot_us(), counts.version(), node, Query::blob(bytes))
          .run());
  const auto rows = static_cast<uint64_t>(counts.rows());
  log_.totals.counted_rows += rows;
  if (log_.state.slot_us() != 0 && counts.slot_us() <= log_.state.slot_us())
    log_.totals.late_counted_rows += rows;
  if (log_.judging) {
    log_.slots[counts.slot_us()].insert_or_assign({counts.version(), std::string(node)}, std::move(sum));
    log_.health.erase(counts.slot_us());
  }
  return ok_status();
}

}  // namespace rekindle::events
