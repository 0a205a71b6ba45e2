// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/recovery_key.h"

#include <cctype>
#include <optional>
#include <span>
#include <string>

#include "fs/base/check.h"

namespace trefoil {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kGroups = 8;
constexpr size_t kKeyCharacters = 4;  // of a group; the check follows
constexpr size_t kGroupCharacters = kKeyCharacters + 1;
constexpr size_t kCharacters = kGroups * kGroupCharacters;
constexpr unsigned kBits = 5;
static_assert(kGroups * kKeyCharacters * kBits == kRecoveryKeyBytes * 8);

constexpr std::string_view kKitLabel = "recovery key:";

// Times x in GF(32).
unsigned TimesX(unsigned number) {
  constexpr unsigned kPolynomial = 0x25;
  number <<= 1;
  return (number & 0x20) != 0 ? number ^ kPolynomial : number;
}

// `numbers` are the four of group `group`, counted from 1.
unsigned CheckOf(std::string_view numbers, size_t group) {
  // Horner's rule, from the last one on.
  unsigned sum = 0;
  for (size_t i = kKeyCharacters; i-- > 0;) {
    sum = TimesX(sum ^ static_cast<unsigned char>(numbers[i]));
  }
  return sum ^ static_cast<unsigned>(group);
}

std::optional<unsigned> NumberOf(char c) {
  const auto upper =
      static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (upper == 'O') return 0;
  if (upper == 'I' || upper == 'L') return 1;
  const size_t at = kAlphabet.find(upper);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(at);
}

bool IsBetween(char c) {
  return c == '-' || std::isspace(static_cast<unsigned char>(c)) != 0;
}

unsigned FiveBits(std::string_view bytes, size_t index) {
  unsigned number = 0;
  for (size_t bit = index * kBits; bit < (index + 1) * kBits; ++bit) {
    const auto byte = static_cast<unsigned char>(bytes[bit / 8]);
    number = number << 1 | ((byte >> (7 - bit % 8)) & 1U);
  }
  return number;
}

void SetFiveBits(std::span<char> bytes, size_t index, char number) {
  for (size_t i = 0; i < kBits; ++i) {
    const size_t bit = index * kBits + i;
    const unsigned one =
        (static_cast<unsigned>(number) >> (kBits - 1 - i)) & 1U;
    bytes[bit / 8] = static_cast<char>(static_cast<unsigned char>(
        static_cast<unsigned char>(bytes[bit / 8]) | one << (7 - bit % 8)));
  }
}

Status Wrong(const std::string& what) {
  return {StatusCode::kInvalidArgument, "the recovery key: " + what};
}

}  // namespace

SecretBytes WriteRecoveryKey(const SecretBytes& key) {
  TREFOIL_CHECK(key.size() == kRecoveryKeyBytes);
  SecretBytes text(kCharacters + kGroups - 1);
  char* out = text.span().data();
  for (size_t group = 0; group < kGroups; ++group) {
    if (group != 0) *out++ = '-';
    SecretBytes numbers(kKeyCharacters);
    for (size_t i = 0; i < kKeyCharacters; ++i) {
      const unsigned number = FiveBits(key.view(), group * kKeyCharacters + i);
      numbers.span()[i] = static_cast<char>(number);
      *out++ = kAlphabet[number];
    }
    *out++ = kAlphabet[CheckOf(numbers.view(), group + 1)];
  }
  return text;
}

Result<SecretBytes> ReadRecoveryKey(std::string_view text) {
  SecretBytes numbers(kCharacters);
  size_t count = 0;
  for (const char c : text) {
    if (IsBetween(c)) continue;
    const auto number = NumberOf(c);
    if (!number) {
      return Wrong("group " + std::to_string(count / kGroupCharacters + 1) +
                   " has a character that is in no recovery key");
    }
    if (count < kCharacters) {
      numbers.span()[count] = static_cast<char>(*number);
    }
    ++count;
  }
  // Where one is missing or too much, all groups after it look wrong.
  if (count != kCharacters) {
    return Wrong("it has 8 groups of 5 characters, 40 together, but " +
                 std::to_string(count) + " were given");
  }
  SecretBytes key(kRecoveryKeyBytes);
  for (size_t group = 0; group < kGroups; ++group) {
    const std::string_view own =
        numbers.view().substr(group * kGroupCharacters, kGroupCharacters);
    if (CheckOf(own, group + 1) !=
        static_cast<unsigned char>(own[kKeyCharacters])) {
      return Wrong("group " + std::to_string(group + 1) + " is mistyped");
    }
    for (size_t i = 0; i < kKeyCharacters; ++i) {
      SetFiveBits(key.span(), group * kKeyCharacters + i, own[i]);
    }
  }
  return key;
}

Result<SecretBytes> FindRecoveryKey(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    while (!line.empty() && IsBetween(line.front())) line.remove_prefix(1);
    if (line.size() < kKitLabel.size()) continue;
    bool fits = true;
    for (size_t i = 0; i < kKitLabel.size(); ++i) {
      fits = fits &&
             std::tolower(static_cast<unsigned char>(line[i])) == kKitLabel[i];
    }
    if (fits) return ReadRecoveryKey(line.substr(kKitLabel.size()));
  }
  return ReadRecoveryKey(text);
}

}  // namespace trefoil
