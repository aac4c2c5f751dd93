#include "coordinator/journal/fake_journal.h"

#include <fmt/format.h>

#include <algorithm>

namespace rekindle::coordinator {

Result<Loaded> FakeJournal::load() {
  Loaded out;
  out.snapshot = storage_->snapshot;
  uint64_t after = out.snapshot ? out.snapshot->seq() : 0;
  for (const v1::Event& event : storage_->events)
    if (event.seq() > after) out.events.push_back(event);
  out.seq = storage_->events.empty() ? 0 : storage_->events.back().seq();
  return out;
}

Status FakeJournal::append(std::span<const v1::Event> events) {
  if (!storage_->fail_next.ok()) return std::exchange(storage_->fail_next, ok_status());
  uint64_t next = storage_->events.empty() ? 1 : storage_->events.back().seq() + 1;
  for (const v1::Event& event : events)
    if (event.seq() != next++)
      return invalid_argument(fmt::format("event {} does not follow the journal's last", event.seq()));
  storage_->events.insert(storage_->events.end(), events.begin(), events.end());
  return ok_status();
}

Status FakeJournal::save_snapshot(const v1::Snapshot& snapshot) {
  uint64_t last = storage_->events.empty() ? 0 : storage_->events.back().seq();
  if (snapshot.seq() > last) return invalid_argument("a snapshot of events that are not stored");
  storage_->snapshot = snapshot;
  return ok_status();
}

Result<std::vector<v1::Event>> FakeJournal::about(const std::string& subject, uint64_t from_seq,
                                                  uint32_t limit) {
  std::vector<v1::Event> out;
  for (const v1::Event& event : storage_->events)
    if (event.seq() >= from_seq && out.size() < limit && subject_of(event) == subject) out.push_back(event);
  return out;
}

Result<uint64_t> FakeJournal::queued_at(const std::string& run) {
  for (const v1::Event& event : storage_->events)
    if (event.has_run_queued() && event.run_queued().id() == run) return event.seq();
  return 0;
}

Result<std::vector<RunRow>> FakeJournal::runs(uint32_t limit) {
  std::vector<RunRow> out;
  for (const v1::Event& event : storage_->events) {
    if (event.has_run_queued()) {
      const v1::Run& run = event.run_queued();
      out.push_back({run.id(), run.job(), run.state(), run.cause(), run.queued_us(), 0, 0});
    } else if (event.has_run_ended()) {
      for (RunRow& row : out)
        if (row.id == event.run_ended().run()) {
          row.state = event.run_ended().state();
          row.ended_us = event.time_us();
          row.version = event.run_ended().version();
        }
    }
  }
  std::reverse(out.begin(), out.end());
  if (out.size() > limit) out.resize(limit);
  return out;
}

Result<std::vector<v1::AliasMove>> FakeJournal::alias_history(const std::string& model) {
  std::vector<v1::AliasMove> out;
  for (const v1::Event& event : storage_->events)
    if (event.has_alias_moved() && event.alias_moved().model() == model) out.push_back(event.alias_moved());
  return out;
}

Result<std::vector<v1::Version>> FakeJournal::versions(const std::string& model) {
  std::vector<v1::Version> out;
  for (const v1::Event& event : storage_->events) {
    if (event.has_version_published() && event.version_published().model() == model) {
      out.push_back(event.version_published());
    } else if (event.has_version_barred() && event.version_barred().model() == model) {
      for (v1::Version& version : out)
        if (version.number() == event.version_barred().number()) {
          version.set_barred(true);
          version.set_barred_reason(event.version_barred().barred_reason());
        }
    }
  }
  return out;
}

}  // namespace rekindle::coordinator
