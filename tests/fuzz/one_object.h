// SPDX-License-Identifier: Apache-2.0
// A store that holds one object, whatever it is asked for, and the ways to make
// objects that pass every check up to the one that is fuzzed.
// Thread rule: use by one thread.
#pragma once

#include <string>
#include <string_view>

#include "fs/object/keyring.h"
#include "fs/object/object_format.h"
#include "fs/object/object_store.h"
#include "tests/fuzz/fuzz_input.h"

namespace trefoil::fuzz {

class OneObject final : public ObjectStore {
 public:
  explicit OneObject(std::string bytes) : bytes_(std::move(bytes)) {}

  Status Put(std::string_view, ObjectSource&, PutMode) override {
    return {StatusCode::kNotSupported, "read-only"};
  }
  Result<std::string> Get(std::string_view, ByteRange range,
                          uint64_t max_bytes) override;
  Result<ObjectInfo> Head(std::string_view key) override {
    return ObjectInfo{std::string(key), bytes_.size()};
  }
  Status List(std::string_view, std::string_view,
              const std::function<bool(const ObjectInfo&)>&) override {
    return OkStatus();
  }
  Status Delete(std::string_view) override {
    return {StatusCode::kNotSupported, "read-only"};
  }
  [[nodiscard]] std::string Describe() const override { return "one"; }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  const std::string bytes_;
};

// Of an encrypted volume, with one key that is always the same.
const Keyring& FixedKeyring();

// A header drawn from the input, of a kind and a cipher that go together in a
// volume with `keyring`.
ObjectHeader DrawHeader(FuzzInput* input, ObjectKind kind,
                        const Keyring& keyring);

// The key that the object `bytes` with this header has: right in all it says.
std::string KeyOf(const ObjectHeader& header, std::string_view bytes);

// An object under construction: frames as a hostile writer who has the key can
// make them, each with a valid tag.
class ObjectBuilder {
 public:
  ObjectBuilder(const ObjectHeader& header, const Keyring& keyring);
  // A frame as writers make it.
  void Append(FrameType type, std::string_view raw);
  // A frame whose 16 bytes of fields are any at all.
  void AppendRaw(std::string_view fields, std::string_view payload);
  // The trailer that fits what was appended.
  void Close();
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  const ObjectHeader header_;
  const Keyring& keyring_;
  std::string bytes_;
  uint32_t frames_ = 0;
};

}  // namespace trefoil::fuzz
