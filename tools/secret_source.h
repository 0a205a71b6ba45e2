// SPDX-License-Identifier: Apache-2.0
// How every command finds the secret that opens a volume or a copy:
//   1. what was given on the command line,
//   2. of a volume: the key_command or passphrase_file of its config.toml,
//   3. of a volume: its key file,
//   4. somebody at a terminal, who is asked.
// Thread rule: one thread; SecretOfVolume without a terminal by any.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "fs/object/object_store.h"
#include "fs/volume/identity.h"

namespace trefoil {

struct SecretArguments {
  std::string passphrase_file;
  std::string recovery_key_file;
  std::string key_command;

  [[nodiscard]] bool given() const {
    return !passphrase_file.empty() || !recovery_key_file.empty() ||
           !key_command.empty();
  }
};

// --passphrase-file and --recovery-key-file, which open any copy.
void AddCopySecretOptions(CLI::App* command, SecretArguments* arguments);
// These and --key-command.
void AddSecretOptions(CLI::App* command, SecretArguments* arguments);

// As Volume::Open and UnlockPrimary want it: null when its key file does, or
// nothing is needed.
Result<std::shared_ptr<const Secret>> SecretOfVolume(
    const SecretArguments& arguments, const std::string& volume_path);
// Whether SecretOfVolume reads standard input, which can be done once only.
bool SecretIsTyped(const SecretArguments& arguments,
                   const std::string& volume_path);

// kNone when none was given and none is needed or nobody can be asked.
Result<Secret> SecretOfCopy(const SecretArguments& arguments,
                            ObjectStore& copy);

// What to do about an error that a secret, or its absence, led to; empty for
// others.
std::string SecretAdvice(const Status& error);

}  // namespace trefoil
