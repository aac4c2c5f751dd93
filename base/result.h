// Result<T>: a value, or a Status that says what was wrong and what to do about it.
//
// Refusals and outside failures are values of this type; our own bugs are CHECKs. A function that
// returns a failed Result has had no effect. Codes are those of gRPC and Connect, so that a Status
// travels unchanged from the place that noticed the trouble to the client that reads it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace rekindle {

enum class Code {
  kOk = 0,
  kCanceled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// The Connect spelling: "invalid_argument", "not_found", ...
std::string_view code_name(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // ok
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure seen from further out: "reading jobs/a.yaml: no such file".
  Status within(std::string_view context) const;
  std::string to_string() const;  // "not_found: no job named 'x'"

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT: implicit by design
  Result(Status status) : state_(std::move(status)) {  // NOLINT: implicit by design
    CHECK(!std::get<Status>(state_).ok(), "a Result cannot be made from an ok Status");
  }

  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }

  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

  T& value() & {
    CHECK(ok(), std::get<Status>(state_).message());
    return std::get<T>(state_);
  }
  const T& value() const& {
    CHECK(ok(), std::get<Status>(state_).message());
    return std::get<T>(state_);
  }
  T&& value() && {
    CHECK(ok(), std::get<Status>(state_).message());
    return std::get<T>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

inline Status ok_status() {
  return {};
}
inline Status invalid_argument(std::string m) {
  return {Code::kInvalidArgument, std::move(m)};
}
inline Status not_found(std::string m) {
  return {Code::kNotFound, std::move(m)};
}
inline Status already_exists(std::string m) {
  return {Code::kAlreadyExists, std::move(m)};
}
inline Status failed_precondition(std::string m) {
  return {Code::kFailedPrecondition, std::move(m)};
}
inline Status aborted(std::string m) {
  return {Code::kAborted, std::move(m)};
}
inline Status unavailable(std::string m) {
  return {Code::kUnavailable, std::move(m)};
}
inline Status data_loss(std::string m) {
  return {Code::kDataLoss, std::move(m)};
}
inline Status internal_error(std::string m) {
  return {Code::kInternal, std::move(m)};
}
inline Status resource_exhausted(std::string m) {
  return {Code::kResourceExhausted, std::move(m)};
}
inline Status permission_denied(std::string m) {
  return {Code::kPermissionDenied, std::move(m)};
}
inline Status unauthenticated(std::string m) {
  return {Code::kUnauthenticated, std::move(m)};
}
inline Status deadline_exceeded(std::string m) {
  return {Code::kDeadlineExceeded, std::move(m)};
}
inline Status unimplemented(std::string m) {
  return {Code::kUnimplemented, std::move(m)};
}

}  // namespace rekindle

// Unwraps a Result, or returns its Status from the enclosing function (not for coroutines).
#define TRY(expr)                                       \
  ({                                                    \
    auto try_result_ = (expr);                          \
    if (!try_result_.ok()) return try_result_.status(); \
    std::move(try_result_).value();                     \
  })

// The same for a bare Status.
#define TRY_STATUS(expr)                       \
  do {                                         \
    ::rekindle::Status try_status_ = (expr);   \
    if (!try_status_.ok()) return try_status_; \
  } while (false)
