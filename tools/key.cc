// SPDX-License-Identifier: Apache-2.0
// trefoil key: the ways in to an encrypted volume, on VOLUME or where it is
// mounted. Each change is one new volume object; a mounted volume is told to
// take it up, and what crosses its socket is of use to nobody who has not
// opened it already.
#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "fs/base/bytes.h"
#include "fs/control/client.h"
#include "fs/volume/key_change.h"
#include "fs/volume/recovery_key.h"
#include "tools/commands.h"
#include "tools/passphrase.h"
#include "tools/recovery_kit.h"
#include "tools/report.h"
#include "tools/secret_source.h"
#include "tools/volume_client.h"
#include "tools/volume_path.h"
#include "tools/world.h"

namespace trefoil {
namespace {

constexpr std::string_view kKeyFileWay = "key-file";
constexpr size_t kMaxLabelBytes = 256;

struct KeyArguments {
  std::string volume;
  SecretArguments secret;
  std::string new_passphrase_file;
  std::string label;
  std::string way;  // a number, or kKeyFileWay
  uint32_t number = 0;
  bool key_file = false;
  std::string file;
  bool reseal = false;
};

// A change under way, and where.
struct Changing {
  VolumeLocation location;
  std::unique_ptr<KeyChange> change;
  bool by_volume_key = false;  // that was given, not the key file's
};

Result<Changing> Begin(const KeyArguments& arguments) {
  Changing changing;
  TREFOIL_ASSIGN(changing.location, FindVolume(arguments.volume));
  const std::string& volume = changing.location.volume;
  TREFOIL_ASSIGN(const auto secret, SecretOfVolume(arguments.secret, volume));
  changing.by_volume_key =
      secret != nullptr && secret->kind == Secret::Kind::kVolumeKey;
  TREFOIL_ASSIGN(changing.change,
                 KeyChange::Begin(RealWorld(), volume, secret.get()));
  return changing;
}

// Makes the change, and tells a mounted volume.
Status Finish(Changing& changing) {
  TREFOIL_TRY(changing.change->Finish());
  const auto client = ControlClient::Connect(changing.location.volume);
  if (!client.ok()) {
    Print("the copies get it when the volume is mounted again");
    return OkStatus();
  }
  const auto told = (*client)->Call(
      "reload-keys", {{"handed_over", ToHex(changing.change->HandOver())}},
      kControlTimeoutNanos);
  if (!told.ok()) {
    Warn(
        fmt::format("the mounted volume goes on with the keys that it has "
                    "until it is mounted again: {}",
                    told.status().message()));
  }
  Print("the copies get it now");
  return OkStatus();
}

// The same where `file` (null: none) holds a secret that the change brings: it
// goes only when the change surely did not come about.
Status Finish(Changing& changing, NewSecretFile* file) {
  const Status done = Finish(changing);
  if (file == nullptr || !changing.change->may_count()) return done;
  file->Keep();
  if (!done.ok()) {
    Warn(fmt::format("{} is kept: what is in it may open the volume by now",
                     file->path()));
  }
  return done;
}

Result<SecretBytes> NewPassphrase(const KeyArguments& arguments) {
  if (!arguments.new_passphrase_file.empty()) {
    return ReadPassphraseFile(arguments.new_passphrase_file);
  }
  if (!CanAsk()) {
    return Status(StatusCode::kInvalidArgument,
                  "nobody can be asked for the new passphrase; give "
                  "--new-passphrase-file");
  }
  TREFOIL_ASSIGN(SecretBytes passphrase, AskNewPassphrase("New passphrase: "));
  if (!passphrase.empty()) return passphrase;
  return Status(StatusCode::kInvalidArgument, "no passphrase was given");
}

std::string LineOf(const KeySlot& slot) {
  return fmt::format("{:<9} {:13} {}{}{}", slot.id, SlotKindName(slot.kind),
                     FormatUtc(slot.created_nanos),
                     slot.label.empty() ? "" : "  ", slot.label);
}

Status List(const KeyArguments& arguments) {
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.volume));
  LocalTree objects(Env::Posix(), JoinPath(location.volume, "objects"));
  TREFOIL_ASSIGN(const VolumeObject object, ReadVolumeObject(objects));
  if (!object.encrypted) {
    Print("the volume is not encrypted");
    return OkStatus();
  }
  for (const KeySlot& slot : object.slots) Print(OneLine(LineOf(slot)));
  const std::string key_file = KeyFilePath(location.volume);
  if (Env::Posix().Exists(key_file)) {
    Print(fmt::format("{:<9} {:13} {}", kKeyFileWay, "volume key", key_file));
  }
  return OkStatus();
}

