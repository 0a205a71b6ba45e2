// SPDX-License-Identifier: Apache-2.0
#include "tools/init_secrets.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "fs/volume/recovery_key.h"
#include "tools/passphrase.h"
#include "tools/report.h"
#include "tools/volume_path.h"
#include "tools/world.h"

namespace trefoil {
namespace {

// Shorter ones are guessed, scrypt or not.
constexpr size_t kGoodPassphraseBytes = 12;

// A recovery key that is not in a kit is shown.
bool CanShow() { return CanAsk() && isatty(STDOUT_FILENO) == 1; }

Result<SecretBytes> FindPassphrase(const InitSecretArguments& arguments) {
  if (!arguments.passphrase_file.empty()) {
    return ReadPassphraseFile(arguments.passphrase_file);
  }
  if (!CanAsk()) return SecretBytes();
  return AskNewPassphrase(
      "A passphrase for the volume (empty: the recovery key alone): ");
}

}  // namespace

Status CheckSecretArguments(const InitSecretArguments& arguments,
                            const std::string& volume) {
  const auto bad = [](const char* what) {
    return Status(StatusCode::kInvalidArgument, what);
  };
  const bool any_secret =
      !arguments.passphrase_file.empty() || !arguments.recovery_kit.empty();
  if (arguments.no_encryption && (any_secret || arguments.no_key_file)) {
    return bad("--no-encryption needs no passphrase, kit or key");
  }
  if (arguments.no_key_file && !any_secret && !CanShow()) {
    return bad(
        "--no-key-file needs --passphrase-file or --recovery-kit: nothing "
        "would open the volume");
  }
  if (AbsolutePath(arguments.recovery_kit).rfind(volume + "/", 0) == 0) {
    return bad("a recovery kit in the volume would be lost with it");
  }
  return OkStatus();
}

void AddInitSecretOptions(CLI::App* init, InitSecretArguments* arguments) {
  init->add_flag("--no-encryption", arguments->no_encryption,
                 "Make a volume whose copies anybody can read");
  init->add_option("--passphrase-file", arguments->passphrase_file,
                   "A file with a passphrase that opens every copy; - is "
                   "standard input")
      ->type_name("FILE");
  init->add_option("--recovery-kit", arguments->recovery_kit,
                   "Draw a recovery key, and write a page with it to print")
      ->type_name("FILE");
  init->add_flag("--no-key-file", arguments->no_key_file,
                 "Keep no key in VOLUME: every mount needs a secret");
}

Result<std::unique_ptr<InitSecrets>> InitSecrets::Gather(
    const InitSecretArguments& arguments) {
  auto secrets = std::make_unique<InitSecrets>();
  FormatOptions& format = secrets->format_;
  format.encrypted = !arguments.no_encryption;
  format.keep_key_file = !arguments.no_key_file;
  if (!format.encrypted) return secrets;
  TREFOIL_ASSIGN(SecretBytes passphrase, FindPassphrase(arguments));
  if (!passphrase.empty()) {
    if (passphrase.size() < kGoodPassphraseBytes) {
      Warn("the passphrase is short: whoever has a copy can try many");
    }
    format.slots.push_back(
        {SlotKind::kPassphrase, "", std::move(passphrase), ScryptCost()});
  }
  if (!arguments.recovery_kit.empty() || CanShow()) {
    secrets->recovery_key_ =
        SecretBytes::Drawn(RealWorld().random, kRecoveryKeyBytes);
    format.slots.push_back(
        {SlotKind::kRecoveryKey, "", secrets->recovery_key_, ScryptCost()});
  }
  if (!arguments.recovery_kit.empty()) {
    TREFOIL_ASSIGN(secrets->kit_,
                   NewSecretFile::Create(arguments.recovery_kit));
  }
  return secrets;
}

Status InitSecrets::WriteKit(const VolumeId& id, const VolumeConfig& config) {
  if (kit_ == nullptr) return OkStatus();
  return kit_->Write(RecoveryKitText(
      {id, RealWorld().clock.WallNanos(), recovery_key_, config.targets}));
}

void InitSecrets::Keep() {
  if (kit_ != nullptr) {
    kit_->Keep();
    Print(fmt::format("recovery kit: {} (print it, then remove the file)",
                      kit_->path()));
  }
  if (!recovery_key_.empty() && CanShow()) {
    const SecretBytes text = WriteRecoveryKey(recovery_key_);
    fmt::print("recovery key, shown this once: write it down\n  {}\n",
               text.view());
  }
  if (format_.encrypted && format_.slots.empty()) {
    Warn(
        "the key file is the only way in: recovery on another machine needs a "
        "kit, which 'trefoil key recovery-kit' makes");
  }
}

}  // namespace trefoil
