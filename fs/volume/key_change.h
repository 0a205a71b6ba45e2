// SPDX-License-Identifier: Apache-2.0
// A change of the ways in to an encrypted volume: a new passphrase, a removed
// slot, new keys. It becomes a new volume object on the primary, which a
// mounted volume ships to every target (replicator/side_objects.h).
//
// What is on disk opens at every moment, whenever the power fails: the next key
// file waits beside the present one (NextKeyFilePath) while the volume object
// is written, and older volume objects go last. The last way in stays.
// Thread rule: one thread. Changes by several processes exclude each other; the
// volume may be mounted meanwhile.
#pragma once

#include <memory>
#include <string>

#include "fs/volume/identity.h"
#include "fs/volume/volume.h"

namespace trefoil {

class KeyChange {
 public:
  // Opens the secrets, as UnlockPrimary. kBusy while another change is being
  // made, kInvalidArgument when the volume is not encrypted, kCorruption when
  // the volume object has a slot that its secrets don't know.
  static Result<std::unique_ptr<KeyChange>> Begin(
      World world, const std::string& volume_path, const Secret* given);

  // To be changed by the functions of identity.h.
  VolumeSecrets secrets;
  VolumeObject object;
  // Whether VOLUME/key is to be there afterwards.
  bool keep_key_file = false;
  // Whether what is sealed under older data keys is to be sealed anew.
  bool reseal = false;

  // Seals and writes all of it. kInvalidArgument when nothing would open the
  // volume any more.
  Status Finish();
  // Whether the change may count, whatever Finish answered: then a secret that
  // it brought must not be thrown away.
  [[nodiscard]] bool may_count() const { return may_count_; }
  // After Finish: the volume key in a box under the one before, for the mounted
  // volume, which has that one and perhaps no other way to the new.
  [[nodiscard]] std::string HandOver() const;

 private:
  KeyChange(World world, const std::string& volume_path);
  Status RemoveOlderObjects();

  const World world_;
  const std::string volume_path_;
  LocalTree objects_;
  std::unique_ptr<FileLock> lock_;
  SecretBytes opened_with_;  // the volume key as it was
  bool may_count_ = false;
};

}  // namespace trefoil