Status Add(const KeyArguments& arguments) {
  TREFOIL_ASSIGN(Changing changing, Begin(arguments));
  KeyChange& change = *changing.change;
  if (arguments.key_file) {
    change.keep_key_file = true;
    return Finish(changing);
  }
  if (arguments.label.size() > kMaxLabelBytes) {
    return {StatusCode::kInvalidArgument, "the label is too long"};
  }
  NewSlot slot;
  slot.label = arguments.label;
  TREFOIL_ASSIGN(slot.secret, NewPassphrase(arguments));
  const World world = RealWorld();
  TREFOIL_ASSIGN(const uint32_t id, AddSlot(slot, world.clock, world.random,
                                            &change.secrets, &change.object));
  TREFOIL_TRY(Finish(changing));
  Print(fmt::format("added: {}", id));
  return OkStatus();
}

std::optional<uint32_t> ParseNumber(const std::string& text) {
  uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

Status Remove(const KeyArguments& arguments) {
  const auto number = ParseNumber(arguments.way);
  if (!number && arguments.way != kKeyFileWay) {
    return {StatusCode::kInvalidArgument,
            fmt::format("{}: neither a number nor {}; 'trefoil key list' shows "
                        "what there is",
                        arguments.way, kKeyFileWay)};
  }
  TREFOIL_ASSIGN(Changing changing, Begin(arguments));
  KeyChange& change = *changing.change;
  if (number) {
    TREFOIL_TRY(RemoveSlot(*number, &change.secrets, &change.object));
  } else if (change.keep_key_file) {
    change.keep_key_file = false;
  } else {
    return {StatusCode::kNotFound, "no key file is kept"};
  }
  TREFOIL_TRY(Finish(changing));
  if (change.object.slots.empty()) {
    Warn(
        "the key file is the only way in: without it no copy can be read; "
        "'trefoil key recovery-kit' makes another one");
  }
  return OkStatus();
}

// The slot to change: the one that was named, or the only passphrase.
Result<uint32_t> PassphraseSlot(const KeyArguments& arguments,
                                const VolumeObject& object) {
  if (arguments.number != 0) return arguments.number;
  uint32_t found = 0;
  for (const KeySlot& slot : object.slots) {
    if (slot.kind != SlotKind::kPassphrase) continue;
    if (found != 0) {
      return Status(StatusCode::kInvalidArgument,
                    "there is more than one passphrase; say which with "
                    "--number ('trefoil key list')");
    }
    found = slot.id;
  }
  if (found != 0) return found;
  return Status(StatusCode::kNotFound,
                "there is no passphrase; 'trefoil key add' makes one");
}

Status ChangeOne(const KeyArguments& arguments) {
  TREFOIL_ASSIGN(Changing changing, Begin(arguments));
  KeyChange& change = *changing.change;
  TREFOIL_ASSIGN(const uint32_t id, PassphraseSlot(arguments, change.object));
  NewSlot passphrase;
  TREFOIL_ASSIGN(passphrase.secret, NewPassphrase(arguments));
  TREFOIL_TRY(ChangePassphrase(id, passphrase, RealWorld().random,
                               &change.secrets, &change.object));
  return Finish(changing);
}

Status MakeKit(const KeyArguments& arguments) {
  TREFOIL_ASSIGN(Changing changing, Begin(arguments));
  KeyChange& change = *changing.change;
  TREFOIL_ASSIGN(const VolumeConfig config,
                 LoadConfig(Env::Posix(), changing.location.volume));
  TREFOIL_ASSIGN(const auto file, NewSecretFile::Create(arguments.file));
  const World world = RealWorld();
  NewSlot slot;
  slot.kind = SlotKind::kRecoveryKey;
  slot.label = arguments.label;
  slot.secret = SecretBytes::Drawn(world.random, kRecoveryKeyBytes);
  TREFOIL_ASSIGN(const uint32_t id, AddSlot(slot, world.clock, world.random,
                                            &change.secrets, &change.object));
  // The page is safe before anything counts on it.
  TREFOIL_TRY(file->Write(
      RecoveryKitText({change.object.volume_id, world.clock.WallNanos(),
                       slot.secret, config.targets})));
  TREFOIL_TRY(Finish(changing, file.get()));
  Print(fmt::format("recovery kit {}: {} (print it, then remove the file)", id,
                    file->path()));
  return OkStatus();
}

// Whoever gets the volume key from a command of theirs must get the new one.
Result<std::unique_ptr<NewSecretFile>> PlaceForNewKey(
    const KeyArguments& arguments, const Changing& changing) {
  if (!arguments.file.empty()) return NewSecretFile::Create(arguments.file);
  if (changing.by_volume_key) {
    return Status(StatusCode::kInvalidArgument,
                  "the volume key changes, and no key file is kept; "
                  "--new-key-file takes the new one for the key command");
  }
  return std::unique_ptr<NewSecretFile>();
}

Status Rotate(const KeyArguments& arguments) {
  TREFOIL_ASSIGN(Changing changing, Begin(arguments));
  KeyChange& change = *changing.change;
  TREFOIL_ASSIGN(const auto file, PlaceForNewKey(arguments, changing));
  const World world = RealWorld();
  RotateKeys(world.clock, world.random, &change.secrets);
  change.reseal = arguments.reseal;
  if (file != nullptr) {
    TREFOIL_TRY(file->Write(WriteVolumeKey(change.secrets.volume_key)));
  }
  TREFOIL_TRY(Finish(changing, file.get()));
  Print(
      fmt::format("new objects are sealed under data key {}; passphrases "
                  "and recovery keys stay as they are",
                  change.secrets.data_keys.back().id));
  return OkStatus();
}

using Verb = Status (*)(const KeyArguments&);

struct Command {
  const char* name;
  const char* help;
  Verb verb;
};
constexpr Command kList = {"list", "Show the ways in", List};
constexpr Command kAdd = {"add", "Add a passphrase, or the key file", Add};
constexpr Command kRemove = {"remove", "Take a way in back", Remove};
constexpr Command kChange = {"change-passphrase",
                             "Put another passphrase in a passphrase's place",
                             ChangeOne};
constexpr Command kKit = {"recovery-kit",
                          "Add a recovery key, and write a page with it to "
                          "print",
                          MakeKit};
constexpr Command kRotate = {"rotate", "Make new keys for new objects", Rotate};

int RunVerb(const Command& command, const KeyArguments& arguments) {
  const Status done = command.verb(arguments);
  if (done.ok()) return kExitOk;
  return Fail(fmt::format("key {}", command.name), done, SecretAdvice(done));
}

CLI::App* AddVerb(CLI::App* key, const Command& command,
                  const std::shared_ptr<KeyArguments>& arguments,
                  Action* action) {
  CLI::App* verb = key->add_subcommand(command.name, command.help);
  verb->add_option("VOLUME", arguments->volume,
                   "The volume, or where it is mounted")
      ->required();
  if (command.verb != List) AddSecretOptions(verb, &arguments->secret);
  verb->callback(
      [=] { *action = [=] { return RunVerb(command, *arguments); }; });
  return verb;
}

CLI::Option* AddNewPassphrase(CLI::App* verb, KeyArguments* arguments) {
  return verb
      ->add_option("--new-passphrase-file", arguments->new_passphrase_file,
                   "A file with the new passphrase; - is standard input")
      ->type_name("FILE");
}

void AddLabel(CLI::App* verb, KeyArguments* arguments) {
  verb->add_option("--label", arguments->label, "A text to remember it by");
}

}  // namespace

void AddKeyCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<KeyArguments>();
  CLI::App* key = trefoil.add_subcommand(
      "key", "Show and change what opens an encrypted volume");
  key->require_subcommand(1);
  AddVerb(key, kList, arguments, action);

  CLI::App* add = AddVerb(key, kAdd, arguments, action);
  AddLabel(add, arguments.get());
  add->add_flag("--key-file", arguments->key_file,
                "Keep the volume key in VOLUME/key again")
      ->excludes(AddNewPassphrase(add, arguments.get()));

  CLI::App* remove = AddVerb(key, kRemove, arguments, action);
  remove
      ->add_option("WAY", arguments->way,
                   "Its number in 'trefoil key list', or key-file")
      ->required();

  CLI::App* change = AddVerb(key, kChange, arguments, action);
  AddNewPassphrase(change, arguments.get());
  change->add_option("--number", arguments->number,
                     "Which one, where there are several");

  CLI::App* kit = AddVerb(key, kKit, arguments, action);
  kit->add_option("FILE", arguments->file, "The page; never overwritten")
      ->required();
  AddLabel(kit, arguments.get());

  CLI::App* rotate = AddVerb(key, kRotate, arguments, action);
  rotate->add_flag("--reseal", arguments->reseal,
                   "Seal old objects anew, too, in the background");
  rotate
      ->add_option("--new-key-file", arguments->file,
                   "Write the new volume key to this file as well")
      ->type_name("FILE");
}

}  // namespace trefoil
