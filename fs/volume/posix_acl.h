// SPDX-License-Identifier: Apache-2.0
// POSIX ACLs in their xattr form (version 2, as in linux/posix_acl_xattr.h):
// inheritance and keeping mode bits and ACL in step. The kernel checks
// permissions; the arithmetic here is that of its fs/posix_acl.c. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/status.h"

namespace trefoil {

inline constexpr std::string_view kAclAccessXattr = "system.posix_acl_access";
inline constexpr std::string_view kAclDefaultXattr = "system.posix_acl_default";

struct AclEntry {
  uint16_t tag = 0;
  uint16_t permissions = 0;
  uint32_t id = 0;
};
using Acl = std::vector<AclEntry>;

// EINVAL for anything the kernel would refuse too.
Result<Acl> ParseAcl(std::string_view xattr);
std::string EncodeAcl(const Acl& acl);

// The permission bits that `acl` stands for, over `mode`.
uint32_t ModeOfAcl(const Acl& acl, uint32_t mode);
// Whether mode bits alone say everything that `acl` says.
bool IsMinimalAcl(const Acl& acl);
// `acl` after chmod to `mode`.
Acl ChangeModeOfAcl(Acl acl, uint32_t mode);
// The access ACL of a new inode under default ACL `acl`; *mode is reduced to
// what the ACL grants.
Acl InheritAcl(Acl acl, uint32_t* mode);

}  // namespace trefoil
