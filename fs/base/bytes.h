// SPDX-License-Identifier: Apache-2.0
// Little-endian encoding. Bytes are `std::string_view` when borrowed and
// `std::string` when owned. ByteWriter appends; ByteReader takes what a
// medium said, checks every bound, and remembers the first failure: read all
// fields, then ask ok() once.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace trefoil {

static_assert(std::endian::native == std::endian::little,
              "Trefoil's formats are little-endian and so must the host be");

template <class T>
void AppendLe(std::string* out, T value) {
  static_assert(std::is_unsigned_v<T>);
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out->append(raw, sizeof(T));
}

// Big-endian, for index keys that sort by number.
inline void AppendBe64(std::string* out, uint64_t value) {
  AppendLe(out, __builtin_bswap64(value));
}

class ByteWriter {
 public:
  explicit ByteWriter(std::string* out) : out_(out) {}

  void U8(uint8_t v) { AppendLe(out_, v); }
  void U16(uint16_t v) { AppendLe(out_, v); }
  void U32(uint32_t v) { AppendLe(out_, v); }
  void U64(uint64_t v) { AppendLe(out_, v); }
  // LEB128, 1..10 bytes.
  void Varint(uint64_t v);
  void Raw(std::string_view bytes) { out_->append(bytes); }
  // Varint length, then the bytes.
  void Sized(std::string_view bytes) {
    Varint(bytes.size());
    Raw(bytes);
  }

 private:
  std::string* out_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view in) : in_(in) {}

  // Each returns 0 (or nothing) once anything has failed.
  uint8_t U8() { return Fixed<uint8_t>(); }
  uint16_t U16() { return Fixed<uint16_t>(); }
  uint32_t U32() { return Fixed<uint32_t>(); }
  uint64_t U64() { return Fixed<uint64_t>(); }
  uint64_t Varint();
  std::string_view Raw(size_t size);
  std::string_view Sized() { return Raw(static_cast<size_t>(Varint())); }

  [[nodiscard]] bool ok() const { return ok_; }
  // True when everything was read and nothing failed.
  [[nodiscard]] bool AtEnd() const { return ok_ && in_.empty(); }
  [[nodiscard]] size_t remaining() const { return in_.size(); }

 private:
  template <class T>
  T Fixed() {
    std::string_view raw = Raw(sizeof(T));
    T value = 0;
    if (ok_) std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }

  std::string_view in_;
  bool ok_ = true;
};

// Lower-case hexadecimal.
std::string ToHex(std::string_view bytes);
// The bytes, or nothing when `hex` is not an even number of lower-case digits.
bool FromHex(std::string_view hex, std::string* bytes);

}  // namespace trefoil
