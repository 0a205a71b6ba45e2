// SPDX-License-Identifier: Apache-2.0
// A directory that goes with its object.
#pragma once

#include <string>

#include "fs/base/check.h"
#include "fs/base/env.h"
#include "tests/support/s3_server.h"

namespace trefoil::testing {

class TempDir {
 public:
  TempDir() : path_(NewServerDir("store")) {}
  ~TempDir() { TREFOIL_CHECK(Env::Posix().RemoveTree(path_).ok()); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

}  // namespace trefoil::testing
