#include "drift/streams/adwin.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace rekindle::drift {

namespace {

constexpr double kSideMin = 5;   // items on each side of a cut
constexpr uint64_t kGrace = 10;  // no check before the window holds more
// How far from their mean items lie that are means themselves. Where they lie close together, not chance
// parts them but hours and weekdays, which are no change; nor is what rounding made of items that are all the
// same.
constexpr double kDeviations = 3;
constexpr double kRangeMin = 0.1;
constexpr uint32_t kFormat = 2;
constexpr uint32_t kWithDelta = 1;  // an older format, which held one of the terms
constexpr size_t kRowsMax = 64;
// What products and quotients of the same numbers differ by is far less.
constexpr double kRounding = 1e-6;

double square(double x) {
  return x * x;
}

// Sum of squared differences that two parts have beyond their own: from the difference of their means.
double between(double n0, double mean0, double n1, double mean1) {
  return n0 * n1 * square(mean0 - mean1) / (n0 + n1);
}

template <typename T>
void put(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <typename T>
  bool get(T& value) {
    if (bytes_.size() < sizeof value) return false;
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return true;
  }
  bool done() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

}  // namespace

Adwin::Adwin(AdwinTerms terms) : terms_(terms), rows_(1) {
  CHECK(terms.delta > 0 && terms.delta < 1, "ADWIN's delta is a probability");
  CHECK(terms.clock > 0, "ADWIN checks after some items");
}

bool Adwin::update(double value) {
  CHECK(value >= 0 && value <= 1, "ADWIN's bound holds for numbers in [0, 1] only");
  if (detected_) {
    // As river does: a detection empties the window, tick included, before the next item.
    detected_ = false;
    tick_ = unchecked_ = width_ = 0;
    total_ = variance_ = 0;
    rows_.assign(1, {});
  }
  ++tick_;
  insert(value);
  if (++unchecked_ < terms_.clock) return false;
  unchecked_ = 0;
  detected_ = detect();
  if (detected_) ++detections_;
  return detected_;
}

void Adwin::insert(double value) {
  rows_[0].push({value, 0});
  ++width_;
  if (width_ > 1) {
    const double older = static_cast<double>(width_ - 1);
    variance_ += older * square(value - total_ / older) / static_cast<double>(width_);
  }
  total_ += value;
  compress();
}

void Adwin::compress() {
  // Sizes are powers of two: halves and products are exact, and nothing is divided.
  double n = 1, part = 1;
  for (size_t i = 0; rows_[i].size > Row::kMost; ++i, n *= 2, part /= 2) {
    if (i + 1 == rows_.size()) rows_.emplace_back();
    Row& row = rows_[i];
    const Bucket &a = row.buckets[0], &b = row.buckets[1];
    rows_[i + 1].push(
        {a.total + b.total, a.variance + b.variance + n / 2 * square(a.total * part - b.total * part)});
    row.drop_oldest(2);
  }
}

void Adwin::drop_oldest() {
  auto& row = rows_.back();
  const uint64_t items = uint64_t{1} << (rows_.size() - 1);
  const double n = static_cast<double>(items);
  const Bucket oldest = row.buckets[0];
  width_ -= items;
  total_ -= oldest.total;
  const double rest = static_cast<double>(width_);
  variance_ -= oldest.variance + between(n, oldest.total / n, rest, total_ / rest);
  row.drop_oldest(1);
  // A row can be empty with smaller ones filled: its successors are what was merged last.
  while (rows_.size() > 1 && rows_.back().size == 0) rows_.pop_back();
}

uint64_t Adwin::likeliest_newer() const {
  uint64_t n0 = 0, newer = width_;
  double u0 = 0, most = 0;
  for (size_t i = rows_.size(); i-- > 0;) {
    for (const Bucket& bucket : rows_[i]) {
      n0 += uint64_t{1} << i;
      u0 += bucket.total;
      if (n0 == width_) continue;
      const auto a = static_cast<double>(n0), b = static_cast<double>(width_ - n0);
      const double explained = between(a, u0 / a, b, (total_ - u0) / b);
      if (explained <= most) continue;
      most = explained;
      newer = width_ - n0;
    }
  }
  return newer;
}

bool Adwin::detect() {
  if (width_ <= kGrace) return false;
  bool changed = false;
  for (bool cut = true; cut;) {
    cut = false;
    double n0 = 0, n1 = static_cast<double>(width_);
    double u0 = 0, u1 = total_;
    const double window_variance = std::max(0.0, variance_ / n1);
    const double range =
        terms_.of_means ? std::clamp(kDeviations * std::sqrt(window_variance), kRangeMin, 1.0) : 1;
    const double d = std::log(2 * std::log(n1) / terms_.delta);
    const double reach = 2.0 / 3.0 * range * d, near = reach * (1 - kRounding);
    for (size_t i = rows_.size(); i-- > 0 && !cut;) {
      const auto n = static_cast<double>(uint64_t{1} << i);
      for (const Bucket& bucket : rows_[i]) {
        n0 += n;
        n1 -= n;
        u0 += bucket.total;
        u1 -= bucket.total;
        if (n0 < kSideMin || n1 < kSideMin) continue;
        const double most0 = n0 - kSideMin + 1, most1 = n1 - kSideMin + 1;
        // Most means are no further apart than the range allows: told by products, without a division or
        // root.
        if (std::abs(u0 * n1 - u1 * n0) * (most0 * most1) <= near * (most0 + most1) * (n0 * n1)) continue;
        const double m = 1 / most0 + 1 / most1, mean0 = u0 / n0, mean1 = u1 / n1;
        const double apart = std::abs(mean0 - mean1), by_range = reach * m;
        const double bound = std::sqrt(2 * m * window_variance * d) + by_range;
        if (apart <= bound) continue;
        if (!changed) {
          before_ = mean0;
          after_ = mean1;
          bound_ = bound;
          newer_ = likeliest_newer();
        }
        changed = cut = true;
        break;
      }
    }
    if (cut) drop_oldest();
  }
  return changed;
}

std::string Adwin::save() const {
  std::string out;
  put(out, kFormat);
  put(out, static_cast<uint32_t>(detected_));
  for (uint64_t x : {tick_, width_, detections_}) put(out, x);
  for (double x : {total_, variance_, before_, after_, bound_}) put(out, x);
  put(out, static_cast<uint32_t>(rows_.size()));
  for (const auto& row : rows_) {
    put(out, static_cast<uint32_t>(row.size));
    for (const Bucket& bucket : row) {
      put(out, bucket.total);
      put(out, bucket.variance);
    }
  }
  return out;
}

Result<Adwin> Adwin::load(std::string_view bytes, AdwinTerms terms) {
  const Status damaged = data_loss("the stored state of a detector is damaged");
  Reader in(bytes);
  uint32_t format = 0, detected = 0, rows = 0;
  double delta = 0;
  if (!in.get(format) || (format != kFormat && format != kWithDelta)) return damaged;
  Adwin out(terms);
  bool ok = (format == kFormat || in.get(delta)) && in.get(detected);
  for (uint64_t* x : {&out.tick_, &out.width_, &out.detections_}) ok = ok && in.get(*x);
  for (double* x : {&out.total_, &out.variance_, &out.before_, &out.after_, &out.bound_})
    ok = ok && in.get(*x);
  if (!ok || !in.get(rows) || rows == 0 || rows > kRowsMax) return damaged;
  out.detected_ = detected != 0;
  out.unchecked_ = out.tick_ % terms.clock;
  out.rows_.assign(rows, {});
  uint64_t items = 0;
  for (uint32_t i = 0; i < rows; ++i) {
    uint32_t buckets = 0;
    if (!in.get(buckets) || buckets > Row::kMost) return damaged;
    for (uint32_t b = 0; b < buckets; ++b) {
      Bucket bucket;
      if (!in.get(bucket.total) || !in.get(bucket.variance)) return damaged;
      out.rows_[i].push(bucket);
    }
    items += uint64_t{buckets} << i;
  }
  if (!in.done() || items != out.width_) return damaged;
  return out;
}

}  // namespace rekindle::drift
