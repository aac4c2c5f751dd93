#include "events/store.h"

#include <fmt/format.h>

#include "base/faults/crash_point.h"
#include "base/ids.h"
#include "base/sqlite/online_copy.h"
#include "events/database.h"
#include "events/judge.h"
#include "events/model_log.h"
#include "events/schema.h"
#include "events/settle.h"

namespace rekindle::events {

namespace {

// Numbers of batches that are remembered one by one, per node and boot; older ones count as applied.
// Nodes send in order, so that a few would do.
constexpr uint64_t kBatchesKept = 10'000;

constexpr int kCopyPages = 1'024;

Result<uint64_t> newest_seq(Database& db, std::string_view node, std::string_view boot) {
  Query q = db.query("SELECT max(seq) FROM batches WHERE node = ? AND boot = ?");
  if (!TRY(q.with(node, boot).step()) || q.null(0)) return uint64_t{0};
  return static_cast<uint64_t>(q.integer(0));
}

Result<bool> was_applied(Database& db, const v1::EventBatch& batch, uint64_t newest) {
  if (batch.seq() + kBatchesKept <= newest) return true;
  Query q = db.query("SELECT 1 FROM batches WHERE node = ? AND boot = ? AND seq = ?");
  return q.with(batch.node(), batch.boot(), batch.seq()).step();
}

Status remember_batch(Database& db, const v1::EventBatch& batch) {
  TRY_STATUS(db.query("INSERT INTO batches (node, boot, seq) VALUES (?, ?, ?)")
                 .with(batch.node(), batch.boot(), batch.seq())
                 .run());
  if (batch.seq() <= kBatchesKept) return ok_status();
  return db.query("DELETE FROM batches WHERE node = ? AND boot = ? AND seq <= ?")
      .with(batch.node(), batch.boot(), batch.seq() - kBatchesKept)
      .run();
}

// Nodes report what they dropped since they started; the total grows by what is new.
Status count_dropped(Database& db, const v1::EventBatch& batch, Totals& totals) {
  if (batch.dropped_requests() == 0) return ok_status();
  int64_t before = 0;
  {
    Query q = db.query("SELECT dropped FROM boots WHERE node = ? AND boot = ? AND model = ?");
    if (TRY(q.with(batch.node(), batch.boot(), batch.model()).step())) before = q.integer(0);
  }
  const auto now = static_cast<int64_t>(batch.dropped_requests());
  if (now <= before) return ok_status();
  totals.dropped_requests += static_cast<uint64_t>(now - before);
  return db.query("INSERT OR REPLACE INTO boots (node, boot, model, dropped) VALUES (?, ?, ?, ?)")
      .with(batch.node(), batch.boot(), batch.model(), now)
      .run();
}

}  // namespace

struct EventStore::Impl {
  std::unique_ptr<Database> db;
  artifacts::Store& artifacts;
  std::map<std::string, ModelLog, std::less<>> models;
  std::unique_ptr<OnlineCopy> copy;

  Impl(std::unique_ptr<Database> d, artifacts::Store& a) : db(std::move(d)), artifacts(a) {}

  Result<ModelLog*> model(std::string_view name) {
    const auto it = models.find(name);
    if (it != models.end()) return &it->second;
    ModelLog log = TRY(load_model(*db, name));
    return &models.emplace(std::string(name), std::move(log)).first->second;
  }

  // What a failed call left in memory is not what the file holds: forget it.
  template <typename T>
  Result<T> checked(std::string_view model, Result<T> result) {
    if (!result.ok()) models.erase(models.find(model));
    return result;
  }

  Result<Appended> append(const v1::EventBatch& batch, const v1::Label& label, uint64_t newest,
                          ModelLog& log) {
    Transaction tx = TRY(Transaction::begin(*db));
    TRY_STATUS(remember_batch(*db, batch));
    Intake intake(*db, log, label);
    for (const auto& record : batch.requests()) TRY_STATUS(intake.request(record, batch.node()));
    for (const auto& record : batch.labels()) TRY_STATUS(intake.labels(record, batch.node()));
    for (const auto& counts : batch.counts()) TRY_STATUS(intake.counts(counts, batch.node()));
    TRY_STATUS(count_dropped(*db, batch, log.totals));
    ++log.totals.batches;
    TRY_STATUS(save_model(*db, log));
    crash_point("events-appending");
    TRY_STATUS(tx.commit());
    crash_point("events-appended");
    return Appended{std::max(newest, batch.seq()),
                    false,
                    intake.requests_taken(),
                    intake.labels_taken(),
                    intake.refused(),
                    intake.first_refusal()};
  }

