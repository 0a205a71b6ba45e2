// SPDX-License-Identifier: Apache-2.0
#include "tools/recovery_kit.h"

#include <fmt/format.h>

#include <utility>

#include "fs/base/bytes.h"
#include "fs/base/clock.h"
#include "fs/volume/recovery_key.h"
#include "tools/qr_code.h"
#include "tools/report.h"
#include "tools/volume_path.h"

namespace trefoil {
namespace {

// Options of a target that say how it is reached.
constexpr std::pair<const char*, const char*> kTargetOptions[] = {
    {"region", "--region"},
    {"path_style", "--path-style"},
    {"ca_file", "--ca-file"},
};

std::string RecoverCommand(const TargetSettings& target) {
  std::string command =
      fmt::format("trefoil recover --from {}", ShellWord(target.url));
  for (const auto& [key, option] : kTargetOptions) {
    const auto value = target.options.find(key);
    if (value == target.options.end()) continue;
    command += fmt::format(" {} {}", option, ShellWord(value->second));
  }
  const auto plain = target.options.find("allow_plain_http");
  if (plain != target.options.end() && plain->second == "true") {
    command += " --allow-plain-http";
  }
  return command + " \\\n           --recovery-key-file kit.txt /srv/trefoil";
}

std::string Head(const RecoveryKit& kit) {
  return fmt::format(
      "TREFOIL RECOVERY KIT\n"
      "\n"
      "With this page and any one copy of the volume everything in it can be\n"
      "brought back, and read. Print it. Keep it where you keep contracts, "
      "not\n"
      "beside a copy.\n"
      "\n"
      "Volume:        {}\n"
      "Date:          {}\n",
      ToHex({kit.volume_id.data(), kit.volume_id.size()}),
      FormatUtc(kit.time_nanos));
}

std::string Foot(const RecoveryKit& kit) {
  std::string text = "\nCopies of the volume:\n";
  for (const TargetSettings& target : kit.targets) {
    text += fmt::format("  {:12} {}\n", target.name, target.url);
  }
  if (kit.targets.empty()) text += "  none yet; write them down here:\n";
  text +=
      "\n"
      "On a blank machine with Debian 12, as root:\n"
      "\n"
      "  1. Install Trefoil: apt install ./trefoil_*.deb\n"
      "     (its README says how to build the package)\n"
      "  2. Write the recovery key, or this page, into the file kit.txt\n"
      "  3. Bring the volume back from one of the copies. For an object "
      "store,\n"
      "     set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY first.\n";
  for (const TargetSettings& target : kit.targets) {
    text += fmt::format("       {}\n", RecoverCommand(target));
  }
  if (kit.targets.empty()) {
    text +=
        "       trefoil recover --from URL \\\n"
        "           --recovery-key-file kit.txt /srv/trefoil\n";
  }
  text +=
      "  4. Look at it: mkdir -p /srv/share; trefoil mount /srv/trefoil "
      "/srv/share\n"
      "  5. When it is to take the place of the lost machine:\n"
      "       trefoil umount /srv/share\n";
  if (kit.targets.size() > 1) {
    text +=
        "       trefoil target add /srv/trefoil NAME URL    (each other "
        "copy)\n";
  }
  text += "       trefoil takeover /srv/trefoil\n";
  return text;
}

}  // namespace

SecretBytes RecoveryKitText(const RecoveryKit& kit) {
  const SecretBytes key = WriteRecoveryKey(kit.recovery_key);
  const SecretBytes code = QrCode(key.view(), "  ");
  const std::string head = Head(kit);
  const std::string foot = Foot(kit);
  constexpr std::string_view kLabel = "Recovery key:  ";
  std::string text;
  // Never moved while it grows: nothing is left behind uncleared.
  text.reserve(head.size() + foot.size() + kLabel.size() + key.size() +
               code.size() + 16);
  text += head;
  text += kLabel;
  text += key.view();
  text += "\n\n";
  text += code.view();
  text += foot;
  SecretBytes out(text);
  ClearSecret(text);
  return out;
}

NewSecretFile::NewSecretFile(std::string path, std::unique_ptr<File> file)
    : path_(std::move(path)), file_(std::move(file)) {}

NewSecretFile::~NewSecretFile() {
  // The failure that led here is the one to report.
  if (!keep_) static_cast<void>(Env::Posix().Remove(path_));
}

Result<std::unique_ptr<NewSecretFile>> NewSecretFile::Create(
    const std::string& path) {
  const std::string absolute = AbsolutePath(path);
  auto file = Env::Posix().Open(absolute, OpenMode::kCreateExclusive);
  if (file.status().Is(StatusCode::kAlreadyExists)) {
    return Status(StatusCode::kAlreadyExists,
                  path +
                      ": is there already and never overwritten; choose "
                      "another name");
  }
  TREFOIL_TRY(file.status());
  return std::unique_ptr<NewSecretFile>(
      new NewSecretFile(absolute, std::move(*file)));
}

Status NewSecretFile::Write(const SecretBytes& text) {
  TREFOIL_TRY(file_->WriteAt(0, text.view()));
  TREFOIL_TRY(file_->Sync());
  return Env::Posix().SyncDir(DirName(path_));
}

}  // namespace trefoil
