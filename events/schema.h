// The tables of events.db, and the format number that says which.
#pragma once

namespace rekindle::events {

// 2: labels say who sent them.
inline constexpr int kSchemaFormat = 2;
inline constexpr const char* kToFormat2 = "ALTER TABLE labels ADD COLUMN source TEXT NOT NULL DEFAULT ''";

inline constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS requests (
  model TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, time_us INTEGER NOT NULL,
  rows INTEGER NOT NULL, node TEXT NOT NULL,
  predictions BLOB NOT NULL,  -- doubles, as many per row as the version has outputs
  record BLOB NOT NULL        -- RequestRecord as it came
);
CREATE UNIQUE INDEX IF NOT EXISTS requests_by_id ON requests (model, id);
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (model, time_us, id);

CREATE TABLE IF NOT EXISTS labels (
  model TEXT NOT NULL, id TEXT NOT NULL, known_us INTEGER NOT NULL,
  vals BLOB NOT NULL,         -- doubles, one per row; NaN: not known
  source TEXT NOT NULL DEFAULT '',  -- who sent them first
  PRIMARY KEY (model, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS counts (
  model TEXT NOT NULL, slot_us INTEGER NOT NULL, version INTEGER NOT NULL, node TEXT NOT NULL,
  counts BLOB NOT NULL,       -- SlotCounts
  PRIMARY KEY (model, slot_us, version, node)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS batches (
  node TEXT NOT NULL, boot TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (node, boot, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS boots (
  node TEXT NOT NULL, boot TEXT NOT NULL, model TEXT NOT NULL, dropped INTEGER NOT NULL,
  PRIMARY KEY (node, boot, model)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS models (
  model TEXT PRIMARY KEY, totals BLOB NOT NULL, newest_us INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS judges (model TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS judgements (
  model TEXT NOT NULL, slot_us INTEGER NOT NULL, judged BLOB NOT NULL,  -- JudgedWindow
  PRIMARY KEY (model, slot_us)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS settled (
  model TEXT NOT NULL, day_us INTEGER NOT NULL,
  part INTEGER NOT NULL,      -- 0: the day; otherwise the quarantine whose release gave rows back
  day BLOB NOT NULL,          -- SettledDay
  PRIMARY KEY (model, day_us, part)
) WITHOUT ROWID;
)sql";

}  // namespace rekindle::events
