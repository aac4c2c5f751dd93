// ADWIN: tells when the mean of a stream of numbers in [0, 1] has changed.
//
// The rule is exactly that of river 0.26.1 (bucket rows of at most five buckets of size 2^i; after every
// `clock` items all bucket boundaries with at least five items on both sides are compared; after a detection
// the window starts afresh at the next item), so that indices of detections and widths equal river's, unless
// items are said to be means.
// Source of the test: Bifet and Gavalda, "Learning from time-changing data with adaptive windowing".
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle::drift {

struct AdwinTerms {
  double delta = 0.002;
  uint64_t clock = 32;  // items between checks
  // Not river's. Items that are means of many numbers hardly lie further from theirs than three standard
  // deviations: the bound is of that range (a tenth at least), where it is narrower than [0, 1]. It is a
  // rule, no theorem.
  bool of_means = false;
};

class Adwin {
 public:
  explicit Adwin(AdwinTerms terms = {});
  explicit Adwin(double delta) : Adwin(AdwinTerms{.delta = delta}) {}

  // True when the mean has changed. What it changed from and to is then in before() and after().
  bool update(double value);

  uint64_t width() const { return width_; }  // items in the window
  double mean() const { return width_ == 0 ? 0 : total_ / static_cast<double>(width_); }
  double before() const { return before_; }  // of the newest detection: mean of the older part,
  double after() const { return after_; }    // of the newer part,
  double bound() const { return bound_; }    // and the difference that chance could have made
  // Right after an update that was true: items since the likeliest point of change, by least squares over the
  // window as it was. What the rule leaves of the window is longer: it drops no more than it must.
  uint64_t newer() const { return newer_; }
  uint64_t detections() const { return detections_; }

  // The same window gives the same bytes; what load() gives goes on as if there had been no break, by these
  // terms.
  std::string save() const;
  static Result<Adwin> load(std::string_view bytes, AdwinTerms terms = {});

 private:
  struct Bucket {
    double total = 0;
    double variance = 0;  // sum of squared differences from the bucket's mean
  };
  // Buckets of one size, oldest first.
  struct Row {
    static constexpr size_t kMost = 5;  // the sixth makes the two oldest merge
    std::array<Bucket, kMost + 1> buckets;
    size_t size = 0;
    const Bucket* begin() const { return buckets.data(); }
    const Bucket* end() const { return buckets.data() + size; }
    void push(const Bucket& bucket) { buckets[size++] = bucket; }
    void drop_oldest(size_t count) {
      std::copy(begin() + count, end(), buckets.begin());
      size -= count;
    }
  };
  void insert(double value);
  void compress();
  void drop_oldest();
  bool detect();
  uint64_t likeliest_newer() const;

  AdwinTerms terms_;
  bool detected_ = false;
  uint64_t tick_ = 0;       // items since the window last began afresh,
  uint64_t unchecked_ = 0;  // and since it was last checked
  uint64_t width_ = 0;
  double total_ = 0;
  double variance_ = 0;
  uint64_t detections_ = 0;
  double before_ = 0, after_ = 0, bound_ = 0;
  uint64_t newer_ = 0;
  std::vector<Row> rows_;  // rows_[i]: buckets of 2^i items
};

}  // namespace rekindle::drift
