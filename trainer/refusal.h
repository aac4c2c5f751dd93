// What ends a run for good, told by its outcome, and what another attempt may get past, which is an error.
#pragma once

#include <string>

#include "base/result.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::trainer {

// What cannot be helped by trying again is a refusal; what may be the machine's fault is not.
inline bool lasting(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kFailedPrecondition:
    case Code::kOutOfRange:
    case Code::kUnimplemented:
    case Code::kDataLoss:
      return true;
    default:
      return false;
  }
}

inline v1::Outcome refusal(v1::Outcome::Kind kind, const std::string& message) {
  v1::Outcome out;
  out.set_kind(kind);
  out.set_message(message);
  return out;
}

// A failure that all ranks agree on: a refusal, or the end of this attempt.
inline Result<v1::Outcome> refuse_or_fail(v1::Outcome::Kind kind, const Status& status) {
  if (lasting(status)) return refusal(kind, status.message());
  return status;
}

}  // namespace rekindle::trainer
