// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/posix_acl.h"

#include <algorithm>
#include <cerrno>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

constexpr uint32_t kVersion = 2;
constexpr uint16_t kUserObj = 0x01;
constexpr uint16_t kUser = 0x02;
constexpr uint16_t kGroupObj = 0x04;
constexpr uint16_t kGroup = 0x08;
constexpr uint16_t kMask = 0x10;
constexpr uint16_t kOther = 0x20;
constexpr size_t kMaxEntries = 8000;

AclEntry* Find(Acl* acl, uint16_t tag) {
  const auto at =
      std::find_if(acl->begin(), acl->end(),
                   [tag](const AclEntry& e) { return e.tag == tag; });
  return at == acl->end() ? nullptr : &*at;
}

// The entry that the group bits of the mode stand for.
AclEntry* GroupClass(Acl* acl) {
  AclEntry* mask = Find(acl, kMask);
  return mask != nullptr ? mask : Find(acl, kGroupObj);
}

// Entries in the kernel's order, the three base entries once, a mask where
// there are named entries.
bool IsWellFormed(const Acl& acl) {
  int users = 0;
  int groups = 0;
  int others = 0;
  int masks = 0;
  bool named = false;
  for (size_t i = 0; i < acl.size(); ++i) {
    const AclEntry& entry = acl[i];
    if ((entry.permissions & ~7U) != 0) return false;
    if (i > 0 && entry.tag < acl[i - 1].tag) return false;
    if (i > 0 && entry.tag == acl[i - 1].tag && entry.id <= acl[i - 1].id) {
      return false;
    }
    users += entry.tag == kUserObj ? 1 : 0;
    groups += entry.tag == kGroupObj ? 1 : 0;
    others += entry.tag == kOther ? 1 : 0;
    masks += entry.tag == kMask ? 1 : 0;
    named |= entry.tag == kUser || entry.tag == kGroup;
    if (entry.tag == 0 || (entry.tag & (entry.tag - 1)) != 0 ||
        entry.tag > kOther) {
      return false;
    }
  }
  return users == 1 && groups == 1 && others == 1 && masks <= 1 &&
         (!named || masks == 1);
}

}  // namespace

Result<Acl> ParseAcl(std::string_view xattr) {
  ByteReader in(xattr);
  if (in.U32() != kVersion || in.remaining() % 8 != 0 ||
      in.remaining() / 8 > kMaxEntries) {
    return Status::Posix(EINVAL);
  }
  Acl acl;
  while (in.remaining() > 0) {
    AclEntry entry;
    entry.tag = in.U16();
    entry.permissions = in.U16();
    entry.id = in.U32();
    acl.push_back(entry);
  }
  // Ids of the unnamed entries mean nothing; comparing them must not matter.
  for (AclEntry& entry : acl) {
    if (entry.tag != kUser && entry.tag != kGroup) entry.id = ~0U;
  }
  if (!in.ok() || !IsWellFormed(acl)) return Status::Posix(EINVAL);
  return acl;
}

std::string EncodeAcl(const Acl& acl) {
  std::string bytes;
  ByteWriter out(&bytes);
  out.U32(kVersion);
  for (const AclEntry& entry : acl) {
    out.U16(entry.tag);
    out.U16(entry.permissions);
    out.U32(entry.id);
  }
  return bytes;
}

uint32_t ModeOfAcl(const Acl& acl, uint32_t mode) {
  Acl copy = acl;
  const uint32_t user = Find(&copy, kUserObj)->permissions;
  const uint32_t group = GroupClass(&copy)->permissions;
  const uint32_t other = Find(&copy, kOther)->permissions;
  return (mode & ~0777U) | user << 6 | group << 3 | other;
}

bool IsMinimalAcl(const Acl& acl) { return acl.size() == 3; }

Acl ChangeModeOfAcl(Acl acl, uint32_t mode) {
  Find(&acl, kUserObj)->permissions = static_cast<uint16_t>(mode >> 6 & 7);
  GroupClass(&acl)->permissions = static_cast<uint16_t>(mode >> 3 & 7);
  Find(&acl, kOther)->permissions = static_cast<uint16_t>(mode & 7);
  return acl;
}

Acl InheritAcl(Acl acl, uint32_t* mode) {
  AclEntry* user = Find(&acl, kUserObj);
  AclEntry* group = GroupClass(&acl);
  AclEntry* other = Find(&acl, kOther);
  user->permissions &= static_cast<uint16_t>(*mode >> 6 & 7);
  group->permissions &= static_cast<uint16_t>(*mode >> 3 & 7);
  other->permissions &= static_cast<uint16_t>(*mode & 7);
  *mode = ModeOfAcl(acl, *mode);
  return acl;
}

}  // namespace trefoil
