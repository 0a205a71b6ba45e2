// SPDX-License-Identifier: Apache-2.0
// Goal: no credentials file makes its reader crash, and none of its secrets
// gets into a message.
// Method: the input as a file, and behind a secret that no message may have.
#include <string>

#include "fs/base/check.h"
#include "replicator/store/credentials.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  const std::string text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(ParseCredentialsFile(text, "file", "default"));
  static_cast<void>(ParseCredentialsFile(text, "file", text.substr(0, 20)));
  const Result<Credentials> found = ParseCredentialsFile(
      "[default]\naws_secret_access_key = hush-hush\n" + text, "file",
      "default");
  TREFOIL_CHECK(found.ok() || found.status().message().find("hush-hush") ==
                                  std::string::npos);
  return 0;
}
