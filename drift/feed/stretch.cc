#include "drift/feed/stretch.h"

#include <algorithm>

namespace rekindle::drift {

bool Stretches::bad(const Rule& rule, size_t slot) {
  const Part part = rule.part(slot);
  return part.of > 0 && part.share() >= rule.threshold;
}

size_t Stretches::start_of(const Rule& rule) const {
  const size_t n = slots_.size();
  size_t from = n;
  int sound = 0;
  for (size_t i = n; i-- > 0 && sound < kGoodSlotsToEnd;) {
    const Part part = rule.part(i);
    if (part.of == 0) continue;
    if (part.share() >= rule.threshold) {
      from = i;
      sound = 0;
    } else if (from == n) {
      return n;  // the newest slot that says anything is sound
    } else {
      ++sound;
    }
  }
  return from;
}

v1::Breach* Stretches::look(const Rule& rule) {
  if (const v1::Breach* known = open(rule.check, rule.feature)) {
    int sound = 0;
    for (size_t i = slots_.size(); i-- > 0 && sound < kGoodSlotsToEnd;) {
      if (rule.part(i).of == 0) continue;
      if (!bad(rule, i)) {
        ++sound;
        continue;
      }
      v1::Breach breach = *known;
      const int64_t until = std::max(slots_[i].slot_us + length_, breach.until_us());
      breach.set_rows(rows_between(breach.from_us(), until, known));
      breach.set_until_us(until);
      Part all;
      for (size_t s = 0; s < slots_.size(); ++s) {
        if (slots_[s].slot_us < breach.from_us() || slots_[s].slot_us >= until) continue;
        const Part part = rule.part(s);
        all.bad += part.bad;
        all.of += part.of;
      }
      breach.set_value(all.share());
      breach.set_threshold(rule.threshold);
      breach.set_reason(rule.reason(all, breach.from_us()));
      return &findings_.breaches.emplace_back(std::move(breach));
    }
    return nullptr;
  }
  const size_t from = start_of(rule);
  if (from == slots_.size()) return nullptr;
  if (!rule.fires(from)) {
    if (!rule.suspicious || rule.suspicious()) suspect(rule.check, rule.feature, from);
    return nullptr;
  }
  Part all;
  for (size_t s = from; s < slots_.size(); ++s) {
    const Part part = rule.part(s);
    all.bad += part.bad;
    all.of += part.of;
  }
  return add(rule.check, rule.feature, from, all, rule.threshold, rule.reason);
}

v1::Breach* Stretches::add(std::string_view check, std::string_view feature, size_t from, Part all,
                           double threshold, const std::function<std::string(const Part&, int64_t)>& reason) {
  const v1::Breach* known = open(check, feature);
  v1::Breach breach = known ? *known : named(check, feature, slots_[from].slot_us);
  breach.set_until_us(end_us());
  breach.set_rows(rows_between(breach.from_us(), end_us(), known));
  breach.set_value(all.share());
  breach.set_threshold(threshold);
  breach.set_reason(reason(all, breach.from_us()));
  return &findings_.breaches.emplace_back(std::move(breach));
}

void Stretches::suspect(std::string_view check, std::string_view feature, size_t from) {
  v1::Breach& one = findings_.suspects.emplace_back(named(check, feature, slots_[from].slot_us));
  one.set_until_us(end_us());
}

Part Stretches::within(Micros back, size_t from, const Rule& rule) const {
  Part sum;
  for (size_t i = slots_.size(); i-- > 0 && slots_[i].slot_us >= end_us() - back.count();) {
    const Part part = rule.part(i);
    if (i >= from) sum.bad += part.bad;
    sum.of += part.of;
  }
  return sum;
}

int Stretches::bad_slots(size_t from, const Rule& rule) const {
  int count = 0;
  for (size_t i = from; i < slots_.size(); ++i) count += bad(rule, i);
  return count;
}

const v1::Breach* Stretches::open(std::string_view check, std::string_view feature) const {
  for (const auto& breach : open_)
    if (breach.check() == check && breach.feature() == feature) return &breach;
  return nullptr;
}

bool Stretches::found(std::string_view check, std::string_view feature) const {
  return std::any_of(findings_.breaches.begin(), findings_.breaches.end(),
                     [&](const auto& b) { return b.check() == check && b.feature() == feature; });
}

v1::Breach Stretches::named(std::string_view check, std::string_view feature, int64_t from_us) const {
  v1::Breach breach;
  breach.set_check(std::string(check));
  breach.set_feature(std::string(feature));
  breach.set_source(std::string(source_));
  breach.set_from_us(from_us);
  return breach;
}

// Rows of the breach: those known before, and those of the slots since.
int64_t Stretches::rows_between(int64_t from_us, int64_t until_us, const v1::Breach* open) const {
  int64_t rows = open ? open->rows() : 0;
  const int64_t known_until = open ? open->until_us() : from_us;
  for (const auto& s : slots_)
    if (s.slot_us >= known_until && s.slot_us < until_us) rows += s.rows;
  return rows;
}

}  // namespace rekindle::drift
