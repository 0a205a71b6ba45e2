// SPDX-License-Identifier: Apache-2.0
// QR codes as text, for a page that is printed; the only door to libqrencode.
// Pure.
#pragma once

#include <string_view>

#include "fs/base/secret.h"

namespace trefoil {

// Lines of half blocks (UTF-8), two modules to a character one above the other,
// dark ones inked, with the quiet zone that readers need; each line begins with
// `indent`. Empty when `text` is too long for a code.
SecretBytes QrCode(std::string_view text, std::string_view indent);

}  // namespace trefoil
