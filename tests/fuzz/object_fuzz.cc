// SPDX-License-Identifier: Apache-2.0
// Goal: no object of a medium or a peer, sealed or not, makes a reader crash,
// take memory without bound, or hand out frames that its writer did not write.
// Method: bytes as they are, and bytes whose checks are made right so that what
// lies behind them is reached: the header's, the frames' tags (with a key that
// the attacker would not have), the hash in the name.
#include <string>
#include <vector>

#include "fs/base/check.h"
#include "fs/base/hash.h"
#include "fs/object/object_reader.h"
#include "tests/fuzz/one_object.h"

namespace trefoil::fuzz {
namespace {

constexpr uint64_t kMaxBytes = 1U << 20;

std::vector<OpenedFrame> Read(const std::string& bytes, const Keyring& keyring,
                              Status* status) {
  std::vector<OpenedFrame> frames;
  const Result<ObjectHeader> header = DecodeObjectHeader(bytes);
  if (!header.ok()) {
    *status = header.status();
    return frames;
  }
  OneObject store(bytes);
  const std::string key = KeyOf(*header, bytes);
  *status = ReadObject(store, keyring, key, kMaxBytes,
                       [&](const ObjectHeader&, const OpenedFrame& frame) {
                         frames.push_back(frame);
                         return OkStatus();
                       });
  static_cast<void>(ReadObjectHeader(store, key));
  TREFOIL_CHECK(VerifyObjectHash(store, key, bytes.size()).ok());
  return frames;
}

// Any bytes, with a header whose check is right.
void ReadAnyBytes(FuzzInput* input) {
  std::string bytes(input->Rest());
  Status status;
  Read(bytes, Keyring::Plain(), &status);
  if (bytes.size() < kHeaderBytes) return;
  constexpr size_t kCheckBytes = 8;
  constexpr size_t kChecked = kHeaderBytes - kCheckBytes;
  const Hash256 check = Sha256::Of(std::string_view(bytes).substr(0, kChecked));
  bytes.replace(kChecked, kCheckBytes, check.view().substr(0, kCheckBytes));
  Read(bytes, Keyring::Plain(), &status);
  Read(bytes, FixedKeyring(), &status);
}

// What was written is what is read.
void ReadWritten(FuzzInput* input, const Keyring& keyring) {
  const ObjectHeader header = DrawHeader(input, ObjectKind::kPack, keyring);
  ObjectBuilder builder(header, keyring);
  std::vector<std::string> written;
  while (!input->AtEnd()) {
    written.emplace_back(input->Sized());
    builder.Append(FrameType::kBlock, written.back());
  }
  builder.Close();
  Status status;
  const auto frames = Read(builder.bytes(), keyring, &status);
  TREFOIL_CHECK(status.ok());
  TREFOIL_CHECK(frames.size() == written.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    TREFOIL_CHECK(frames[i].raw == written[i]);
  }
}

// A change anywhere is an error, even when the name is made to fit.
void ReadChanged(FuzzInput* input, const Keyring& keyring) {
  const ObjectHeader header = DrawHeader(input, ObjectKind::kPack, keyring);
  const uint64_t place = input->Number(2);
  const uint8_t change = input->Byte();
  ObjectBuilder builder(header, keyring);
  builder.Append(FrameType::kBlock, input->Rest());
  builder.Close();
  std::string bytes = builder.bytes();
  char& byte = bytes[static_cast<size_t>(place % bytes.size())];
  byte = static_cast<char>(byte ^ change);
  Status status;
  Read(bytes, keyring, &status);
  TREFOIL_CHECK(status.ok() == (change == 0));
}

// Frames with any fields and right tags.
void ReadHostile(FuzzInput* input, const Keyring& keyring) {
  const ObjectHeader header = DrawHeader(input, ObjectKind::kPack, keyring);
  ObjectBuilder builder(header, keyring);
  const bool close = (input->Byte() & 1) != 0;
  while (!input->AtEnd()) {
    const std::string_view fields = input->Take(16);
    builder.AppendRaw(fields, input->Sized());
  }
  if (close) builder.Close();
  Status status;
  Read(builder.bytes(), keyring, &status);
}

}  // namespace
}  // namespace trefoil::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil::fuzz;
  FuzzInput input(data, size);
  const uint8_t way = input.Byte();
  const trefoil::Keyring& keyring =
      (way & 4) != 0 ? FixedKeyring() : trefoil::Keyring::Plain();
  switch (way & 3) {
    case 0:
      ReadAnyBytes(&input);
      break;
    case 1:
      ReadWritten(&input, keyring);
      break;
    case 2:
      ReadChanged(&input, keyring);
      break;
    default:
      ReadHostile(&input, keyring);
  }
  return 0;
}
