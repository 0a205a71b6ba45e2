// SPDX-License-Identifier: Apache-2.0
// Goal: no commit or checkpoint, whatever its frames say, makes a reader crash
// or hand out what a writer could not have written: packs without end, entries
// out of order, deletions in a checkpoint.
// Method: frames of the input's bytes, sealed with right tags and names.
#include <string>
#include <utility>

#include "fs/base/check.h"
#include "fs/object/commit.h"
#include "tests/fuzz/one_object.h"

namespace trefoil::fuzz {
namespace {

constexpr uint8_t kInfoTag = 1;
constexpr uint8_t kDeltaTag = 2;

// The description that fits the header, so that what follows it is reached.
std::string InfoOf(const ObjectHeader& header, std::string_view rest) {
  std::string raw(1, static_cast<char>(kInfoTag));
  const auto put = [&](uint64_t value) {
    for (int i = 0; i < 8; ++i)
      raw.push_back(static_cast<char>(value >> 8 * i));
  };
  put(header.number);
  put(header.generation.value);
  for (int i = 0; i < 4; ++i) put(0);
  raw.push_back('\0');
  if (rest.empty()) rest = std::string_view("\0\0", 2);
  return raw + std::string(rest);
}

ObjectBuilder Build(FuzzInput* input, const ObjectHeader& header,
                    const Keyring& keyring) {
  ObjectBuilder builder(header, keyring);
  builder.Append(FrameType::kMeta, InfoOf(header, input->Sized()));
  while (!input->AtEnd()) {
    const uint8_t type = input->Byte();
    if (type % 4 == 0) {
      builder.Append(FrameType::kBlock, input->Sized());
    } else if (type % 4 == 1) {
      builder.Append(FrameType::kMeta, input->Sized());
    } else {
      std::string delta(1, static_cast<char>(kDeltaTag));
      builder.Append(FrameType::kMeta, delta.append(input->Sized()));
    }
  }
  builder.Close();
  return builder;
}

void Check(const ObjectHeader& header, const std::string& bytes,
           const Keyring& keyring) {
  OneObject store(bytes);
  const std::string key = KeyOf(header, bytes);
  std::pair<uint8_t, std::string> last;
  bool first = true;
  uint64_t packs = 0;
  const Status read = ReadCommit(
      store, keyring, key,
      [&](const ObjectHeader&, const CommitInfo& info) {
        packs = info.packs_added.size() + info.packs_retired.size();
        return OkStatus();
      },
      [&](const DeltaEntry& entry) {
        const std::pair<uint8_t, std::string> now(entry.family, entry.key);
        TREFOIL_CHECK(first || last < now);
        TREFOIL_CHECK(entry.family < kDeltaFamilies);
        TREFOIL_CHECK(entry.value || header.kind == ObjectKind::kCommit);
        last = now;
        first = false;
        return OkStatus();
      });
  const Result<CommitInfo> info = ReadCommitInfo(store, keyring, key);
  TREFOIL_CHECK(!read.ok() || info.ok());
  TREFOIL_CHECK(packs * sizeof(PackRef::size_bytes) <= bytes.size() * 64);
}

}  // namespace
}  // namespace trefoil::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  fuzz::FuzzInput input(data, size);
  const uint8_t way = input.Byte();
  const Keyring& keyring =
      (way & 1) != 0 ? fuzz::FixedKeyring() : Keyring::Plain();
  const ObjectKind kind =
      (way & 2) != 0 ? ObjectKind::kCheckpoint : ObjectKind::kCommit;
  const ObjectHeader header = fuzz::DrawHeader(&input, kind, keyring);
  fuzz::Check(header, fuzz::Build(&input, header, keyring).bytes(), keyring);
  return 0;
}
