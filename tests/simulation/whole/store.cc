#include "tests/simulation/whole/store.h"

namespace rekindle::whole {

Status ProcessJournal::append(std::span<const v1::Event> events) {
  if (!*alive_) return ok_status();
  if (full()) {
    outside_.count("disk full");
    return resource_exhausted("No space left on device");
  }
  const int64_t number = disk_.appends++;
  const bool dies = disk_.crash_at >= 0 ? number == disk_.crash_at : outside_.fault(disk_.crash_percent);
  const bool before = disk_.crash_at >= 0 ? disk_.crash_before : dies && outside_.dice.chance(50);
  if (dies) outside_.count(before ? "crash before an append" : "crash after an append");
  if (dies && before) throw Crash{"before an append"};
  TRY_STATUS(stored_.append(events));
  for (const v1::Event& event : events) disk_.stored(event);
  if (dies) throw Crash{"after an append"};
  return ok_status();
}

Status ProcessJournal::save_snapshot(const v1::Snapshot& snapshot) {
  if (!*alive_ || full()) return resource_exhausted("No space left on device");
  TRY_STATUS(stored_.save_snapshot(snapshot));
  outside_.maybe_crash(20, "after a snapshot");
  return ok_status();
}

Status FlakyStore::reach() const {
  return outside_.fault(5) ? unavailable("the store is not reached") : ok_status();
}

Result<std::string> FlakyStore::get(std::string_view sha256, uint64_t limit) const {
  TRY_STATUS(reach());
  return blobs_.get(sha256, limit);
}

Result<fs::path> FlakyStore::path(std::string_view sha256, artifacts::Verify verify) const {
  TRY_STATUS(reach());
  // Nobody opens it: a file for each blob would be the slowest part of a life.
  if (verify == artifacts::Verify::kHash) TRY(blobs_.get(sha256));
  TRY(blobs_.size(sha256));
  return fs::path("in memory");
}

Result<uint64_t> FlakyStore::size(std::string_view sha256) const {
  TRY_STATUS(reach());
  return blobs_.size(sha256);
}

}  // namespace rekindle::whole
