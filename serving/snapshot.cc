#include "serving/snapshot.h"

#include <fmt/format.h>

#include <set>

#include "base/hash.h"

namespace rekindle::serving {
namespace {
constexpr uint64_t kParts = 10'000;
constexpr auto kIdleAfter = std::chrono::seconds(60);
}  // namespace

const VersionPtr& Snapshot::choose(std::string_view request_id) const {
  CHECK(ready(), "a snapshot without live versions was asked to answer");
  const uint64_t hash = stable_hash(plan.salt() + std::string(request_id)) % parts;
  for (const Share& share : live)
    if (hash < share.until) return share.version;
  return live.back().version;
}

VersionPtr Snapshot::find(uint64_t version) const {
  const auto found = versions.find(version);
  return found == versions.end() ? nullptr : found->second;
}

Status check_plan(const v1::ServingPlan& plan) {
  uint64_t sum = 0;
  std::set<uint64_t> seen;
  for (const v1::PlannedVersion& version : plan.versions()) {
    if (!seen.insert(version.version()).second)
      return invalid_argument(fmt::format("version {} stands twice in it", version.version()));
    if (!is_sha256_hex(version.manifest()))
      return invalid_argument(fmt::format("version {} has no manifest", version.version()));
    if (version.role() == v1::LIVE) sum += version.share();
  }
  if (plan.versions_size() > 0 && sum != kParts)
    return invalid_argument(fmt::format("its live shares sum to {} instead of {}", sum, kParts));
  return ok_status();
}

Snapshot make_snapshot(const v1::ServingPlan& plan, const std::map<uint64_t, VersionPtr>& loaded) {
  Snapshot snapshot;
  snapshot.plan = plan;
  if (plan.slot_us() > 0) snapshot.slot = Micros(plan.slot_us());
  std::map<uint64_t, uint32_t> shares;  // ascending, as the contract says
  for (const v1::PlannedVersion& planned : plan.versions()) {
    const auto found = loaded.find(planned.version());
    if (found == loaded.end()) continue;
    snapshot.versions.insert(*found);
    snapshot.waits = snapshot.waits || found->second->predictor->process().has_value();
    if (planned.role() == v1::LIVE && planned.share() > 0) shares[planned.version()] = planned.share();
  }
  for (const auto& [version, share] : shares) {
    snapshot.parts += share;
    snapshot.live.push_back({snapshot.parts, loaded.at(version)});
  }
  return snapshot;
}

void ModelSlot::note_request(int64_t event_us) {
  last_request_.store(std::chrono::steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  int64_t newest = newest_event_us_.load(std::memory_order_relaxed);
  while (newest < event_us && !newest_event_us_.compare_exchange_weak(newest, event_us)) {
  }
}

bool ModelSlot::idle() const {
  const auto last = last_request_.load(std::memory_order_relaxed);
  if (last == 0) return true;
  return std::chrono::steady_clock::now().time_since_epoch() - std::chrono::steady_clock::duration(last) >
         kIdleAfter;
}

}  // namespace rekindle::serving
