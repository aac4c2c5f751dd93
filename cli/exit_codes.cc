#include "cli/exit_codes.h"

namespace rekindle::cli {

int exit_code_of(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      return kOk;
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return kRefused;
    case Code::kNotFound:
      return kNotFound;
    case Code::kAlreadyExists:
    case Code::kFailedPrecondition:
    case Code::kAborted:
      return kConflict;
    case Code::kUnavailable:
      return kUnreachable;
    case Code::kDeadlineExceeded:
      return kTimeout;
    case Code::kPermissionDenied:
    case Code::kUnauthenticated:
      return kForbidden;
    case Code::kCanceled:
      return kDetached;
    default:
      return kFailed;
  }
}

int exit_code_of(v1::RunState state) {
  switch (state) {
    case v1::PUBLISHED:
    case v1::COMPLETED:
      return kOk;
    case v1::REJECTED:
      return kRejected;
    case v1::FAILED_RUN:
      return kRunFailed;
    case v1::CANCELLED:
      return kCancelled;
    case v1::HELD:
      return kHeld;
    default:
      return kFailed;
  }
}

bool is_terminal(v1::RunState state) {
  return state == v1::PUBLISHED || state == v1::REJECTED || state == v1::FAILED_RUN ||
         state == v1::CANCELLED || state == v1::COMPLETED;
}

}  // namespace rekindle::cli
