// SPDX-License-Identifier: Apache-2.0
#include "tools/secret_source.h"

#include <optional>
#include <utility>

#include "fs/volume/config.h"
#include "fs/volume/recovery_key.h"
#include "tools/passphrase.h"

namespace trefoil {
namespace {

Result<Secret> FromPassphraseFile(const std::string& path) {
  TREFOIL_ASSIGN(SecretBytes passphrase, ReadPassphraseFile(path));
  return Secret{Secret::Kind::kPassphrase, std::move(passphrase)};
}

// Of the command line, where it names one.
Result<std::optional<Secret>> GivenSecret(const SecretArguments& arguments) {
  if (!arguments.recovery_key_file.empty()) {
    TREFOIL_ASSIGN(SecretBytes key,
                   ReadRecoveryKeyFile(arguments.recovery_key_file));
    return std::optional(Secret{Secret::Kind::kRecoveryKey, std::move(key)});
  }
  if (!arguments.passphrase_file.empty()) {
    TREFOIL_ASSIGN(Secret secret,
                   FromPassphraseFile(arguments.passphrase_file));
    return std::optional(std::move(secret));
  }
  if (!arguments.key_command.empty()) {
    TREFOIL_ASSIGN(Secret secret, RunKeyCommand(arguments.key_command));
    return std::optional(std::move(secret));
  }
  return std::optional<Secret>();
}

// A recovery key has its form, which no passphrase has by chance.
Result<Secret> AskForSecret(const std::string& place) {
  TREFOIL_ASSIGN(SecretBytes typed,
                 Ask("Passphrase or recovery key of " + place + ": "));
  if (typed.empty()) return Secret();
  auto key = ReadRecoveryKey(typed.view());
  if (key.ok()) return Secret{Secret::Kind::kRecoveryKey, std::move(*key)};
  return Secret{Secret::Kind::kPassphrase, std::move(typed)};
}

// False also when that can't be seen: who opens it will say why.
bool IsEncrypted(ObjectStore& objects) {
  const auto object = ReadVolumeObject(objects);
  return object.ok() && object->encrypted;
}

// Nothing but a question is left.
bool MustAsk(const std::string& volume_path) {
  Env& env = Env::Posix();
  if (!CanAsk() || env.Exists(KeyFilePath(volume_path)) ||
      env.Exists(NextKeyFilePath(volume_path))) {
    return false;
  }
  LocalTree objects(env, JoinPath(volume_path, "objects"));
  return IsEncrypted(objects);
}

std::shared_ptr<const Secret> Share(Secret secret) {
  return std::make_shared<const Secret>(std::move(secret));
}

}  // namespace

void AddCopySecretOptions(CLI::App* command, SecretArguments* arguments) {
  command
      ->add_option("--passphrase-file", arguments->passphrase_file,
                   "Open it with the passphrase in this file; - is standard "
                   "input")
      ->type_name("FILE");
  command
      ->add_option("--recovery-key-file", arguments->recovery_key_file,
                   "Open it with the recovery key, or the recovery kit, in "
                   "this file")
      ->type_name("FILE")
      ->excludes("--passphrase-file");
}

void AddSecretOptions(CLI::App* command, SecretArguments* arguments) {
  AddCopySecretOptions(command, arguments);
  command
      ->add_option("--key-command", arguments->key_command,
                   "Open it with the volume key that this command prints")
      ->type_name("COMMAND")
      ->excludes("--passphrase-file")
      ->excludes("--recovery-key-file");
}

Result<std::shared_ptr<const Secret>> SecretOfVolume(
    const SecretArguments& arguments, const std::string& volume_path) {
  TREFOIL_ASSIGN(std::optional<Secret> given, GivenSecret(arguments));
  if (given) return Share(std::move(*given));
  TREFOIL_ASSIGN(const VolumeConfig config,
                 LoadConfig(Env::Posix(), volume_path));
  TREFOIL_ASSIGN(std::optional<Secret> configured,
                 GivenSecret({.passphrase_file = config.passphrase_file,
                              .recovery_key_file = {},
                              .key_command = config.key_command}));
  if (configured) return Share(std::move(*configured));
  if (MustAsk(volume_path)) {
    TREFOIL_ASSIGN(Secret typed, AskForSecret(volume_path));
    return Share(std::move(typed));
  }
  return std::shared_ptr<const Secret>();
}

bool SecretIsTyped(const SecretArguments& arguments,
                   const std::string& volume_path) {
  if (arguments.passphrase_file == "-") return true;
  if (arguments.given()) return false;
  const auto config = LoadConfig(Env::Posix(), volume_path);
  return config.ok() && config->passphrase_file.empty() &&
         config->key_command.empty() && MustAsk(volume_path);
}

Result<Secret> SecretOfCopy(const SecretArguments& arguments,
                            ObjectStore& copy) {
  TREFOIL_ASSIGN(std::optional<Secret> given, GivenSecret(arguments));
  if (given) return std::move(*given);
  if (!CanAsk() || !IsEncrypted(copy)) return Secret();
  return AskForSecret(copy.Describe());
}

std::string SecretAdvice(const Status& error) {
  if (!error.Is(StatusCode::kNoKey)) return "";
  return "give --passphrase-file or --recovery-key-file";
}

}  // namespace trefoil
