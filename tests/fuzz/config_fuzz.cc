// SPDX-License-Identifier: Apache-2.0
// Goal: no config.toml makes its reader crash, and what is read can be written
// and read again.
// Method: the input as the file.
#include <string>

#include "fs/base/check.h"
#include "fs/volume/config.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Result<VolumeConfig> config = ParseConfig(text, "config.toml");
  if (!config.ok()) {
    TREFOIL_CHECK(config.status().message().find("config.toml") !=
                  std::string::npos);
    return 0;
  }
  const Result<VolumeConfig> again =
      ParseConfig(ConfigToToml(*config), "config.toml");
  TREFOIL_CHECK(again.ok());
  TREFOIL_CHECK(again->targets.size() == config->targets.size());
  TREFOIL_CHECK(again->detached == config->detached);
  return 0;
}
