// Numbers that come in another unit: do they look like what came before, times a known constant?
//
// Of the present and of the past only small samples of distinct values are known. A change is told by three
// things together: under one of the known conversions the new values are likelier than as they are; their
// distribution then differs from the past's no more than parts of the past do among themselves, as wide as
// these; and it began within a slot. Genuine drift moves values too, but not onto a converted past. Pure.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drift/feed/stretch.h"

namespace rekindle::drift {

// x becomes scale * x + offset.
struct Conversion {
  double scale = 1, offset = 0;
  std::string_view words;  // what it may be: "minutes to seconds, hours to minutes"
  double of(double x) const { return scale * x + offset; }
  double back(double y) const { return (y - offset) / scale; }
};
std::span<const Conversion> conversions();

// How likely a value is, by values that were seen: what lies near it among them, and heavy tails.
class Density {
 public:
  explicit Density(std::vector<double> values);  // at least one
  double log_at(double x) const;
  std::span<const double> sorted() const { return sorted_; }
  double median() const { return median_; }
  double spread() const { return spread_; }  // between the quartiles

 private:
  double exact(double x) const;

  std::vector<double> sorted_;
  double median_ = 0, spread_ = 0, scale_ = 1, width_ = 1;
  // Between all but the outermost values it is looked up.
  double low_ = 0, cell_ = 1;
  std::array<double, 128> logs_ = {};
};

// The conversion that the newest values of a feature seem to have been through, and since which slot.
struct UnitChange {
  Conversion conversion;
  size_t from = 0;
  double before = 0, after = 0;  // medians
  bool sure = true;              // else it began lately, and may yet become so
};
// `usable` leaves out slots that are known as broken.
std::optional<UnitChange> find_unit_change(std::span<const SlotHealth> slots, size_t feature,
                                           const std::vector<bool>& usable);

// Slots that are better explained by the conversion than without it, given the past.
std::vector<Part> converted_slots(std::span<const SlotHealth> slots, size_t feature, const Density& past,
                                  const Conversion& conversion);

// Of a feature that is known to be broken since then: the conversion that its values look like, in words, or
// "".
std::string looks_like(std::span<const SlotHealth> slots, const v1::FeatureProfile& reference, size_t feature,
                       int64_t since_us);

void check_units(Stretches& stretches, const v1::FeatureProfile& reference, std::string_view column,
                 size_t feature, std::span<const v1::Breach> ended);

}  // namespace rekindle::drift
