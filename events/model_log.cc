#include "events/model_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "drift/profile.h"

namespace rekindle::events {

namespace {

// Totals in the file: their numbers in the order of the struct. New ones are added at the end.
static_assert(std::is_trivially_copyable_v<Totals> && sizeof(Totals) % sizeof(uint64_t) == 0);

std::string_view bytes_of(const Totals& totals) {
  return {reinterpret_cast<const char*>(&totals), sizeof totals};
}

}  // namespace

Result<ModelLog> load_model(Database& db, std::string_view model) {
  ModelLog log;
  log.name = std::string(model);
  {
    Query q = db.query("SELECT totals, newest_us FROM models WHERE model = ?");
    if (TRY(q.with(model).step())) {
      const std::string_view bytes = q.bytes(0);
      std::memcpy(&log.totals, bytes.data(), std::min(bytes.size(), sizeof log.totals));
      log.newest_us = q.integer(1);
    }
  }
  Query q = db.query("SELECT state FROM judges WHERE model = ?");
  if (TRY(q.with(model).step())) {
    const std::string_view bytes = q.bytes(0);
    if (!log.state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return data_loss(fmt::format("the judge's state of model '{}' is damaged", model));
  }
  return log;
}

Status save_model(Database& db, const ModelLog& log) {
  return db.query("INSERT OR REPLACE INTO models (model, totals, newest_us) VALUES (?, ?, ?)")
      .with(log.name, Query::blob(bytes_of(log.totals)), log.newest_us)
      .run();
}

Result<std::vector<v1::SlotCounts>> read_counts(Database& db, std::string_view model, uint64_t version,
                                                int64_t from_us, int64_t until_us) {
  std::vector<v1::SlotCounts> out;
  Query q = db.query(
      "SELECT counts FROM counts WHERE model = ? AND slot_us >= ? AND slot_us < ? AND version = ? ORDER BY "
      "slot_us, node");
  q.with(model, from_us, until_us, version);
  while (TRY(q.step())) {
    v1::SlotCounts counts;
    const std::string_view bytes = q.bytes(0);
    if (!counts.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return data_loss(fmt::format("counts of model '{}' are damaged", model));
    if (!out.empty() && out.back().slot_us() == counts.slot_us())
      TRY_STATUS(drift::add_counts(out.back(), counts));
    else
      out.push_back(std::move(counts));
  }
  return out;
}

Result<std::vector<LabelledRequest>> read_labelled(Database& db, std::string_view model, int64_t from_us,
                                                   int64_t until_us, int64_t known_until_us,
                                                   bool with_record) {
  std::vector<LabelledRequest> out;
  Query q =
      with_record
          ? db.query(
                "SELECT r.id, r.version, r.time_us, r.node, r.predictions, l.vals, l.source, r.record FROM "
                "requests r "
                "JOIN labels l ON l.model = r.model AND l.id = r.id WHERE r.model = ? AND r.time_us >= ? AND "
                "r.time_us < ? AND l.known_us <= ? ORDER BY r.time_us, r.id")
          : db.query(
                "SELECT r.id, r.version, r.time_us, r.node, r.predictions, l.vals, l.source FROM requests r "
                "JOIN labels l ON l.model = r.model AND l.id = r.id WHERE r.model = ? AND r.time_us >= ? AND "
                "r.time_us < ? AND l.known_us <= ? ORDER BY r.time_us, r.id");
  q.with(model, from_us, until_us, known_until_us);
  while (TRY(q.step())) {
    LabelledRequest& row = out.emplace_back();
    row.id = std::string(q.bytes(0));
    row.version = static_cast<uint64_t>(q.integer(1));
    row.time_us = q.integer(2);
    row.node = std::string(q.bytes(3));
    row.predictions = unpack(q.bytes(4));
    row.labels = unpack(q.bytes(5));
    row.labelled_by = std::string(q.bytes(6));
    if (row.labels.empty() || row.predictions.empty() || row.predictions.size() % row.labels.size() != 0)
      return data_loss(fmt::format("request '{}' of model '{}' is damaged", row.id, model));
    if (!with_record) continue;
    const std::string_view bytes = q.bytes(7);
    if (!row.record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
        row.record.rows() != row.labels.size())
      return data_loss(fmt::format("request '{}' of model '{}' is damaged", row.id, model));
  }
  return out;
}

}  // namespace rekindle::events
