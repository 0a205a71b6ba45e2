// SPDX-License-Identifier: Apache-2.0
#include "tools/drill_scratch.h"

#include <fmt/format.h>

#include <algorithm>

#include "replicator/heads.h"
#include "tools/duration.h"
#include "tools/report.h"
#include "tools/world.h"

namespace trefoil {
namespace {

constexpr uint64_t kJournalBytes = 16ULL << 20;
constexpr uint64_t kSegmentBytes = 4ULL << 20;
// What a volume needs besides its objects, and what is left to others.
constexpr uint64_t kSpareBytes = 128ULL << 20;
// The index that is built of commits and checkpoints, beside them.
constexpr uint64_t kIndexFactor = 3;
// A file may need a pack of its own.
constexpr uint64_t kPackBytes = 16ULL << 20;
// Nobody is kept waiting but the drill.
constexpr int64_t kPatienceNanos = 600'000'000'000;

Status CheckSpace(const std::string& path, uint64_t bytes) {
  TREFOIL_ASSIGN(const SpaceInfo space, Env::Posix().Space(path));
  if (space.available_bytes >= bytes + kSpareBytes) return OkStatus();
  return {StatusCode::kNoSpace,
          fmt::format("{}: {} are free, the drill may need {}: choose another "
                      "place with --scratch, or a smaller --sample",
                      path, FormatBytes(space.available_bytes),
                      FormatBytes(bytes + kSpareBytes))};
}

Status RecoverInto(const DrillScratchOptions& options,
                   const std::string& path) {
  const CopyHead head =
      FindHead(*options.store, options.secret, options.at_seq);
  TREFOIL_TRY(head.status);
  uint64_t bytes = 0;
  for (const ChainLink& link : head.chain.links) bytes += link.size_bytes;
  TREFOIL_TRY(CheckSpace(options.parent, bytes * kIndexFactor));
  RecoverOptions recover;
  recover.at_seq = options.at_seq;
  recover.at_nanos = options.at_nanos;
  recover.strangers = head.strangers;
  recover.secret = options.secret;
  recover.keep_key_file = false;
  recover.fetch.stop = options.stop;
  return RecoverVolume(RealWorld(), *options.store, options.target, path,
                       recover)
      .status();
}

}  // namespace

Result<std::unique_ptr<DrillScratch>> DrillScratch::Recover(
    const DrillScratchOptions& options) {
  auto directory = ScratchDirectory::Create(Env::Posix(), Random::System(),
                                            options.parent, "trefoil-drill-");
  TREFOIL_TRY(directory.status().WithContext("the drill's scratch place"));
  std::unique_ptr<DrillScratch> scratch(
      new DrillScratch(std::move(*directory)));
  TREFOIL_TRY(RecoverInto(options, scratch->path()));
  TREFOIL_TRY(scratch->Open(options));
  return scratch;
}

Status DrillScratch::Open(const DrillScratchOptions& options) {
  VolumeOptions open;
  open.background = false;
  open.journal_capacity_bytes = kJournalBytes;
  open.journal_segment_bytes = kSegmentBytes;
  open.heal_wait_nanos = kPatienceNanos;
  if (options.secret.kind != Secret::Kind::kNone) {
    open.secret = std::make_shared<const Secret>(options.secret);
  }
  TREFOIL_ASSIGN(volume_, Volume::Open(RealWorld(), path(), open));
  copies_ = {{options.target.name, options.store}};
  volume_->SetCopies(copies_);
  return OkStatus();
}

DrillScratch::~DrillScratch() {
  hydrator_.reset();
  if (volume_ == nullptr) return;
  volume_->WakeWaiters();
  volume_->SetCopies({});
  // What it holds is thrown away.
  static_cast<void>(volume_->Close());
}

Status DrillScratch::CheckRoom(uint64_t files, uint64_t bytes) {
  TREFOIL_ASSIGN(const auto missing, volume_->MissingPacks());
  uint64_t all = 0;
  for (const ObjectInfo& pack : missing) all += pack.size_bytes;
  const uint64_t sample = bytes + files * kPackBytes;
  return CheckSpace(DirName(path()), files == 0 ? all : std::min(all, sample));
}

void DrillScratch::FetchAll() {
  hydrator_ = std::make_unique<Hydrator>(RealWorld(), *volume_, copies_,
                                         HydratorOptions{});
  hydrator_->Start();
}

}  // namespace trefoil
