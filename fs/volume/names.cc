// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/names.h"

#include <utf8proc.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "fs/volume/volume.h"

namespace trefoil {
namespace {

bool IsAscii(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x80;
  });
}

std::string FoldAscii(std::string_view name) {
  std::string folded(name);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return folded;
}

// The one letter that stands for both cases of `letter`: its capital where the
// two are each other's, else itself. (K and the Kelvin sign are two letters.)
utf8proc_int32_t WithoutCase(utf8proc_int32_t letter) {
  constexpr utf8proc_int32_t kFinalSigma = 0x3c2;
  constexpr utf8proc_int32_t kCapitalSigma = 0x3a3;
  if (letter == kFinalSigma) return kCapitalSigma;
  const utf8proc_int32_t capital = utf8proc_toupper(letter);
  return utf8proc_tolower(capital) == letter ? capital : letter;
}

// Takes the first letter off `text`; negative, and nothing taken, where it is
// not UTF-8.
utf8proc_int32_t TakeLetter(std::string_view& text) {
  utf8proc_int32_t letter = -1;
  const auto size =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(text.size()), &letter);
  if (size <= 0) return -1;
  text.remove_prefix(static_cast<size_t>(size));
  return letter;
}

}  // namespace

std::string FoldName(std::string_view name) {
  if (IsAscii(name)) return FoldAscii(name);
  utf8proc_uint8_t* raw = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(name.data()),
                   static_cast<utf8proc_ssize_t>(name.size()), &raw,
                   static_cast<utf8proc_option_t>(
                       UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(
      raw, &std::free);
  if (length < 0) return std::string(name);
  return {reinterpret_cast<const char*>(raw), static_cast<size_t>(length)};
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  if (a == b) return true;
  while (!a.empty() && !b.empty()) {
    const utf8proc_int32_t of_a = TakeLetter(a);
    const utf8proc_int32_t of_b = TakeLetter(b);
    if (of_a < 0 || of_b < 0) return false;
    if (WithoutCase(of_a) != WithoutCase(of_b)) return false;
  }
  return a.empty() && b.empty();
}

DirPosition FirstPosition(std::string_view name_key, std::string_view name) {
  constexpr uint64_t kHashMask = (1ULL << 47) - 1;
  const uint64_t seed = ByteReader(name_key).U64();
  uint64_t hash = Xxh3(FoldName(name), seed) & kHashMask;
  // Hash 0 would collide with the reserved cookies of `.` and `..`.
  if (hash == 0) hash = 1;
  return DirPosition(hash * kPositionsPerHash);
}

Status CheckName(std::string_view name) {
  if (name.empty()) return Status::Posix(ENOENT);
  if (name == "." || name == "..") return Status::Posix(EEXIST);
  if (name.size() > kMaxNameBytes) return Status::Posix(ENAMETOOLONG);
  if (name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return Status::Posix(EINVAL);
  }
  return OkStatus();
}

}  // namespace trefoil
