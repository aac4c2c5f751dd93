#include "base/clock.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>

namespace rekindle {

std::string format_time(Time time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day ymd{day};
  const hh_mm_ss hms{time - day};
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(ymd.year()),
                                static_cast<unsigned>(ymd.month()), static_cast<unsigned>(ymd.day()),
                                hms.hours().count(), hms.minutes().count(), hms.seconds().count());
  if (const auto micros = hms.subseconds().count(); micros != 0) out += fmt::format(".{:06}", micros);
  return out + "Z";
}

namespace {

// Reads exactly `digits` decimal digits at the front of `text`.
bool take_number(std::string_view& text, size_t digits, int& out) {
  if (text.size() < digits) return false;
  out = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool take_char(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

Result<Time> parse_time(std::string_view original) {
  using namespace std::chrono;
  const Status bad = invalid_argument(fmt::format(
      "'{}' is not a time; write 2013-02-01, 2013-02-01T10:00 or 2013-02-01T10:00:00Z", original));
  std::string_view text = original;
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  if (!take_number(text, 4, y) || !take_char(text, '-') || !take_number(text, 2, mo) ||
      !take_char(text, '-') || !take_number(text, 2, d))
    return bad;
  const year_month_day ymd{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d)}};
  if (!ymd.ok()) return bad;
  Micros fraction{0};
  if (!text.empty()) {
    if (!take_char(text, 'T') && !take_char(text, ' ')) return bad;
    if (!take_number(text, 2, h) || !take_char(text, ':') || !take_number(text, 2, mi)) return bad;
    if (take_char(text, ':')) {
      if (!take_number(text, 2, s)) return bad;
      if (take_char(text, '.')) {
        int64_t scale = 100000, micros = 0;
        size_t digits = 0;
        for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits) {
          micros += scale * (text.front() - '0');
          scale /= 10;
        }
        if (digits == 0 || digits > 9) return bad;
        fraction = Micros(micros);
      }
    }
  }
  if (h > 23 || mi > 59 || s > 59) return bad;
  minutes offset{0};
  if (!text.empty() && !take_char(text, 'Z')) {
    const bool minus = text.front() == '-';
    text.remove_prefix(1);
    int oh = 0, om = 0;
    if (original[original.size() - text.size() - 1] != '+' && !minus) return bad;
    if (!take_number(text, 2, oh)) return bad;
    take_char(text, ':');
    if (!take_number(text, 2, om) || oh > 14 || om > 59) return bad;
    offset = (hours(oh) + minutes(om)) * (minus ? -1 : 1);
  }
  if (!text.empty()) return bad;
  return Time(sys_days{ymd}.time_since_epoch() + hours(h) + minutes(mi) + seconds(s) + fraction - offset);
}

Time SystemClock::wall() const {
  return std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now());
}

std::chrono::steady_clock::time_point SystemClock::monotonic() const {
  return std::chrono::steady_clock::now();
}

void ManualClock::advance(Micros by) {
  wall_ += by;
  monotonic_ += by;
}

}  // namespace rekindle
