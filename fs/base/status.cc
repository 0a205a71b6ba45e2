// SPDX-License-Identifier: Apache-2.0
#include "fs/base/status.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace trefoil {
namespace {

StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return StatusCode::kNoSpace;
    case ENOENT:
      return StatusCode::kNotFound;
    case EEXIST:
      return StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
      return StatusCode::kPermissionDenied;
    case EROFS:
      return StatusCode::kReadOnly;
    default:
      return StatusCode::kIoError;
  }
}

int ErrnoOfCode(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return 0;
    case StatusCode::kNotFound:
      return ENOENT;
    case StatusCode::kAlreadyExists:
      return EEXIST;
    case StatusCode::kInvalidArgument:
      return EINVAL;
    case StatusCode::kNoSpace:
      return ENOSPC;
    case StatusCode::kPermissionDenied:
      return EACCES;
    case StatusCode::kReadOnly:
    case StatusCode::kFenced:
      return EROFS;
    case StatusCode::kNotSupported:
      return EOPNOTSUPP;
    case StatusCode::kBusy:
      return EBUSY;
    case StatusCode::kTimedOut:
      return ETIMEDOUT;
    case StatusCode::kPosix:
    case StatusCode::kCorruption:
    case StatusCode::kIoError:
    case StatusCode::kUnavailable:
    case StatusCode::kPreconditionFailed:
    case StatusCode::kNewerFormat:
    case StatusCode::kTrimmed:
    case StatusCode::kNoKey:
      return EIO;
  }
  return EIO;
}

std::string ErrnoText(int error) {
  return std::generic_category().message(error);
}

}  // namespace

std::string_view StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "ok";
    case StatusCode::kPosix:
      return "refused";
    case StatusCode::kNotFound:
      return "not found";
    case StatusCode::kAlreadyExists:
      return "already exists";
    case StatusCode::kInvalidArgument:
      return "invalid argument";
    case StatusCode::kCorruption:
      return "corruption";
    case StatusCode::kIoError:
      return "I/O error";
    case StatusCode::kNoSpace:
      return "no space";
    case StatusCode::kUnavailable:
      return "unavailable";
    case StatusCode::kPermissionDenied:
      return "permission denied";
    case StatusCode::kPreconditionFailed:
      return "precondition failed";
    case StatusCode::kReadOnly:
      return "read-only";
    case StatusCode::kNotSupported:
      return "not supported";
    case StatusCode::kBusy:
      return "busy";
    case StatusCode::kTimedOut:
      return "timed out";
    case StatusCode::kNewerFormat:
      return "newer format";
    case StatusCode::kFenced:
      return "fenced";
    case StatusCode::kTrimmed:
      return "trimmed";
    case StatusCode::kNoKey:
      return "no key";
  }
  return "unknown";
}

Status Status::Posix(int error) {
  TREFOIL_CHECK(error > 0);
  return Status(Rep{StatusCode::kPosix, error, ErrnoText(error)});
}

Status Status::FromErrno(int error, std::string_view what) {
  TREFOIL_CHECK(error > 0);
  return Status(Rep{CodeOfErrno(error), error,
                    fmt::format("{}: {}", what, ErrnoText(error))});
}

const std::string& Status::message() const {
  static const auto* const empty = new std::string;
  return ok() ? *empty : rep_->message;
}

int Status::posix_errno() const {
  if (ok()) return 0;
  return rep_->error != 0 ? rep_->error : ErrnoOfCode(rep_->code);
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  return Status(Rep{rep_->code, rep_->error,
                    fmt::format("{}: {}", context, rep_->message)});
}

std::string Status::ToString() const {
  if (ok()) return "ok";
  return fmt::format("{}: {}", StatusCodeName(rep_->code), rep_->message);
}

}  // namespace trefoil
