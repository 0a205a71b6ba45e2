// SPDX-License-Identifier: Apache-2.0
// Goal: a status keeps its code, errno and message on the way up.
// Method: one of each kind.
#include "fs/base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace trefoil {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return Status(StatusCode::kInvalidArgument, "odd");
  return value / 2;
}

Result<int> Quarter(int value) {
  TREFOIL_ASSIGN(const int half, Half(value));
  return Half(half);
}

TEST(Status, OkIsOk) {
  const Status status;
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.ToString(), "ok");
  EXPECT_EQ(status.message(), "");
  EXPECT_EQ(status.posix_errno(), 0);
  EXPECT_TRUE(status.WithContext("x").ok());
}

TEST(Status, ErrnoChoosesTheCodeAndIsKept) {
  const std::pair<int, StatusCode> expected[] = {
      {ENOSPC, StatusCode::kNoSpace},
      {EDQUOT, StatusCode::kNoSpace},
      {ENOENT, StatusCode::kNotFound},
      {EEXIST, StatusCode::kAlreadyExists},
      {EACCES, StatusCode::kPermissionDenied},
      {EPERM, StatusCode::kPermissionDenied},
      {EROFS, StatusCode::kReadOnly},
      {EIO, StatusCode::kIoError},
  };
  for (const auto& [error, code] : expected) {
    const Status status = Status::FromErrno(error, "open f");
    EXPECT_TRUE(status.Is(code)) << status.ToString();
    EXPECT_EQ(status.WithContext("volume").posix_errno(), error);
  }
}

TEST(Status, AnApplicationIsToldTheNearestErrno) {
  EXPECT_EQ(Status(StatusCode::kCorruption, "x").posix_errno(), EIO);
  EXPECT_EQ(Status(StatusCode::kNoSpace, "x").posix_errno(), ENOSPC);
  EXPECT_EQ(Status(StatusCode::kReadOnly, "x").posix_errno(), EROFS);
  EXPECT_EQ(Status::Posix(ENOTEMPTY).posix_errno(), ENOTEMPTY);
}

TEST(Status, TextHasCodeAndContext) {
  const Status status(StatusCode::kCorruption, "block 3 fails its checksum");
  EXPECT_EQ(status.WithContext("pack/ab").ToString(),
            "corruption: pack/ab: block 3 fails its checksum");
}

TEST(Status, ResultsPassErrorsUp) {
  EXPECT_EQ(Quarter(8).value(), 2);
  EXPECT_TRUE(Quarter(6).status().Is(StatusCode::kInvalidArgument));
  EXPECT_TRUE(Quarter(3).status().Is(StatusCode::kInvalidArgument));
}

TEST(StatusDeathTest, ValueOfAnErrorEndsTheProcess) {
  EXPECT_DEATH(static_cast<void>(Half(1).value()), "CHECK failed");
}

}  // namespace
}  // namespace trefoil
