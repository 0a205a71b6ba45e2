// SPDX-License-Identifier: Apache-2.0
// The recovery kit: one page to print, with which anybody who can type brings
// a volume back on a blank machine.
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fs/base/secret.h"
#include "fs/volume/config.h"
#include "fs/volume/volume_object.h"

namespace trefoil {

struct RecoveryKit {
  VolumeId volume_id{};
  int64_t time_nanos = 0;
  SecretBytes recovery_key;  // kRecoveryKeyBytes
  std::vector<TargetSettings> targets;
};

// The page. FindRecoveryKey finds the key in it.
SecretBytes RecoveryKitText(const RecoveryKit& kit);

// A new file, mode 0600, that is gone again unless Keep is called.
class NewSecretFile {
 public:
  // kAlreadyExists: it is never overwritten.
  static Result<std::unique_ptr<NewSecretFile>> Create(const std::string& path);
  ~NewSecretFile();
  NewSecretFile(const NewSecretFile&) = delete;
  NewSecretFile& operator=(const NewSecretFile&) = delete;
  // Durable when OK.
  Status Write(const SecretBytes& text);
  void Keep() { keep_ = true; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  NewSecretFile(std::string path, std::unique_ptr<File> file);

  const std::string path_;
  const std::unique_ptr<File> file_;
  bool keep_ = false;
};

}  // namespace trefoil
