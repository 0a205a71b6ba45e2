// SPDX-License-Identifier: Apache-2.0
// What a simulated disk keeps of what was not synced.
#include <algorithm>
#include <array>

#include "tests/support/sim_disk.h"

namespace trefoil {

namespace {

// The sectors of page `page` that have bytes of [start, end), a bit for each.
uint8_t SectorsBetween(uint64_t page, uint64_t start, uint64_t end) {
  uint32_t bits = 0;
  for (uint64_t sector = 0; sector < 8; ++sector) {
    const uint64_t at =
        page * SimDisk::kPageBytes + sector * SimDisk::kSectorBytes;
    if (at < end && at + SimDisk::kSectorBytes > start) bits |= 1U << sector;
  }
  return static_cast<uint8_t>(bits);
}

}  // namespace

void SimDisk::KeepSectors(Inode& file, const Change& change, uint8_t sectors) {
  if (file.durable_pages.size() <= change.page) {
    file.durable_pages.resize(change.page + 1);
  }
  PageRef& durable = file.durable_pages[change.page];
  const auto kept = static_cast<uint8_t>(change.sectors & sectors);
  if (kept != 0) durable = WithSectors(durable, change.content, kept);
}

// Change `number` gave the file a new end, and that is kept.
void SimDisk::KeepSize(Inode& file, size_t number) {
  const uint64_t old_size = file.durable_size;
  const uint64_t size = file.changes[number].size;
  file.durable_size = size;
  if (file.durable_pages.size() > PagesOf(size)) {
    file.durable_pages.resize(PagesOf(size));
  }
  if (is_unordered_) return;
  // What reached beyond the old end was written just before.
  size_t first = number;
  while (first > 0 && file.changes[first - 1].kind == Change::Kind::kPage) {
    --first;
  }
  for (; first < number; ++first) {
    const Change& change = file.changes[first];
    KeepSectors(file, change, SectorsBetween(change.page, old_size, size));
  }
}

// Makes the durable state what a cut now would leave.
void SimDisk::KeepPart(Inode& file, Keep keep, Generator& random) {
  if (keep == Keep::kNothing) return;
  if (keep == Keep::kAll && !file.diverged) {
    file.durable_pages = file.pages;
    file.durable_size = file.size;
    return;
  }
  // The size is one number on the disk: it has one of its values since.
  uint64_t sizes = static_cast<uint64_t>(std::count_if(
      file.changes.begin(), file.changes.end(),
      [](const Change& change) { return change.kind == Change::Kind::kSize; }));
  if (keep == Keep::kSome) sizes = random() % (sizes + 1);
  for (size_t i = 0; i < file.changes.size(); ++i) {
    const Change& change = file.changes[i];
    if (change.kind == Change::Kind::kPage) {
      // Each sector is left as this write made it, or as it was: taken over
      // all writes, any of its versions may be the last that got there.
      const uint64_t kept = keep == Keep::kAll ? kAllSectors : random();
      KeepSectors(file, change, static_cast<uint8_t>(kept));
    } else if (sizes > 0) {
      --sizes;
      KeepSize(file, i);
    }
  }
  file.durable_pages.resize(PagesOf(file.durable_size));
  // Beyond the end there are zeros, whatever was there.
  const uint64_t rest = file.durable_size % kPageBytes;
  if (rest == 0 || file.durable_pages.back() == nullptr) return;
  auto last = std::make_shared<Page>(*file.durable_pages.back());
  std::fill(last->begin() + static_cast<std::ptrdiff_t>(rest), last->end(),
            '\0');
  file.durable_pages.back() = std::move(last);
}

void SimDisk::KeepNames(Keep keep, Generator& random) {
  uint64_t decided = 0;
  bool kept = false;
  for (const NameChange& change : name_changes_) {
    if (change.operation != decided) {
      decided = change.operation;
      kept = keep == Keep::kAll || (keep == Keep::kSome && random() % 2 == 0);
    }
    if (kept) ApplyDurably(inodes_.at(change.directory), change);
  }
  name_changes_.clear();
}

void SimDisk::Crash(Generator& random) {
  constexpr std::array<Keep, 4> kWays = {Keep::kNothing, Keep::kAll,
                                         Keep::kSome, Keep::kSome};
  const Keep data = kWays[random() % kWays.size()];
  KeepNames(kWays[random() % kWays.size()], random);
  for (auto& [number, inode] : inodes_) {
    if (!inode.is_directory) KeepPart(inode, data, random);
    inode.changes.clear();
    inode.diverged = false;
    inode.is_free = false;
    inode.size = inode.durable_size;
    inode.pages = inode.durable_pages;
    inode.entries = inode.durable_entries;
    inode.opens = 0;
    inode.links = number == kRoot ? 1 : 0;
  }
  // Only what a name leads to is left.
  std::vector<std::pair<InodeNo, std::string>> reached = {{kRoot, "/"}};
  for (size_t at = 0; at < reached.size(); ++at) {
    const auto [number, path] = reached[at];
    Inode& inode = inodes_.at(number);
    inode.path = path;
    for (const auto& [name, child] : inode.entries) {
      if (inodes_.at(child).links++ == 0) {
        reached.emplace_back(child, JoinPath(path, name));
      }
    }
  }
  std::erase_if(inodes_,
                [](const auto& item) { return item.second.links == 0; });
  used_pages_ = 0;
  for (const auto& [number, inode] : inodes_) {
    used_pages_ += Allocated(inode);
  }
}

void SimDisk::CloseAll() {
  for (auto& [number, inode] : inodes_) {
    if (inode.opens == 0) continue;
    inode.opens = 0;
    DropIfUnused(number);
  }
}

}  // namespace trefoil
