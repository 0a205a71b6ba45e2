// SPDX-License-Identifier: Apache-2.0
// A directory of its own for a test, removed with the object.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <string_view>

#include "fs/base/env.h"

namespace trefoil::testing {

class TempDir {
 public:
  TempDir() {
    std::string name = JoinPath(::testing::TempDir(), "trefoil-XXXXXX");
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TempDir() { EXPECT_TRUE(Env::Posix().RemoveTree(path_).ok()); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string Path(std::string_view name) const {
    return JoinPath(path_, name);
  }

 private:
  std::string path_;
};

}  // namespace trefoil::testing
