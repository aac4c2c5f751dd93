#include "events/settle.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "base/clock.h"
#include "base/faults/crash_point.h"
#include "dataio/parquet_events.h"
#include "dataio/snapshot.h"
#include "drift/profile.h"
#include "events/judge.h"
#include "proto/time.h"

namespace rekindle::events {

namespace {

constexpr int64_t kDayUs = int64_t{24} * 3'600'000'000;
// A watermark this far behind what was settled belongs to a replay of the past.
constexpr int64_t kOtherClockUs = 14 * kDayUs;

int64_t day_of(int64_t time_us) {
  return to_micros(drift::slot_start(time_from_micros(time_us), Micros(kDayUs)));
}

std::string day_name(int64_t day_us) {
  return format_time(time_from_micros(day_us)).substr(0, 10);
}

bool blocks(const v1::Quarantine& q) {
  return q.state() != v1::Quarantine::RELEASED;
}

using Covered = std::function<bool(int64_t time_us, const LabelledRequest& request)>;

Covered covered_by(std::vector<v1::Quarantine> quarantines) {
  return [quarantines = std::move(quarantines)](int64_t time_us, const LabelledRequest& request) {
    return std::any_of(quarantines.begin(), quarantines.end(), [&](const auto& q) {
      return covers(q.breach(), time_us, request.node, request.labelled_by);
    });
  };
}

bool named(const google::protobuf::RepeatedPtrField<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Whether the request's values are what the spec says that they are. The node's schema check lets no
// other through; one that came all the same must not hold up the day.
bool fits(const v1::Data& data, const LabelledRequest& request) {
  constexpr double kRowsApartUs = 31.0 * kDayUs;  // rows of one request lie closer than a month
  for (const auto& values : request.record.columns()) {
    const bool text = named(data.categorical(), values.name());
    const bool blob = values.name() == data.image();
    const bool list = values.name() == data.tokens();
    const bool number = values.name() == data.time() || named(data.numeric(), values.name());
    if (!text && !blob && !list && !number) continue;
    if ((!number && values.numbers_size() > 0) || (!text && values.texts_size() > 0) ||
        (!blob && values.blobs_size() > 0) || (!list && values.lists_size() > 0))
      return false;
    if (values.name() != data.time()) continue;
    for (double t : values.numbers())
      if (std::abs(t - static_cast<double>(request.time_us)) > kRowsApartUs) return false;
  }
  return true;
}

// Values of one column of one request, or missing ones when the request lacks it.
Status append_column(dataio::Column& column, const v1::RequestRecord& record) {
  for (const auto& values : record.columns())
    if (values.name() == column.name) return dataio::append_values(column, values, record.rows());
  for (uint32_t i = 0; i < record.rows(); ++i) column.add_missing();
  return ok_status();
}

// All labelled rows of the requests for which `wanted` holds, by (event time, id, row).
Result<dataio::Table> table_of(const v1::Data& data, const std::vector<LabelledRequest>& requests,
                               const Covered& wanted) {
  const dataio::LabelRule rule(data.label());
  dataio::Table table = dataio::empty_table(dataio::settled_columns(data));
  std::vector<std::string> ids;
  std::vector<uint32_t> kept;
  std::vector<int64_t> times;
  std::vector<double> labels;
  for (const auto& request : requests) {
    if (!fits(data, request)) continue;
    const size_t first = times.size();
    dataio::Column time = dataio::time_column(data.time(), {});
    TRY_STATUS(append_column(time, request.record).within(fmt::format("request '{}'", request.id)));
    for (size_t i = 0; i < request.labels.size(); ++i) {
      // A row without a time of its own has the request's.
      if (time.times[i] == dataio::kMissingTime) time.times[i] = request.time_us;
      times.push_back(time.times[i]);
      const bool known = !std::isnan(request.labels[i]) && rule.sound(request.labels[i]);
      if (known && wanted(time.times[i], request)) kept.push_back(static_cast<uint32_t>(first + i));
    }
    for (auto& column : table.columns) {
      if (column.name == data.time())
        column.times.insert(column.times.end(), time.times.begin(), time.times.end());
      else if (column.name == data.label().column())
        continue;  // made of all labels below
      else if (column.name == dataio::kRequestIdColumn)
        for (size_t i = 0; i < request.labels.size(); ++i) column.add_text(request.id);
      else if (column.name == dataio::kRowColumn)
        for (size_t i = 0; i < request.labels.size(); ++i) column.add_number(static_cast<double>(i));
      else
        TRY_STATUS(append_column(column, request.record).within(fmt::format("request '{}'", request.id)));
    }
    ids.insert(ids.end(), request.labels.size(), request.id);
    labels.insert(labels.end(), request.labels.begin(), request.labels.end());
  }
  *table.find(data.label().column()) = rule.column(data.label().column(), labels);
  // Requests come by (time, id), their rows in order: a stable sort by time and id keeps the rows' order.
  std::stable_sort(kept.begin(), kept.end(), [&](uint32_t a, uint32_t b) {
    return times[a] != times[b] ? times[a] < times[b] : ids[a] < ids[b];
  });
  return dataio::take(table, kept);
}

class Settling {
 public:
  Settling(Database& db, artifacts::Store& artifacts, ModelLog& log, const v1::JobSpec& spec,
           std::span<const v1::Quarantine> quarantines)
      : db_(db), artifacts_(artifacts), log_(log), spec_(spec), quarantines_(quarantines) {}

  Status day(int64_t day_us) {
    v1::SettledDay settled;
    for (const auto& q : quarantines_)
      if (blocks(q) && q.breach().from_us() < day_us + 2 * kDayUs && q.breach().until_us() > day_us)
        *settled.add_excluded() = q;
    const Covered out = covered_by({settled.excluded().begin(), settled.excluded().end()});
    return part(
        day_us, 0, day_name(day_us), "settled from events",
        [&](int64_t t, const LabelledRequest& request) { return !out(t, request); }, settled);
  }

  // Rows that quarantine `q` alone kept out of days that were settled before its release.
  Status give_back(const v1::Quarantine& q) {
    std::vector<std::pair<int64_t, v1::Quarantine>> days;
    {
      Query rows = db_.query(
          "SELECT day_us, day FROM settled WHERE model = ? AND part = 0 AND day_us > ? AND day_us < ?");
      rows.with(log_.name, q.breach().from_us() - 2 * kDayUs, q.breach().until_us());
      while (TRY(rows.step())) {
        v1::SettledDay day;
        const std::string_view bytes = rows.bytes(1);
        if (!day.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
          return data_loss(
              fmt::format("the settled day {} of '{}' is damaged", day_name(rows.integer(0)), log_.name));
        for (const auto& excluded : day.excluded())
          if (excluded.id() == q.id()) days.emplace_back(rows.integer(0), excluded);
      }
    }
    for (const auto& [day_us, excluded] : days) {
      if (TRY(is_settled(day_us, q.id()))) continue;
      const Covered back = covered_by({excluded});
      const Covered still_out = covered_by(TRY(others(day_us, q.id())));
      v1::SettledDay settled;
      TRY_STATUS(part(
          day_us, q.id(), fmt::format("{}-q{}", day_name(day_us), q.id()),
          fmt::format("released from quarantine {}", q.id()),
          [&](int64_t t, const LabelledRequest& request) {
            return back(t, request) && !still_out(t, request);
          },
          settled));
    }
    return ok_status();
  }

  Result<bool> is_settled(int64_t day_us, uint64_t which) {
    Query q = db_.query("SELECT 1 FROM settled WHERE model = ? AND day_us = ? AND part = ?");
    return q.with(log_.name, day_us, which).step();
  }

  std::vector<v1::DatasetSnapshot> take() { return std::move(made_); }

 private:
  // What else kept rows of that day out and has not given them back yet. Released ones are applied by
  // rising id, so a row under two of them follows with the last.
  Result<std::vector<v1::Quarantine>> others(int64_t day_us, uint64_t id) {
    std::vector<v1::Quarantine> out;
    Query rows = db_.query("SELECT day FROM settled WHERE model = ? AND day_us = ? AND part = 0");
    if (!TRY(rows.with(log_.name, day_us).step())) return out;
    v1::SettledDay day;
    const std::string_view bytes = rows.bytes(0);
    if (!day.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return data_loss(fmt::format("the settled day {} of '{}' is damaged", day_name(day_us), log_.name));
    for (const auto& excluded : day.excluded())
      if (excluded.id() != id && !TRY(is_settled(day_us, excluded.id()))) out.push_back(excluded);
    return out;
  }

  Status part(int64_t day_us, uint64_t which, const std::string& name, const std::string& source,
              const Covered& wanted, v1::SettledDay& settled) {
    const int64_t matured = day_us + kDayUs + from_proto(spec_.data().label().matures()).count();
    const auto requests = TRY(read_labelled(db_, log_.name, day_us, day_us + kDayUs, matured, true));
    const dataio::Table table = TRY(table_of(spec_.data(), requests, wanted));
    if (table.rows() > 0)
      *settled.mutable_snapshot() =
          TRY(dataio::make_snapshot(artifacts_, log_.name, name, table, spec_.data().time(), source));
    crash_point("day-stored");
    const std::string bytes = settled.SerializeAsString();
    Totals totals = log_.totals;
    totals.settled_rows += table.rows();
    Transaction tx = TRY(Transaction::begin(db_));
    TRY_STATUS(db_.query("INSERT INTO settled (model, day_us, part, day) VALUES (?, ?, ?, ?)")
                   .with(log_.name, day_us, which, Query::blob(bytes))
                   .run());
    std::swap(totals, log_.totals);
    Status saved = save_model(db_, log_);
    if (saved.ok()) saved = tx.commit();
    if (!saved.ok()) {
      std::swap(totals, log_.totals);
      return saved;
    }
    if (settled.has_snapshot()) made_.push_back(settled.snapshot());
    return ok_status();
  }

  Database& db_;
  artifacts::Store& artifacts_;
  ModelLog& log_;
  const v1::JobSpec& spec_;
  std::span<const v1::Quarantine> quarantines_;
  std::vector<v1::DatasetSnapshot> made_;
};

// Day to go on with: after the newest settled one, unless the watermark shows another history.
Result<int64_t> first_open_day(Database& db, const std::string& model, int64_t watermark_us) {
  Query q = db.query("SELECT max(day_us) FROM settled WHERE model = ? AND part = 0 AND day_us <= ?");
  if (!TRY(q.with(model, watermark_us + kOtherClockUs).step()) || q.null(0)) return int64_t{0};
  return q.integer(0) + kDayUs;
}

Result<std::optional<int64_t>> next_day_with_requests(Database& db, const std::string& model,
                                                      int64_t from_us) {
  Query q = db.query("SELECT min(time_us) FROM requests WHERE model = ? AND time_us >= ?");
  if (!TRY(q.with(model, from_us).step()) || q.null(0)) return std::optional<int64_t>();
  return std::optional(day_of(q.integer(0)));
}

}  // namespace

Result<std::vector<v1::DatasetSnapshot>> settle(Database& db, artifacts::Store& artifacts, ModelLog& log,
                                                const v1::JobSpec& spec, int64_t watermark_us,
                                                std::span<const v1::Quarantine> quarantines) {
  Settling settling(db, artifacts, log, spec, quarantines);
  const int64_t matures = from_proto(spec.data().label().matures()).count();
  int64_t from = TRY(first_open_day(db, log.name, watermark_us));
  while (true) {
    const std::optional<int64_t> day = TRY(next_day_with_requests(db, log.name, from));
    if (!day || *day + kDayUs + matures > watermark_us) break;
    if (undecided(log.state, *day + kDayUs, watermark_us)) break;
    if (!TRY(settling.is_settled(*day, 0))) TRY_STATUS(settling.day(*day));
    from = *day + kDayUs;
  }
  std::vector<const v1::Quarantine*> released;
  for (const auto& q : quarantines)
    if (!blocks(q)) released.push_back(&q);
  std::sort(released.begin(), released.end(), [](auto* a, auto* b) { return a->id() < b->id(); });
  for (const auto* q : released) TRY_STATUS(settling.give_back(*q));
  return settling.take();
}

Result<std::vector<v1::DatasetSnapshot>> settled_snapshots(Database& db, std::string_view model) {
  std::vector<v1::DatasetSnapshot> out;
  Query q = db.query("SELECT day FROM settled WHERE model = ? ORDER BY day_us, part");
  q.with(model);
  while (TRY(q.step())) {
    v1::SettledDay day;
    const std::string_view bytes = q.bytes(0);
    if (!day.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return data_loss(fmt::format("a settled day of '{}' is damaged", model));
    if (day.has_snapshot()) out.push_back(day.snapshot());
  }
  return out;
}

}  // namespace rekindle::events
