// SPDX-License-Identifier: Apache-2.0
// Writes one object into a temporary file, frame by frame, hashing as it goes.
// Memory is bounded by one frame and a write buffer of 1 MiB. After an error
// every later call gives that error again: the file is lost. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "fs/base/env.h"
#include "fs/object/keyring.h"
#include "fs/object/object_format.h"

namespace trefoil {

struct FinishedObject {
  std::string temporary_path;  // durable; LocalTree::Adopt moves it in place
  Hash256 name;                // SHA-256 of all bytes
  uint64_t size_bytes = 0;
};

class ObjectWriter {
 public:
  // Creates `temporary_path` (replacing a leftover). The header's salt is
  // drawn from `random`, cipher and key id are the keyring's.
  static Result<std::unique_ptr<ObjectWriter>> Create(
      Env& env, Random& random, const Keyring& keyring,
      const std::string& temporary_path, ObjectHeader header);
  // Removes the temporary file unless Finish succeeded.
  virtual ~ObjectWriter() = default;

  // kInvalidArgument when `raw` is larger than kMaxFrameBytes, or when a pack
  // or commit would grow beyond kMaxObjectBytes.
  virtual Result<FrameLocation> Append(FrameType type,
                                       std::string_view raw) = 0;
  [[nodiscard]] virtual uint64_t size_bytes() const = 0;
  [[nodiscard]] virtual uint32_t frame_count() const = 0;
  // Writes padding and the trailer, and makes the file durable (O3).
  virtual Result<FinishedObject> Finish() = 0;
};

}  // namespace trefoil
