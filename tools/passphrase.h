// SPDX-License-Identifier: Apache-2.0
// Secrets as people and scripts hand them over: typed, in a file, printed by a
// command. They pass through cleared memory only, and no message repeats them.
// Thread rule: one thread.
#pragma once

#include <string>
#include <string_view>

#include "fs/base/secret.h"
#include "fs/base/status.h"
#include "fs/volume/identity.h"

namespace trefoil {

// Somebody sits before it: standard input and stderr are a terminal.
bool CanAsk();
// Asks for a line without showing it. kInvalidArgument when it was broken off.
Result<SecretBytes> Ask(std::string_view prompt);
// Asks twice; may be empty. kInvalidArgument when the two differ.
Result<SecretBytes> AskNewPassphrase(std::string_view prompt);

// The first line of the file, `-` is standard input. kPermissionDenied when
// other users may read it, kInvalidArgument when there is nothing in it.
Result<SecretBytes> ReadPassphraseFile(const std::string& path);
// The recovery key, alone or in a kit. Paper and USB sticks know no modes.
Result<SecretBytes> ReadRecoveryKeyFile(const std::string& path);
// Runs `command` by the shell; what it prints is a volume key.
Result<Secret> RunKeyCommand(const std::string& command);

}  // namespace trefoil