  Result<LabelsTaken> feedback(std::span<const v1::LabelRecord> labels, const v1::Label& label,
                               ModelLog& log) {
    Transaction tx = TRY(Transaction::begin(*db));
    Intake intake(*db, log, label);
    for (const auto& record : labels) TRY_STATUS(intake.labels(record, ""));
    TRY_STATUS(save_model(*db, log));
    TRY_STATUS(tx.commit());
    return LabelsTaken{intake.labels_taken(), intake.refused(), intake.first_refusal()};
  }
};

EventStore::EventStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventStore::~EventStore() = default;

Result<std::unique_ptr<EventStore>> EventStore::open(const fs::path& file, artifacts::Store& artifacts,
                                                     bool scratch) {
  std::unique_ptr<Database> db = TRY(Database::open(file, scratch ? Keep::kWhileItRuns : Keep::kForGood));
  int64_t format = 0;
  {
    Query q = db->query("PRAGMA user_version");
    if (TRY(q.step())) format = q.integer(0);
  }
  if (format > kSchemaFormat)
    return failed_precondition(
        fmt::format("{} was written by a newer rekindle (format {}, this one knows {})", file.string(),
                    format, kSchemaFormat));
  if (format == 1) TRY_STATUS(db->exec(kToFormat2));
  TRY_STATUS(db->exec(kSchema));
  TRY_STATUS(db->exec(fmt::format("PRAGMA user_version={}", kSchemaFormat).c_str()));
  return std::unique_ptr<EventStore>(new EventStore(std::make_unique<Impl>(std::move(db), artifacts)));
}

Result<Appended> EventStore::append(const v1::EventBatch& batch, const v1::Label& label) {
  if (batch.node().empty() || batch.boot().empty() || batch.seq() == 0 || batch.seq() >> 62 != 0)
    return invalid_argument("an event batch needs its node, boot and sequence number (from 1)");
  TRY_STATUS(check_name("model", batch.model()));
  const uint64_t newest = TRY(newest_seq(*impl_->db, batch.node(), batch.boot()));
  ModelLog* log = TRY(impl_->model(batch.model()));
  if (TRY(was_applied(*impl_->db, batch, newest))) {
    // Counted, but not worth a write of its own.
    ++log->totals.duplicate_batches;
    return Appended{.seq = newest, .duplicate = true};
  }
  return impl_->checked(batch.model(), impl_->append(batch, label, newest, *log));
}

Result<LabelsTaken> EventStore::feedback(std::string_view model, std::span<const v1::LabelRecord> labels,
                                         const v1::Label& label) {
  TRY_STATUS(check_name("model", model));
  ModelLog* log = TRY(impl_->model(model));
  return impl_->checked(model, impl_->feedback(labels, label, *log));
}

Result<std::optional<v1::JudgedWindow>> EventStore::judge_next(const JudgeInput& input) {
  CHECK(input.spec != nullptr, "a judgement needs the job's spec");
  ModelLog* log = TRY(impl_->model(input.spec->name()));
  return impl_->checked(input.spec->name(), events::judge_next(*impl_->db, *log, input));
}

Result<int64_t> EventStore::settle_until(const JudgeInput& input) {
  ModelLog* log = TRY(impl_->model(input.spec->name()));
  return impl_->checked(input.spec->name(), events::settle_until(*impl_->db, *log, input));
}

Result<std::vector<v1::DatasetSnapshot>> EventStore::settle(const v1::JobSpec& spec, int64_t watermark_us,
                                                            std::span<const v1::Quarantine> quarantines) {
  ModelLog* log = TRY(impl_->model(spec.name()));
  return impl_->checked(spec.name(),
                        events::settle(*impl_->db, impl_->artifacts, *log, spec, watermark_us, quarantines));
}

Result<std::vector<v1::DatasetSnapshot>> EventStore::settled(std::string_view model) const {
  return settled_snapshots(*impl_->db, model);
}

int64_t EventStore::newest_event_us(std::string_view model) const {
  const Result<ModelLog*> log = impl_->model(model);
  return log.ok() ? (*log)->newest_us : 0;
}

Totals EventStore::totals(std::string_view model) const {
  const Result<ModelLog*> log = impl_->model(model);
  return log.ok() ? (*log)->totals : Totals{};
}

Result<uint64_t> EventStore::applied_seq(std::string_view node, std::string_view boot) const {
  return newest_seq(*impl_->db, node, boot);
}

Status EventStore::begin_copy(const fs::path& to) {
  if (impl_->copy != nullptr) return failed_precondition("the events are being copied already");
  impl_->copy = TRY(impl_->db->begin_copy(to));
  return ok_status();
}

Result<bool> EventStore::copy_piece() {
  CHECK(impl_->copy != nullptr, "a copy is begun first");
  const Result<bool> more = impl_->copy->piece(kCopyPages);
  if (!more.ok() || !*more) impl_->copy.reset();
  return more;
}

void EventStore::drop_copy() {
  impl_->copy.reset();
}

Result<std::vector<v1::SlotCounts>> EventStore::counts(std::string_view model, uint64_t version,
                                                       int64_t from_us, int64_t until_us) const {
  return read_counts(*impl_->db, model, version, from_us, until_us);
}

}  // namespace rekindle::events
