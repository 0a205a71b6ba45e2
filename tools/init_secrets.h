// SPDX-License-Identifier: Apache-2.0
// The ways in that `trefoil init` gives a new volume.
// Thread rule: one thread.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "fs/volume/config.h"
#include "fs/volume/volume.h"
#include "tools/recovery_kit.h"

namespace trefoil {

struct InitSecretArguments {
  bool no_encryption = false;
  bool no_key_file = false;
  std::string passphrase_file;
  std::string recovery_kit;
};

void AddInitSecretOptions(CLI::App* init, InitSecretArguments* arguments);

// kInvalidArgument when they don't fit together.
Status CheckSecretArguments(const InitSecretArguments& arguments,
                            const std::string& volume);

class InitSecrets {
 public:
  // Asks at a terminal for what was not given, and takes the kit's place.
  static Result<std::unique_ptr<InitSecrets>> Gather(
      const InitSecretArguments& arguments);

  [[nodiscard]] const FormatOptions& format() const { return format_; }
  // Once the volume is made: writes the kit.
  Status WriteKit(const VolumeId& id, const VolumeConfig& config);
  // All went well: the kit stays, and a terminal shows the recovery key, once.
  void Keep();

 private:
  FormatOptions format_;
  SecretBytes recovery_key_;
  std::unique_ptr<NewSecretFile> kit_;
};

}  // namespace trefoil
