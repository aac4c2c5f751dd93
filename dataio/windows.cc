#include "dataio/windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "proto/time.h"

namespace rekindle::dataio {
namespace {

std::string show(int64_t micros) {
  return format_time(time_from_micros(micros));
}

}  // namespace

int64_t labels_known_until(int64_t as_of_us, const v1::Data& data) {
  return as_of_us - from_proto(data.lateness()).count() - from_proto(data.label().matures()).count();
}

Result<v1::Windows> plan_windows(int64_t as_of_us, const v1::JobSpec& spec, TimeRange data) {
  const int64_t delay = as_of_us - labels_known_until(as_of_us, spec.data());
  const int64_t holdout = from_proto(spec.gate().holdout()).count();
  const int64_t last = from_proto(spec.train().rows().last()).count();
  if (holdout <= 0 || last <= 0)
    return invalid_argument("gate.holdout and train.rows.last must be longer than 0");
  if (as_of_us - delay <= data.first_us)
    return failed_precondition(fmt::format(
        "no labels are known at {}: the oldest row is of {}, and labels are complete {} after their row "
        "(data.lateness + data.label.matures); run later, or with a later --as-of",
        show(as_of_us), show(data.first_us), format_duration(Micros(delay))));

  v1::Windows windows;
  const int64_t until = std::min(as_of_us - delay, data.last_us + 1);
  // The as-of time, or the moment at which the newest row's label was known when the data ends earlier.
  const int64_t anchor = until + delay;
  const int64_t from = std::max(data.first_us, anchor - last);
  const int64_t holdout_from = until - holdout;
  if (holdout_from <= from)
    return failed_precondition(
        fmt::format("rows of {} to {} leave nothing to train on before the holdout of {}; add data, lengthen "
                    "train.rows.last or shorten gate.holdout",
                    show(from), show(until), format_duration(Micros(holdout))));
  const auto validation = static_cast<int64_t>(
      std::llround(spec.train().validation() * static_cast<double>(holdout_from - from)));
  windows.set_train_from_us(from);
  windows.set_valid_from_us(holdout_from - validation);
  windows.set_holdout_from_us(holdout_from);
  windows.set_until_us(until);
  if (windows.valid_from_us() <= windows.train_from_us())
    return failed_precondition(
        fmt::format("train.validation {} leaves nothing to train on", spec.train().validation()));
  return windows;
}

}  // namespace rekindle::dataio
