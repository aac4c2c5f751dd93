#include "coordinator/journal/projections.h"

namespace rekindle::coordinator {

Status Projections::prepare(Sqlite& db) {
  run_queued_ = TRY(db.prepare("INSERT OR REPLACE INTO runs VALUES(?,?,?,?,?,0,0,?)"));
  run_ended_ = TRY(db.prepare("UPDATE runs SET state = ?2, ended_us = ?3, version = ?4 WHERE id = ?1"));
  version_published_ = TRY(db.prepare("INSERT OR REPLACE INTO versions VALUES(?,?,?,0,'')"));
  version_barred_ =
      TRY(db.prepare("UPDATE versions SET barred = 1, barred_reason = ?3 WHERE model = ?1 AND number = ?2"));
  alias_moved_ = TRY(db.prepare("INSERT OR REPLACE INTO alias_history VALUES(?,?,?,?)"));
  return ok_status();
}

Status Projections::apply(const v1::Event& event) {
  switch (event.what_case()) {
    case v1::Event::kRunQueued: {
      const v1::Run& run = event.run_queued();
      run_queued_.bind(1, run.id())
          .bind(2, run.job())
          .bind(3, int64_t{run.state()})
          .bind(4, int64_t{run.cause()});
      run_queued_.bind(5, run.queued_us()).bind(6, static_cast<int64_t>(event.seq()));
      return run_queued_.run();
    }
    case v1::Event::kRunEnded: {
      const v1::RunEnded& ended = event.run_ended();
      run_ended_.bind(1, ended.run()).bind(2, int64_t{ended.state()}).bind(3, event.time_us());
      run_ended_.bind(4, static_cast<int64_t>(ended.version()));
      return run_ended_.run();
    }
    case v1::Event::kVersionPublished: {
      const v1::Version& version = event.version_published();
      version_published_.bind(1, version.model()).bind(2, static_cast<int64_t>(version.number()));
      version_published_.bind_blob(3, version.SerializeAsString());
      return version_published_.run();
    }
    case v1::Event::kVersionBarred: {
      const v1::Version& version = event.version_barred();
      version_barred_.bind(1, version.model()).bind(2, static_cast<int64_t>(version.number()));
      version_barred_.bind(3, version.barred_reason());
      return version_barred_.run();
    }
    case v1::Event::kAliasMoved: {
      const v1::AliasMove& move = event.alias_moved();
      alias_moved_.bind(1, static_cast<int64_t>(event.seq())).bind(2, move.model()).bind(3, move.alias());
      alias_moved_.bind_blob(4, move.SerializeAsString());
      return alias_moved_.run();
    }
    default:
      return ok_status();
  }
}

Result<uint64_t> Projections::queued_at(Sqlite& db, const std::string& run) {
  Statement row = TRY(db.prepare("SELECT queued_seq FROM runs WHERE id = ?"));
  row.bind(1, run);
  return TRY(row.step()) ? static_cast<uint64_t>(row.integer(0)) : 0;
}

Result<std::vector<RunRow>> Projections::runs(Sqlite& db, uint32_t limit) {
  Statement rows =
      TRY(db.prepare("SELECT id, job, state, cause, queued_us, ended_us, version FROM runs ORDER BY "
                     "queued_seq DESC LIMIT ?"));
  rows.bind(1, static_cast<int64_t>(limit));
  std::vector<RunRow> out;
  while (TRY(rows.step())) {
    RunRow row;
    row.id = rows.text(0);
    row.job = rows.text(1);
    row.state = static_cast<v1::RunState>(rows.integer(2));
    row.cause = static_cast<v1::Cause>(rows.integer(3));
    row.queued_us = rows.integer(4);
    row.ended_us = rows.integer(5);
    row.version = static_cast<uint64_t>(rows.integer(6));
    out.push_back(std::move(row));
  }
  return out;
}

Result<std::vector<v1::AliasMove>> Projections::alias_history(Sqlite& db, const std::string& model) {
  Statement rows = TRY(db.prepare("SELECT body FROM alias_history WHERE model = ? ORDER BY seq"));
  rows.bind(1, model);
  std::vector<v1::AliasMove> out;
  while (TRY(rows.step()))
    if (!out.emplace_back().ParseFromString(rows.text(0)))
      return data_loss(db.file() + ": alias history of " + model + " is damaged");
  return out;
}

Result<std::vector<v1::Version>> Projections::versions(Sqlite& db, const std::string& model) {
  Statement rows =
      TRY(db.prepare("SELECT body, barred, barred_reason FROM versions WHERE model = ? ORDER BY number"));
  rows.bind(1, model);
  std::vector<v1::Version> out;
  while (TRY(rows.step())) {
    v1::Version& version = out.emplace_back();
    if (!version.ParseFromString(rows.text(0)))
      return data_loss(db.file() + ": versions of " + model + " are damaged");
    version.set_barred(rows.integer(1) != 0);
    version.set_barred_reason(rows.text(2));
  }
  return out;
}

}  // namespace rekindle::coordinator
