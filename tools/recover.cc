// SPDX-License-Identifier: Apache-2.0
// trefoil recover and trefoil takeover: a new volume from one target alone,
// and its way into service.
#include "replicator/recover.h"

#include <fmt/format.h>

#include "fs/control/client.h"
#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/secret_source.h"
#include "tools/target_arguments.h"
#include "tools/volume_path.h"
#include "tools/world.h"

namespace trefoil {
namespace {

struct RecoverArguments {
  std::string from;
  std::string volume;
  bool full = false;
  bool no_key_file = false;
  TargetArguments target;
  SecretArguments secret;
};

// The name of the target in the new volume's configuration.
const char* NameFor(const std::string& url) {
  return url.rfind("dir:", 0) == 0 ? "second" : "offsite";
}

Status Recover(const RecoverArguments& arguments) {
  TREFOIL_ASSIGN(
      const TargetSettings settings,
      ToSettings(NameFor(arguments.from), arguments.from, arguments.target));
  TREFOIL_ASSIGN(const std::unique_ptr<ObjectStore> store,
                 OpenForCommand(settings));
  RecoverOptions options;
  TREFOIL_ASSIGN(options.secret, SecretOfCopy(arguments.secret, *store));
  options.keep_key_file = !arguments.no_key_file;
  ProgressLine line;
  options.full = arguments.full;
  options.progress = [&](uint64_t done, uint64_t total) {
    line.Show(done, total,
              fmt::format("{} of {}", FormatBytes(done), FormatBytes(total)));
  };
  return RecoverVolume(RealWorld(), *store, settings, arguments.volume,
                       options);
}

int RunRecover(RecoverArguments arguments) {
  arguments.volume = AbsolutePath(arguments.volume);
  const Status recovered = Recover(arguments);
  if (!recovered.ok()) {
    const std::string advice = SecretAdvice(recovered);
    return Fail("recover", recovered,
                advice.empty() ? TargetAdvice(recovered) : advice);
  }
  Print(fmt::format(
      "{0}: recovered from {1}, detached\nnext: trefoil mount {0} MOUNTPOINT "
      "to look at it; trefoil takeover {0} to put it into service",
      arguments.volume, arguments.from));
  return kExitOk;
}

struct TakeoverArguments {
  std::string volume;
  SecretArguments secret;
};

Status Takeover(const TakeoverArguments& arguments) {
  TREFOIL_ASSIGN(const VolumeLocation location, FindVolume(arguments.volume));
  const auto client = ControlClient::Connect(location.volume);
  if (client.ok()) {
    return {
        StatusCode::kBusy,
        fmt::format("{}: mounted; 'trefoil umount' it first", location.volume)};
  }
  TREFOIL_ASSIGN(const auto secret,
                 SecretOfVolume(arguments.secret, location.volume));
  return TakeOver(RealWorld(), location.volume, secret.get());
}

int RunTakeover(const TakeoverArguments& arguments) {
  const Status taken = Takeover(arguments);
  if (!taken.ok()) return Fail("takeover", taken);
  Print(fmt::format(
      "{}: owns its copies from the next mount on; another machine that still "
      "has this volume will stop shipping",
      AbsolutePath(arguments.volume)));
  return kExitOk;
}

}  // namespace

void AddRecoverCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<RecoverArguments>();
  CLI::App* recover = trefoil.add_subcommand(
      "recover", "Make a new volume from one copy alone");
  recover
      ->add_option("--from", arguments->from,
                   "The copy: dir:/path or s3+https://host/bucket[/prefix]")
      ->type_name("URL")
      ->required();
  recover
      ->add_option("VOLUME", arguments->volume,
                   "A directory that is empty or not there yet")
      ->required();
  recover->add_flag("--full", arguments->full,
                    "Fetch everything before returning");
  recover->add_flag("--no-key-file", arguments->no_key_file,
                    "Keep no key in VOLUME: every mount needs a secret");
  AddCopySecretOptions(recover, &arguments->secret);
  AddTargetOptions(recover, &arguments->target);
  recover->callback([=] { *action = [=] { return RunRecover(*arguments); }; });
}

void AddTakeoverCommand(CLI::App& trefoil, Action* action) {
  const auto arguments = std::make_shared<TakeoverArguments>();
  CLI::App* takeover = trefoil.add_subcommand(
      "takeover", "Let a recovered volume own and ship to its copies");
  takeover->add_option("VOLUME", arguments->volume, "The recovered volume")
      ->required();
  AddSecretOptions(takeover, &arguments->secret);
  takeover->callback(
      [=] { *action = [=] { return RunTakeover(*arguments); }; });
}

}  // namespace trefoil
