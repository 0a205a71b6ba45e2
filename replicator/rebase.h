// SPDX-License-Identifier: Apache-2.0
// Re-basing: a target that can't be brought up to date commit by commit,
// because the primary has let go of a commit or a pack that it lacks (O8), gets
// the state of a later commit whole: every object that holds blocks of it, then
// a checkpoint. Only then does the watermark move (O3), and nothing that the
// target holds goes before. A new target of an old volume begins like this.
//
// Thread rule: a function over thread-safe sources.
#pragma once

#include "replicator/backlog.h"

namespace trefoil {

// The newest checkpoint, of a commit after `watermark`, with what the target
// lacks of its state; written by the volume when there is none, or when
// something that the one there needs has been let go since. What the target
// holds already is not sent again. May take as long as writing a checkpoint.
// kNotFound: the primary itself lost an object that its tree needs.
Result<Backlog::Item> PlanRebase(CommitSource& source, CommitSeq watermark,
                                 const HeldObjects& held);

}  // namespace trefoil
