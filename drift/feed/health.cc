#include "drift/feed/health.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/hash.h"

namespace rekindle::drift {

namespace {

using KeptList = std::vector<LeastHashes::Kept>;

uint64_t only_text_of(const v1::FeatureCounts& counts, const v1::FeatureProfile* profile) {
  int found = -1;
  for (int i = 1; i < counts.counts_size(); ++i) {
    if (counts.counts(i) == 0) continue;
    if (found >= 0 || i == 1) return FeatureHealth::kMany;
    found = i;
  }
  if (found < 0) return FeatureHealth::kNone;
  if (profile == nullptr || found - 2 >= profile->values_size()) return FeatureHealth::kMany;
  return std::max(stable_hash(profile->values(found - 2)), FeatureHealth::kMany + 1);
}

KeptList kept_of(const google::protobuf::RepeatedField<uint64_t>& hashes,
                 const google::protobuf::RepeatedField<int64_t>& rows) {
  KeptList out;
  for (int i = 0; i < std::min(hashes.size(), rows.size()); ++i) out.push_back({hashes[i], rows[i]});
  return out;
}

KeptList named_of(const v1::FeatureCounts& counts, const v1::FeatureProfile& profile) {
  KeptList out;
  for (int i = 0; i < std::min(counts.counts_size() - 2, profile.values_size()); ++i)
    if (counts.counts(i + 2) > 0) out.push_back({stable_hash(profile.values(i)), counts.counts(i + 2)});
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.hash < b.hash; });
  return out;
}

KeptList sum(const KeptList& a, const KeptList& b, size_t most) {
  if (a.empty() || b.empty()) return a.empty() ? b : a;
  LeastHashes both(most);
  for (const auto* list : {&a, &b})
    for (const auto& kept : *list) both.add(kept.hash, kept.rows);
  return {both.kept().begin(), both.kept().end()};
}

const v1::FeatureProfile* find(const v1::Profile* profile, const std::string& name) {
  if (profile == nullptr) return nullptr;
  for (const auto& feature : profile->features())
    if (feature.name() == name) return &feature;
  return nullptr;
}

FeatureHealth text_health(const v1::FeatureCounts& counts, const v1::FeatureProfile* profile) {
  FeatureHealth out;
  out.other = counts.counts(1);
  out.only_text = only_text_of(counts, profile);
  if (out.other > 0 && profile != nullptr) {
    out.strangers = kept_of(counts.strangers(), counts.stranger_rows());
    out.named = named_of(counts, *profile);
  }
  return out;
}

FeatureHealth number_health(const v1::FeatureCounts& counts) {
  FeatureHealth out;
  out.far = counts.far();
  if (counts.has_least()) out.least = counts.least();
  if (counts.has_greatest()) out.greatest = counts.greatest();
  for (const double value : counts.sample())
    if (out.sampled < kSampleMax) out.sample[out.sampled++] = hash_of(value);
  return out;
}

void merge(FeatureHealth& a, const FeatureHealth& b) {
  a.rows += b.rows;
  a.missing += b.missing;
  a.other += b.other;
  a.far += b.far;
  a.least = std::min(a.least, b.least);
  a.greatest = std::max(a.greatest, b.greatest);
  if (a.only_text == FeatureHealth::kNone)
    a.only_text = b.only_text;
  else if (b.only_text != FeatureHealth::kNone && b.only_text != a.only_text)
    a.only_text = FeatureHealth::kMany;
  a.strangers = sum(a.strangers, b.strangers, kStrangersMax);
  a.named = sum(a.named, b.named, a.named.size() + b.named.size());
  if (b.sampled == 0) return;
  LeastHashes both(kSampleMax);
  for (const auto* one : {static_cast<const FeatureHealth*>(&a), &b})
    for (uint32_t i = 0; i < one->sampled; ++i) both.add(one->sample[i]);
  a.sampled = 0;
  for (const auto& kept : both.kept()) a.sample[a.sampled++] = kept.hash;
}

}  // namespace

SlotHealth health_of(const v1::SlotCounts& counts, const v1::Profile* profile,
                     std::span<const FeedColumn> columns) {
  SlotHealth out{counts.slot_us(), counts.rows(), {}, kept_of(counts.contents(), counts.content_rows())};
  out.features.resize(columns.size());
  for (size_t c = 0; c < columns.size(); ++c)
    for (const auto& feature : counts.features()) {
      if (feature.name() != columns[c].name || feature.counts_size() < 2) continue;
      out.features[c] = columns[c].categorical ? text_health(feature, find(profile, feature.name()))
                                               : number_health(feature);
      out.features[c].rows = std::accumulate(feature.counts().begin(), feature.counts().end(), int64_t{0});
      out.features[c].missing = feature.counts(0);
    }
  return out;
}

void merge(SlotHealth& into, const SlotHealth& more) {
  CHECK(into.slot_us == more.slot_us && into.features.size() == more.features.size(),
        "health of different slots");
  into.rows += more.rows;
  into.contents = sum(into.contents, more.contents, kContentsMax);
  for (size_t i = 0; i < into.features.size(); ++i) merge(into.features[i], more.features[i]);
}

}  // namespace rekindle::drift
