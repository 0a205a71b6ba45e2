// SPDX-License-Identifier: Apache-2.0
// Goal: no owner claim of a target makes its reader crash, and one that was
// changed is not believed.
// Method: the input as a claim's bytes, as its key, and as a change to a claim.
#include <string>

#include "fs/base/check.h"
#include "replicator/owner.h"
#include "tests/fuzz/one_object.h"

namespace trefoil::fuzz {
namespace {

class FixedRandom final : public Random {
 public:
  void Fill(std::span<char> out) override {
    for (char& c : out) c = 'r';
  }
};

void CheckChange(FuzzInput* input, const Keyring& keyring) {
  OwnerClaim claim;
  claim.volume_id.fill('v');
  claim.name.generation = Generation(input->Byte());
  claim.base_seq = CommitSeq(input->Byte());
  FixedRandom random;
  Result<std::string> bytes = EncodeClaim(claim, keyring, random);
  TREFOIL_CHECK(bytes.ok());
  TREFOIL_CHECK(DecodeClaim(*bytes, keyring).ok());
  const size_t place = static_cast<size_t>(input->Number(2)) % bytes->size();
  const uint8_t change = input->Byte();
  (*bytes)[place] = static_cast<char>((*bytes)[place] ^ change);
  TREFOIL_CHECK(DecodeClaim(*bytes, keyring).ok() == (change == 0));
}

}  // namespace
}  // namespace trefoil::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  fuzz::FuzzInput input(data, size);
  const uint8_t way = input.Byte();
  const Keyring& keyring =
      (way & 1) != 0 ? fuzz::FixedKeyring() : Keyring::Plain();
  if ((way & 2) != 0) {
    fuzz::CheckChange(&input, keyring);
    return 0;
  }
  const std::string text(input.Rest());
  static_cast<void>(DecodeClaim(text, keyring));
  const auto name = ParseClaimKey(text);
  if (name) TREFOIL_CHECK(ClaimKey(*name) == text);
  return 0;
}
