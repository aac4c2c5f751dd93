// Counting on the hot path, and adding up what several nodes counted.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/hash.h"
#include "drift/profile.h"

namespace rekindle::drift {

namespace {

using Hashes = google::protobuf::RepeatedField<uint64_t>;
using Rows = google::protobuf::RepeatedField<int64_t>;

void write_kept(const LeastHashes& from, Hashes& hashes, Rows& rows) {
  hashes.Clear();
  rows.Clear();
  for (const auto& kept : from.kept()) {
    hashes.Add(kept.hash);
    rows.Add(kept.rows);
  }
}

void add_kept(size_t most, Hashes& into, Rows& into_rows, const Hashes& more, const Rows& more_rows) {
  if (more.empty()) return;
  LeastHashes sum(most);
  for (int i = 0; i < into.size(); ++i) sum.add(into[i], into_rows[i]);
  for (int i = 0; i < more.size(); ++i) sum.add(more[i], more_rows[i]);
  write_kept(sum, into, into_rows);
}

void add_sample(v1::FeatureCounts& into, const v1::FeatureCounts& more) {
  if (more.sample().empty()) return;
  LeastHashes sum(kSampleMax);
  for (const auto* sample : {&into.sample(), &more.sample()})
    for (const double value : *sample) sum.add(hash_of(value));
  into.clear_sample();
  for (const auto& kept : sum.kept()) into.add_sample(number_of(kept.hash));
}

}  // namespace

SlotCounter::SlotCounter(const ProfileBins& bins) : bins_(&bins), features_(bins.features.size()) {
  for (size_t i = 0; i < features_.size(); ++i) {
    features_[i].counts.assign(bins.features[i].size(), 0);
    features_[i].least_hashes = LeastHashes(bins.features[i].categorical() ? kStrangersMax : kSampleMax);
  }
  prediction_.counts.assign(bins.prediction.size(), 0);
}

void SlotCounter::count(const FeatureBins& bins, std::span<const double> values, Feature& into) {
  double least = into.least, greatest = into.greatest;
  for (double value : values) {
    const uint32_t bin = bins.bin(value);
    ++into.counts[bin];
    if (bin == FeatureBins::kMissing) continue;
    into.far += bins.far(value);
    least = std::min(least, value);
    greatest = std::max(greatest, value);
  }
  into.least = least;
  into.greatest = greatest;
}

void SlotCounter::add_numbers(size_t feature, std::span<const double> values) {
  CHECK(!bins_->features[feature].categorical(), "numbers for a categorical feature");
  Feature& into = features_[feature];
  count(bins_->features[feature], values, into);
  for (double value : values)
    if (std::isfinite(value)) into.least_hashes.add(hash_of(value));
}

void SlotCounter::add_text(size_t feature, std::string_view value) {
  CHECK(bins_->features[feature].categorical(), "text for a numeric feature");
  const uint32_t bin = bins_->features[feature].bin(value);
  ++features_[feature].counts[bin];
  if (bin == FeatureBins::kOther) features_[feature].least_hashes.add(stable_hash(value));
}

void SlotCounter::add_missing(size_t feature, int64_t rows) {
  features_[feature].counts[FeatureBins::kMissing] += rows;
}

void SlotCounter::add_prediction(std::string_view category) {
  CHECK(bins_->prediction.categorical(), "a class for predictions that are numbers");
  ++prediction_.counts[bins_->prediction.bin(category)];
}

void SlotCounter::add_predictions(std::span<const double> values) {
  CHECK(!bins_->prediction.categorical(), "numbers for predictions that are classes");
  count(bins_->prediction, values, prediction_);
}

void SlotCounter::add_contents(const RowContents& rows) {
  if (features_.empty()) return;
  for (const uint64_t hash : rows.hashes()) contents_.add(hash);
}

v1::SlotCounts SlotCounter::to_proto(uint64_t version, Time slot) const {
  v1::SlotCounts out;
  out.set_version(version);
  out.set_slot_us(to_micros(slot));
  out.set_rows(rows_);
  const auto fill = [](const FeatureBins& bins, const Feature& from, v1::FeatureCounts* to) {
    to->set_name(bins.name());
    to->mutable_counts()->Assign(from.counts.begin(), from.counts.end());
    if (from.least <= from.greatest) {
      to->set_least(from.least);
      to->set_greatest(from.greatest);
    }
    to->set_far(from.far);
    if (bins.categorical())
      write_kept(from.least_hashes, *to->mutable_strangers(), *to->mutable_stranger_rows());
    else
      for (const auto& kept : from.least_hashes.kept()) to->add_sample(number_of(kept.hash));
  };
  for (size_t i = 0; i < features_.size(); ++i) fill(bins_->features[i], features_[i], out.add_features());
  fill(bins_->prediction, prediction_, out.mutable_prediction());
  write_kept(contents_, *out.mutable_contents(), *out.mutable_content_rows());
  return out;
}

CountsBuilder::CountsBuilder(std::shared_ptr<const ProfileBins> bins, uint64_t version, Micros slot)
    : bins_(std::move(bins)), version_(version), slot_(slot) {
  CHECK(slot.count() > 0, "a time slot has a length");
}

SlotCounter& CountsBuilder::at(Time event_time) {
  return slots_.try_emplace(slot_start(event_time, slot_), *bins_).first->second;
}

std::vector<v1::SlotCounts> CountsBuilder::take() {
  std::vector<v1::SlotCounts> out;
  for (const auto& [slot, counter] : slots_) out.push_back(counter.to_proto(version_, slot));
  slots_.clear();
  return out;
}

Time slot_start(Time time, Micros slot) {
  const int64_t length = slot.count();
  int64_t n = to_micros(time) / length;
  if (to_micros(time) % length < 0) --n;  // towards the past, also before 1970
  return time_from_micros(n * length);
}

namespace {

Status same_layout(const v1::FeatureCounts& into, const v1::FeatureCounts& more) {
  if (into.name() == more.name() && into.counts_size() == more.counts_size()) return ok_status();
  return invalid_argument(fmt::format("counts of '{}' over {} bins cannot be added to '{}' over {}",
                                      more.name(), more.counts_size(), into.name(), into.counts_size()));
}

void add_feature(v1::FeatureCounts& into, const v1::FeatureCounts& more) {
  for (int i = 0; i < more.counts_size(); ++i) into.set_counts(i, into.counts(i) + more.counts(i));
  into.set_far(into.far() + more.far());
  if (more.has_least() && (!into.has_least() || more.least() < into.least())) into.set_least(more.least());
  if (more.has_greatest() && (!into.has_greatest() || more.greatest() > into.greatest()))
    into.set_greatest(more.greatest());
  add_sample(into, more);
  add_kept(kStrangersMax, *into.mutable_strangers(), *into.mutable_stranger_rows(), more.strangers(),
           more.stranger_rows());
}

}  // namespace

Status add_counts(v1::SlotCounts& into, const v1::SlotCounts& more) {
  if (into.version() != more.version() || into.slot_us() != more.slot_us())
    return invalid_argument("counts of different versions or slots cannot be added");
  if (into.features_size() != more.features_size())
    return invalid_argument(fmt::format("counts of {} features cannot be added to those of {}",
                                        more.features_size(), into.features_size()));
  for (int i = 0; i < more.features_size(); ++i) TRY_STATUS(same_layout(into.features(i), more.features(i)));
  TRY_STATUS(same_layout(into.prediction(), more.prediction()));
  for (int i = 0; i < more.features_size(); ++i) add_feature(*into.mutable_features(i), more.features(i));
  add_feature(*into.mutable_prediction(), more.prediction());
  add_kept(kContentsMax, *into.mutable_contents(), *into.mutable_content_rows(), more.contents(),
           more.content_rows());
  into.set_rows(into.rows() + more.rows());
  return ok_status();
}

}  // namespace rekindle::drift
