// SPDX-License-Identifier: Apache-2.0
// `trefoil mount`, and the same under the names that mount(8) calls.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tools/commands.h"

namespace trefoil {

struct MountArguments {
  std::string volume;
  std::string mountpoint;
  bool foreground = false;
  bool read_only = false;
  bool sloppy = false;               // pass over unknown options
  bool helper = false;               // called by mount(8): its defaults apply
  std::vector<std::string> options;  // what follows each -o
  std::string log_file;
  std::string credentials_file;
  std::string passphrase_file;
  std::string key_command;
};

// The exit code; 0 in the background once the mount answers.
int RunMount(const MountArguments& arguments);

void AddMountCommand(CLI::App& trefoil, Action* action);
void AddUmountCommand(CLI::App& trefoil, Action* action);

// Whether the program was called as mount.trefoil or mount.fuse.trefoil.
bool IsMountHelper(std::string_view program);
// `mount.trefoil SPEC DIR [-sfnv] [-o OPTIONS] [-t TYPE]`, as mount(8) calls
// it. The exit code.
int RunMountHelper(int argc, char** argv);

}  // namespace trefoil
