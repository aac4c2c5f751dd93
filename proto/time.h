// Between the project's Time and protobuf's Duration.
#pragma once

#include <google/protobuf/duration.pb.h>

#include "base/clock.h"

namespace rekindle {

inline Micros from_proto(const google::protobuf::Duration& d) {
  return Seconds(d.seconds()) + std::chrono::duration_cast<Micros>(std::chrono::nanoseconds(d.nanos()));
}

inline google::protobuf::Duration to_proto(Micros d) {
  google::protobuf::Duration out;
  out.set_seconds(d.count() / 1000000);
  out.set_nanos(static_cast<int32_t>(d.count() % 1000000) * 1000);
  return out;
}

}  // namespace rekindle
