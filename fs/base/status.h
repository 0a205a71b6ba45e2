// SPDX-License-Identifier: Apache-2.0
// Status and Result<T>: how every fallible function of Trefoil answers.
// Values; no exceptions of ours exist. Thread rule: as for std::string.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "fs/base/check.h"

namespace trefoil {

enum class StatusCode : uint8_t {
  kOk,
  kPosix,               // a POSIX answer for an application: see posix_errno()
  kNotFound,            // the object, file or volume is not there
  kAlreadyExists,       // a creation met something that exists
  kInvalidArgument,     // the caller's or the user's input is wrong
  kCorruption,          // bytes from a medium are not what was written
  kIoError,             // the operating system failed an I/O; errno kept
  kNoSpace,             // the medium is full
  kUnavailable,         // a target does not answer now; trying again may help
  kPermissionDenied,    // credentials or file permissions refuse
  kPreconditionFailed,  // a conditional operation lost
  kReadOnly,            // the volume or medium takes no writes
  kNotSupported,        // the medium or build can't do that
  kBusy,                // in use by somebody else (a lock)
  kTimedOut,            // a bound on time was reached
  kNewerFormat,         // written by a newer Trefoil
  kFenced,              // another owner holds the target (O9)
  kTrimmed,             // it was there once and has been let go
  kNoKey,               // it is encrypted, and the key is not at hand
};

// "corruption", "not found" ...: the words used in messages.
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string message)
      : rep_(std::make_shared<const Rep>(Rep{code, 0, std::move(message)})) {
    TREFOIL_CHECK(code != StatusCode::kOk);
  }

  // The answer `error` (a positive errno value) for an application.
  static Status Posix(int error);
  // What the operating system said about `what` (an operation and a path).
  // ENOSPC and EDQUOT become kNoSpace, ENOENT kNotFound, EEXIST
  // kAlreadyExists, EACCES and EPERM kPermissionDenied, EROFS kReadOnly;
  // everything else kIoError. The errno is kept.
  static Status FromErrno(int error, std::string_view what);

  [[nodiscard]] bool ok() const { return rep_ == nullptr; }
  [[nodiscard]] StatusCode code() const {
    return ok() ? StatusCode::kOk : rep_->code;
  }
  [[nodiscard]] bool Is(StatusCode c) const { return code() == c; }
  [[nodiscard]] const std::string& message() const;
  // What an application is told: the errno kept, or the nearest one to the
  // code (kCorruption is EIO). 0 when OK.
  [[nodiscard]] int posix_errno() const;
  // The same error with `context: ` in front of its message.
  [[nodiscard]] Status WithContext(std::string_view context) const;
  // "corruption: pack/ab/ab12...: block 3 fails its checksum", or "ok".
  [[nodiscard]] std::string ToString() const;

 private:
  struct Rep {
    StatusCode code;
    int error;
    std::string message;
  };
  explicit Status(Rep rep)
      : rep_(std::make_shared<const Rep>(std::move(rep))) {}

  std::shared_ptr<const Rep> rep_;
};

inline Status OkStatus() { return {}; }

// A T, or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(*-explicit-*)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(*-explicit-*)
    TREFOIL_CHECK(!status_.ok());
  }

  [[nodiscard]] bool ok() const { return value_.has_value(); }
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] T& value() & {
    TREFOIL_CHECK(ok());
    return *value_;
  }
  [[nodiscard]] const T& value() const& {
    TREFOIL_CHECK(ok());
    return *value_;
  }
  [[nodiscard]] T&& value() && {
    TREFOIL_CHECK(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace trefoil

#define TREFOIL_CONCAT_(a, b) a##b
#define TREFOIL_CONCAT(a, b) TREFOIL_CONCAT_(a, b)
// Return the error of `expr` (a Status) from this function, if it has one.
#define TREFOIL_TRY(expr) \
  TREFOIL_TRY_(TREFOIL_CONCAT(try_status_, __COUNTER__), expr)
#define TREFOIL_TRY_(tmp, expr)                                \
  do {                                                         \
    if (::trefoil::Status tmp = (expr); !tmp.ok()) return tmp; \
  } while (false)

// TREFOIL_ASSIGN(auto x, F()): x is the value of F(), or return its error.
#define TREFOIL_ASSIGN(decl, expr) \
  TREFOIL_ASSIGN_(TREFOIL_CONCAT(try_result_, __COUNTER__), decl, expr)
#define TREFOIL_ASSIGN_(tmp, decl, expr) \
  auto tmp = (expr);                     \
  if (!tmp.ok()) return tmp.status();    \
  decl = std::move(tmp).value()
