// SPDX-License-Identifier: Apache-2.0
// trefoil samba-conf.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "fs/base/env.h"
#include "fs/fuse/mount_table.h"
#include "tools/commands.h"
#include "tools/report.h"
#include "tools/volume_path.h"

namespace trefoil {
namespace {

constexpr size_t kShareNameBytesMax = 80;

struct SambaShare {
  std::string name;        // unused for homes
  std::string directory;   // absolute: what is shared
  std::string mountpoint;  // of the volume that it is in
  bool homes = false;      // each user's own directory below `directory`
  bool macos = false;
};

// shadow_copy2 comes first: below it a path in the past is an ordinary one.
// fruit stands above the streams that it translates, and glusterfs_fuse, which
// asks the filesystem itself, at the bottom.
constexpr const char* kModules =
    "shadow_copy2 acl_xattr streams_xattr glusterfs_fuse";
constexpr const char* kMacosModules =
    "shadow_copy2 acl_xattr catia fruit streams_xattr glusterfs_fuse";

constexpr const char* kSection =
    R"(# A share of a Trefoil volume, by 'trefoil samba-conf'; for smb.conf(5).
[{name}]
    path = {path}
    read only = no
{who}    vfs objects = {modules}

    # Previous Versions: a file's past is looked up by its path below the mount,
    # so that what was deleted or replaced has one too.
    shadow:mountpoint = {mountpoint}
    shadow:snapdir = .snapshots
    shadow:format = @GMT-%Y.%m.%d-%H.%M.%S
    shadow:localtime = no
    shadow:sort = desc
    shadow:snapdirseverywhere = no
    shadow:crossmountpoints = no
    shadow:fixinodes = no

    # Attributes, streams and NT ACLs are kept exactly, in extended attributes.
    ea support = yes
    store dos attributes = yes
    map archive = no
    map hidden = no
    map system = no
    map readonly = no
    inherit acls = yes

    # The mount has POSIX locks, and no leases or share modes.
    kernel oplocks = no
    kernel share modes = no
    posix locking = yes

    # A client's flush returns when the data are in the journal, on the disk;
    # space is not written before the data are.
    strict sync = yes
    strict allocate = no
)";

constexpr const char* kMacosSection = R"(
    # Finder's metadata are streams, its resource forks files beside: these may
    # be larger than an extended attribute.
    fruit:metadata = stream
    fruit:resource = file
    fruit:encoding = native
    fruit:posix_rename = yes
    fruit:zero_file_id = yes
    fruit:wipe_intentionally_left_blank_rfork = yes
    fruit:delete_empty_adfiles = yes
)";

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20; }

// smb.conf has no way of quoting: what would be read differently is refused.
Status CheckPath(const std::string& path) {
  const bool bad = std::any_of(path.begin(), path.end(), IsControl) ||
                   path.find_first_of("%\"") != std::string::npos ||
                   path.back() == '\\' || path.back() == ' ';
  if (!bad) return OkStatus();
  return {StatusCode::kInvalidArgument,
          fmt::format("{}: smb.conf can't name this path: it has a control "
                      "character, '%' or '\"', or ends in '\\' or a space",
                      path)};
}

Status CheckShareName(const std::string& name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  for (const char* taken : {"global", "homes", "printers", "print$", "ipc$"}) {
    if (lower == taken) {
      return {StatusCode::kInvalidArgument,
              fmt::format("share name '{}': means something else to Samba; "
                          "choose another with --share",
                          name)};
    }
  }
  const bool bad =
      name.empty() || name.size() > kShareNameBytesMax || name.front() == ' ' ||
      name.back() == ' ' || std::any_of(name.begin(), name.end(), IsControl) ||
      name.find_first_of("\"/\\[]:|<>+=;,*?%#") != std::string::npos;
  if (!bad) return OkStatus();
  return {StatusCode::kInvalidArgument,
          fmt::format("share name '{}': must have 1 to {} bytes and none of "
                      "\"/\\[]:|<>+=;,*?%#; choose another with --share",
                      name, kShareNameBytesMax)};
}

// What is shared, and the mount that it is in.
Result<SambaShare> FindShare(const std::string& argument) {
  TREFOIL_ASSIGN(const auto table, ReadMountTable());
  SambaShare share;
  share.directory = AbsolutePath(argument);
  TREFOIL_TRY(Env::Posix().Stat(share.directory).status());
  for (std::filesystem::path path = share.directory;;
       path = path.parent_path()) {
    const auto mount = FindMount(table, path.string());
    if (mount && mount->type == kFuseTypeName) {
      share.mountpoint = mount->mountpoint;
      return share;
    }
    if (mount || path == path.parent_path()) break;
  }
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(argument));
  if (location.mountpoint.empty()) {
    return Status(StatusCode::kUnavailable,
                  location.volume + ": is not mounted; mount it first");
  }
  share.directory = share.mountpoint = location.mountpoint;
  return share;
}

// A section of smb.conf(5).
Result<std::string> SambaSection(const SambaShare& share) {
  TREFOIL_TRY(CheckPath(share.directory));
  TREFOIL_TRY(CheckPath(share.mountpoint));
  if (!share.homes) TREFOIL_TRY(CheckShareName(share.name));
  std::string section = fmt::format(
      kSection, fmt::arg("name", share.homes ? "homes" : share.name),
      fmt::arg("path",
               share.homes ? JoinPath(share.directory, "%S") : share.directory),
      fmt::arg("who", share.homes
                          ? "    browseable = no\n    valid users = %S\n"
                          : ""),
      fmt::arg("modules", share.macos ? kMacosModules : kModules),
      fmt::arg("mountpoint", share.mountpoint));
  if (share.macos) section += kMacosSection;
  return section;
}

struct SambaConfArguments {
  std::string directory;
  std::string name;
  bool homes = false;
  bool macos = false;
};

int RunSambaConf(const SambaConfArguments& arguments) {
  auto share = FindShare(arguments.directory);
  if (!share.ok()) return Fail("samba-conf", share.status());
  share->homes = arguments.homes;
  share->macos = arguments.macos;
  share->name =
      arguments.name.empty()
          ? std::filesystem::path(share->directory).filename().string()
          : arguments.name;
  const Result<std::string> section = SambaSection(*share);
  if (!section.ok()) return Fail("samba-conf", section.status());
  fmt::print("{}", *section);
  return kExitOk;
}

}  // namespace

void AddSambaConfCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<SambaConfArguments>();
  CLI::App* command = trefoil.add_subcommand(
      "samba-conf", "Print a share definition for Samba");
  command
      ->add_option("MOUNTPOINT", arguments->directory,
                   "Where the volume is mounted, or a directory in it")
      ->required();
  CLI::Option* name =
      command->add_option("--share", arguments->name,
                          "The share's name instead of the directory's");
  command
      ->add_flag("--homes", arguments->homes,
                 "Share each user's own directory in it")
      ->excludes(name);
  command->add_flag("--macos", arguments->macos,
                    "Add what macOS clients expect");
  command->callback(
      [=] { *action = [=] { return RunSambaConf(*arguments); }; });
}

}  // namespace trefoil
