// SPDX-License-Identifier: Apache-2.0
// Goal: no volume object (who a volume is, and the ways to its keys) makes its
// reader crash or spend hours and gigabytes on a passphrase, and what is read
// can be written and read again.
// Method: the input as its JSON, and as what its boxes hold.
#include <string>

#include "fs/base/check.h"
#include "fs/volume/identity.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  const std::string text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(ParseVolumeKey(text));
  VolumeObject plain;
  plain.encrypted = false;
  plain.secrets = text;
  static_cast<void>(OpenSecrets(plain, Secret{}));
  const Result<VolumeObject> object = DecodeVolumeObject("volume/1", text);
  if (!object.ok()) return 0;
  static_cast<void>(OpenSecrets(*object, Secret{}));
  Secret key;
  key.kind = Secret::Kind::kVolumeKey;
  key.bytes = SecretBytes(std::string(kKeyBytes, 'k'));
  TREFOIL_CHECK(!OpenSecrets(*object, key).ok());
  const Result<VolumeObject> again =
      DecodeVolumeObject("volume/1", EncodeVolumeObject(*object));
  TREFOIL_CHECK(again.ok());
  TREFOIL_CHECK(again->slots.size() == object->slots.size());
  TREFOIL_CHECK(again->secrets == object->secrets);
  return 0;
}
