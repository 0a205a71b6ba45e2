// SPDX-License-Identifier: Apache-2.0
#include "tools/qr_code.h"

#include <qrencode.h>

#include <algorithm>
#include <memory>
#include <string>

namespace trefoil {
namespace {

constexpr int kQuietModules = 4;

class Modules {
 public:
  explicit Modules(const QRcode& code) : code_(code) {}
  // Outside of the code too, where all is light.
  [[nodiscard]] bool IsDark(int x, int y) const {
    const int width = code_.width;
    if (x < 0 || y < 0 || x >= width || y >= width) return false;
    return (code_.data[y * width + x] & 1U) != 0;
  }

 private:
  const QRcode& code_;
};

std::string_view Block(bool upper, bool lower) {
  if (upper && lower) return "█";
  if (upper) return "▀";
  return lower ? "▄" : " ";
}

}  // namespace

SecretBytes QrCode(std::string_view text, std::string_view indent) {
  SecretBytes copy(text.size() + 1);  // ends with a zero
  std::copy(text.begin(), text.end(), copy.span().begin());
  const std::unique_ptr<QRcode, void (*)(QRcode*)> code(
      QRcode_encodeString(copy.view().data(), 0, QR_ECLEVEL_M, QR_MODE_8, 1),
      [](QRcode* made) {
        const auto size =
            static_cast<size_t>(made->width) * static_cast<size_t>(made->width);
        ClearSecret({reinterpret_cast<char*>(made->data), size});
        QRcode_free(made);
      });
  if (code == nullptr) return SecretBytes();
  const Modules modules(*code);
  std::string lines;
  // Never moved while it grows: nothing is left behind uncleared.
  lines.reserve(16U << 10);
  const int end = code->width + kQuietModules;
  for (int y = -kQuietModules; y < end; y += 2) {
    lines += indent;
    for (int x = -kQuietModules; x < end; ++x) {
      lines += Block(modules.IsDark(x, y), modules.IsDark(x, y + 1));
    }
    lines += '\n';
  }
  SecretBytes out(lines);
  ClearSecret(lines);
  return out;
}

}  // namespace trefoil
