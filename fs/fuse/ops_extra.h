// SPDX-License-Identifier: Apache-2.0
// The requests that libfuse 3.14 does not know, answered from the raw message:
// TMPFILE (a file without a name) and STATX (the time of birth). Private to
// this folder. Thread rule: as for Request.
#pragma once

#include <span>

#include "fs/volume/volume.h"

namespace trefoil {

// True when `message` was one of them: it has been answered through `fd`.
bool ServeExtra(Volume& volume, int fd, std::span<const char> message) noexcept;

// Tells the kernel that the attributes of `node` are not what it knows. Call it
// with no lock held.
void NotifyAttributes(int fd, NodeId node);
// Tells it that the pages of `node` are not what the file holds. Comes back
// when they are dropped, for which the kernel may write some of them first:
// another thread must be there to answer.
void NotifyPages(int fd, NodeId node);

}  // namespace trefoil
