// SPDX-License-Identifier: Apache-2.0
#include "tools/mount.h"

#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>

#include "tools/daemonize.h"
#include "tools/mount_options.h"
#include "tools/mount_point.h"
#include "tools/mount_serve.h"
#include "tools/report.h"

namespace trefoil {
namespace {

std::string Absolute(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

Result<MountSettings> ToSettings(const MountArguments& arguments) {
  MountSettings settings;
  // A share is for many; others than root need fuse.conf's permission for it.
  settings.fuse.allow_other = geteuid() == 0;
  // mount(8) names these two only where they are off.
  settings.fuse.suid = settings.fuse.dev = arguments.helper && geteuid() == 0;
  for (const std::string& options : arguments.options) {
    TREFOIL_TRY(AddMountOptions(options, arguments.sloppy, &settings));
  }
  if (!arguments.log_file.empty()) {
    settings.log_file = Absolute(arguments.log_file);
  }
  if (!arguments.credentials_file.empty()) {
    settings.credentials_file = Absolute(arguments.credentials_file);
  }
  SecretArguments& secret = settings.secret;
  if (arguments.passphrase_file == "-") {
    secret.passphrase_file = arguments.passphrase_file;
  } else if (!arguments.passphrase_file.empty()) {
    secret.passphrase_file = Absolute(arguments.passphrase_file);
  }
  if (!arguments.key_command.empty()) {
    secret.key_command = arguments.key_command;
  }
  if (!secret.passphrase_file.empty() && !secret.key_command.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  "either a passphrase file or a key command, not both");
  }
  return settings;
}

Status Remount(const std::string& mountpoint, const MountSettings& settings) {
  if (mount(nullptr, mountpoint.c_str(), nullptr,
            MS_REMOUNT | MountFlags(settings), nullptr) != 0) {
    return Status::FromErrno(errno, "remounting " + mountpoint);
  }
  return OkStatus();
}

Result<MountPlan> MakePlan(const MountArguments& arguments,
                           const MountSettings& settings) {
  MountPlan plan;
  plan.settings = settings;
  plan.read_only = arguments.read_only;
  const Result<std::string> volume = CanonicalPath(arguments.volume);
  if (volume.status().Is(StatusCode::kNotFound)) {
    return Status(StatusCode::kNotFound,
                  fmt::format("{0}: no such volume: 'trefoil init {0}' makes "
                              "one",
                              arguments.volume));
  }
  TREFOIL_ASSIGN(plan.volume, volume);
  TREFOIL_ASSIGN(plan.mountpoint,
                 PrepareMountpoint(arguments.mountpoint, settings.nonempty));
  // What is typed is taken before the terminal is left.
  if (SecretIsTyped(settings.secret, plan.volume)) {
    TREFOIL_ASSIGN(plan.secret, SecretOfVolume(settings.secret, plan.volume));
  }
  return plan;
}

// Takes `-x VALUE` or `-xVALUE` at `*at`.
std::string TakeValue(int argc, char** argv, int* at) {
  const std::string_view word = argv[*at];
  if (word.size() > 2) return std::string(word.substr(2));
  return *at + 1 < argc ? argv[++*at] : "";
}

struct HelperCall {
  MountArguments arguments;
  std::vector<std::string> places;
  bool fake = false;
  std::string unknown;  // an option that is none
};

void TakeFlags(std::string_view flags, HelperCall* call) {
  for (const char flag : flags) {
    switch (flag) {
      case 's':
        call->arguments.sloppy = true;
        break;
      case 'f':
        call->fake = true;
        break;
      case 'n':  // there is no /etc/mtab to write
      case 'v':
        break;
      default:
        call->unknown = std::string("-") + flag;
    }
  }
}

HelperCall ParseHelperCall(int argc, char** argv) {
  HelperCall call;
  call.arguments.helper = true;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.size() < 2 || word[0] != '-') {
      call.places.emplace_back(word);
    } else if (word[1] == 'o') {
      call.arguments.options.push_back(TakeValue(argc, argv, &i));
    } else if (word[1] == 't' || word[1] == 'N') {
      TakeValue(argc, argv, &i);
    } else {
      TakeFlags(word.substr(1), &call);
    }
  }
  return call;
}

}  // namespace

int RunMount(const MountArguments& arguments) {
  const Result<MountSettings> settings = ToSettings(arguments);
  if (!settings.ok()) return Fail("mount", settings.status());
  if (settings->remount) {
    const Status remounted = Remount(arguments.mountpoint, *settings);
    return remounted.ok() ? kExitOk : Fail("mount", remounted);
  }
  const Result<MountPlan> plan = MakePlan(arguments, *settings);
  if (!plan.ok()) return Fail("mount", plan.status());
  if (!arguments.foreground) {
    return RunInBackground(
        [&](StartupReport& report) { return ServeMount(*plan, report); });
  }
  StartupReport report;
  return ServeMount(*plan, report);
}

void AddMountCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<MountArguments>();
  CLI::App* mount = trefoil.add_subcommand(
      "mount", "Mount a volume and keep its copies up to date");
  mount->add_option("VOLUME", arguments->volume, "The volume's directory")
      ->required();
  mount->add_option("MOUNTPOINT", arguments->mountpoint, "An empty directory")
      ->required();
  mount->add_flag("-f,--foreground", arguments->foreground,
                  "Stay in the foreground and log to stderr");
  mount
      ->add_option("-o", arguments->options,
                   "Mount options, separated by commas")
      ->type_name("OPTIONS")
      ->allow_extra_args(false);
  mount->add_option("--log-file", arguments->log_file,
                    "Log to this file instead of the system's log");
  mount->add_option("--credentials-file", arguments->credentials_file,
                    "AWS credentials file for the offsite copy");
  mount
      ->add_option("--passphrase-file", arguments->passphrase_file,
                   "Open the volume with the passphrase in this file; - is "
                   "standard input")
      ->type_name("FILE");
  mount
      ->add_option("--key-command", arguments->key_command,
                   "Open the volume with the key that this command prints")
      ->type_name("COMMAND")
      ->excludes("--passphrase-file");
  mount->add_flag("--read-only", arguments->read_only,
                  "Change nothing, not even the volume's own files");
  mount->callback([=] { *action = [=] { return RunMount(*arguments); }; });
}

bool IsMountHelper(std::string_view program) {
  const size_t slash = program.rfind('/');
  if (slash != std::string_view::npos) program.remove_prefix(slash + 1);
  return program == "mount.trefoil" || program == "mount.fuse.trefoil";
}

int RunMountHelper(int argc, char** argv) {
  HelperCall call = ParseHelperCall(argc, argv);
  if (!call.unknown.empty() || call.places.size() != 2) {
    const std::string what =
        call.unknown.empty()
            ? "expected VOLUME and MOUNTPOINT"
            : fmt::format("option {} is not known", call.unknown);
    Fail("mount", Status(StatusCode::kInvalidArgument, what),
         "usage: mount.trefoil VOLUME MOUNTPOINT [-sfnv] [-o OPTIONS]");
    return kExitUsage;
  }
  if (call.fake) return kExitOk;
  call.arguments.volume = call.places[0];
  call.arguments.mountpoint = call.places[1];
  return RunMount(call.arguments);
}

}  // namespace trefoil
