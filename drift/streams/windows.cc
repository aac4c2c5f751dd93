#include "drift/streams/windows.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "drift/distances/ks_law.h"

namespace rekindle::drift {

bool Kswin::update(double value) {
  if (detected_) {  // river forgets all, its random state too
    size_ = next_ = 0;
    random_ = PythonRandom(seed_);
    detected_ = false;
  }
  insert(value);
  if (size_ < kWindow) return false;
  // Of 30 against 30 there are 31 distances: from which on they are too rare is known beforehand.
  static const int kRare = [] {
    int apart = 0;
    while (apart / 30.0 <= kDistanceMin || ks_p_value(apart / 30.0, kRecent, kRecent) > kAlpha) ++apart;
    return apart;
  }();
  detected_ = apart_by(kRare);
  return detected_;
}

void Kswin::insert(double value) {
  // Counted rather than searched for: a search by halves guesses wrong every other time.
  auto at = static_cast<size_t>(std::count_if(sorted_.begin(), sorted_.begin() + size_,
                                              [value](double other) { return !(value < other); }));
  // Where the oldest was, or behind them all while the window fills.
  const size_t gap =
      size_ < kWindow
          ? size_++
          : static_cast<size_t>(static_cast<const uint8_t*>(std::memchr(slots_.data(), next_, kWindow)) -
                                slots_.data());
  if (at > gap) {
    --at;
    std::copy(sorted_.begin() + gap + 1, sorted_.begin() + at + 1, sorted_.begin() + gap);
    std::copy(slots_.begin() + gap + 1, slots_.begin() + at + 1, slots_.begin() + gap);
  } else {
    std::copy_backward(sorted_.begin() + at, sorted_.begin() + gap, sorted_.begin() + gap + 1);
    std::copy_backward(slots_.begin() + at, slots_.begin() + gap, slots_.begin() + gap + 1);
  }
  sorted_[at] = value;
  slots_[at] = static_cast<uint8_t>(next_);
  next_ = (next_ + 1) % kWindow;
}

bool Kswin::apart_by(int thirtieths) {
  random_.sample(kWindow - kRecent, kRecent, drawn_);
  // 1 for what was drawn of the older ones, -1 for the newest, by slot.
  std::array<int8_t, kWindow> sides{};
  const auto slot = [this](size_t age) {  // 0: the oldest
    const size_t at = next_ + age;
    return at < kWindow ? at : at - kWindow;
  };
  for (const uint32_t age : drawn_) sides[slot(age)] = 1;
  for (size_t age = kWindow - kRecent; age < kWindow; ++age) sides[slot(age)] = -1;
  // Between equal values nothing counts; with them it is no less, and as a rule too little already.
  int apart = 0, highest = 0, lowest = 0;
  for (const uint8_t slot : slots_) {
    apart += sides[slot];
    highest = std::max(highest, apart);
    lowest = std::min(lowest, apart);
  }
  if (std::max(highest, -lowest) < thirtieths) return false;
  apart = 0;
  int most = 0;
  for (size_t i = 0; i + 1 < kWindow; ++i) {  // at the end both have seen all theirs
    apart += sides[slots_[i]];
    if (sorted_[i] != sorted_[i + 1]) most = std::max(most, std::abs(apart));
  }
  return most >= thirtieths;
}

bool Stepd::update(double correct) {
  if (detected_) *this = Stepd();
  items_ += 1;
  correct_ += correct;
  correct_recent_ += correct;
  recent_.push_back(correct);
  if (recent_.size() > kRecent) {
    correct_recent_ -= recent_.front();
    recent_.pop_front();
  }
  warning_ = false;
  if (items_ < 2 * kRecent) return false;
  const double n = kRecent, before = items_ - n, inverse = 1 / before + 1 / n, rate = correct_ / items_;
  const double apart = std::abs((correct_ - correct_recent_) / before - correct_recent_ / n);
  const double z = (apart - 0.5 * inverse) / std::sqrt(rate * (1 - rate) * inverse);
  // A NaN (all alike) compares false and so is no detection; frouros takes the size of z.
  const double tail = 0.5 * std::erfc(std::abs(z) / std::sqrt(2.0));
  detected_ = tail < kDriftAlpha;
  warning_ = !detected_ && tail < kWarningAlpha;
  return detected_;
}

bool Fhddm::update(double correct) {
  if (detected_) *this = Fhddm();
  window_.push_back(correct);
  correct_ += correct;
  if (window_.size() < kWindow) return false;
  const double share = correct_ / static_cast<double>(kWindow);
  greatest_ = std::max(greatest_, share);
  detected_ = greatest_ - share > std::sqrt(std::log(1 / kConfidence) / (2.0 * kWindow));
  correct_ -= window_.front();
  window_.pop_front();
  return detected_;
}

}  // namespace rekindle::drift
