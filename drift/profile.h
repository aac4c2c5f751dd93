// Profiles and the counting of values over their frozen edges.
//
// Owns how a FeatureProfile is built from reference values and into which bin of it a value falls, so
// that trainer, serving nodes and coordinator cannot disagree. The layout of every count vector is that
// of proto drift.proto. Counts of several nodes or batches add up exactly.
// Knows nothing of tables, files or LibTorch: values come as spans and string views.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "drift/feed/least_hashes.h"
#include "rekindle/v1/drift.pb.h"

namespace rekindle::drift {

// Twenty reference-quantile bins: fine enough for PSI, few enough that a week of rows fills each.
inline constexpr int kNumericBins = 20;
// Text values that get a bin of their own; rarer ones share "other".
inline constexpr int kCategoriesMax = 256;
// Numbers of a feature whose quantiles are sorted for: a copy of 16 MB, and as much again of the cells that
// are sorted. Of more a sketch finds them without a copy (drift/sketch/near_ranks.h).
inline constexpr size_t kSortedMost = 2'000'000;
// Name of the model's own output in a profile.
inline constexpr std::string_view kPrediction = "prediction";

// Reference values of a numeric feature, missing as NaN (infinities count as missing), in event-time
// order (up to kSortedMost it matters only to longest_run). Edges are distinct values of the reference,
// counts are exact, however the edges were found.
v1::FeatureProfile numeric_profile(std::string_view name, std::span<const double> values,
                                   int bins = kNumericBins);

// Collects the values of a categorical feature, in event-time order, then makes its profile: values by
// falling frequency, equal ones by name.
class CategoryTally {
 public:
  void add(std::string_view value);
  void add_missing() { ++missing_; }
  // A column of texts as it is kept: codes into its words, one below 0 where a value is missing.
  void add(std::span<const std::string> words, std::span<const int32_t> codes);
  v1::FeatureProfile profile(std::string_view name, int values_max = kCategoriesMax) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> counts_;
  const std::string* last_ = nullptr;  // a key of counts_: node-based, so it stays where it is
  int64_t missing_ = 0;
  int64_t run_ = 0;
  int64_t longest_run_ = 0;
};

// One feature's edges, ready for counting.
class FeatureBins {
 public:
  // Refuses a profile whose parts contradict each other (unsorted edges, wrong number of counts).
  static Result<FeatureBins> make(const v1::FeatureProfile& profile);

  const std::string& name() const { return name_; }
  bool categorical() const { return categorical_; }
  uint32_t size() const { return size_; }  // bins, all kinds

  static constexpr uint32_t kMissing = 0;
  static constexpr uint32_t kOther = 1;  // categorical
  static constexpr uint32_t kBelow = 1;  // numeric
  uint32_t above() const { return size_ - 1; }

  // Numeric; NaN and infinities are missing. The hot path: a few nanoseconds.
  uint32_t bin(double value) const {
    if (!(value >= low_ && value <= high_)) return bin_outside(value);
    const uint32_t cell = cell_of(value);
    uint32_t begin = edges_before_[cell], end = edges_before_[cell + 1];  // mostly equal, or one apart
    while (begin < end) {
      const uint32_t middle = (begin + end) / 2;
      if (edges_[middle] <= value)
        begin = middle + 1;
      else
        end = middle;
    }
    return 2 + begin;
  }
  uint32_t bin(std::string_view value) const;  // categorical
  bool far(double value) const { return value < far_low_ || value > far_high_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  // The range of the reference in cells of equal width: what lies in one is between few edges.
  static constexpr uint32_t kCells = 256;
  void lay_cells();
  uint32_t cell_of(double value) const {  // of a value within the range; not a number counts as the last
    return static_cast<uint32_t>(std::min(kCells - 1.0, (value - low_) * cells_per_unit_));
  }
  uint32_t bin_outside(double value) const;

  std::string name_;
  bool categorical_ = false;
  uint32_t size_ = 0;
  std::vector<double> edges_;
  std::vector<uint32_t> edges_before_;  // edges in earlier cells, by cell, and all
  double cells_per_unit_ = 0;
  double low_ = 0, high_ = 0, far_low_ = 0, far_high_ = 0;
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> index_;
};

// All features of one version.
struct ProfileBins {
  std::vector<FeatureBins> features;  // in the profile's order
  FeatureBins prediction;
  static Result<std::shared_ptr<const ProfileBins>> make(const v1::Profile& profile);
  int find(std::string_view feature) const;  // index, or -1
};

// Counts of one slot. Feature numbers are positions in ProfileBins::features. Adding never allocates.
class SlotCounter {
 public:
  explicit SlotCounter(const ProfileBins& bins);

  void add_rows(int64_t rows) { rows_ += rows; }
  void add_numbers(size_t feature, std::span<const double> values);
  void add_text(size_t feature, std::string_view value);
  void add_missing(size_t feature, int64_t rows = 1);
  void add_predictions(std::span<const double> values);
  void add_prediction(std::string_view category);  // where predictions are counted by their class
  void add_contents(const RowContents& rows);      // of features alone; none where a version has none
  v1::SlotCounts to_proto(uint64_t version, Time slot) const;

 private:
  struct Feature {
    std::vector<int64_t> counts;
    double least = std::numeric_limits<double>::infinity();
    double greatest = -std::numeric_limits<double>::infinity();
    int64_t far = 0;
    LeastHashes least_hashes{0};  // numeric: of values; categorical: of those without a bin
  };
  static void count(const FeatureBins& bins, std::span<const double> values, Feature& into);

  const ProfileBins* bins_;
  std::vector<Feature> features_;
  Feature prediction_;
  LeastHashes contents_{kContentsMax};
  int64_t rows_ = 0;
};

// Counts of one version on one node, by slot, until they are sent. Not thread-safe.
class CountsBuilder {
 public:
  CountsBuilder(std::shared_ptr<const ProfileBins> bins, uint64_t version, Micros slot);

  const ProfileBins& bins() const { return *bins_; }
  // All rows of a request count in the slot of its event time (the least of its rows). The reference is
  // good until the next take().
  SlotCounter& at(Time event_time);
  bool empty() const { return slots_.empty(); }
  std::vector<v1::SlotCounts> take();  // by slot; starts again from nothing

 private:
  std::shared_ptr<const ProfileBins> bins_;
  uint64_t version_;
  Micros slot_;
  std::map<Time, SlotCounter> slots_;
};

// Start of the slot that holds `time`: slots are aligned to 1970.
Time slot_start(Time time, Micros slot);

// Adds `more` into `into` (same version, slot, features and bins). Refuses a
// differing layout and leaves `into` as it was.
Status add_counts(v1::SlotCounts& into, const v1::SlotCounts& more);

}  // namespace rekindle::drift
