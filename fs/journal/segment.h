// SPDX-License-Identifier: Apache-2.0
// A segment in use: its file and what its header says.
//
// Thread rule: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "fs/base/env.h"
#include "fs/base/mutex.h"
#include "fs/journal/record.h"
#include "fs/journal/scanner.h"
#include "fs/journal/segment_pool.h"

namespace trefoil::journal {

class Segment {
 public:
  // A segment that an earlier opening wrote; `found` has a header.
  explicit Segment(const SegmentFile& found);
  // A segment to be: `spare` becomes it when it is activated.
  Segment(const SegmentHeader& header, SpareSegment spare);

  // Gives the file its name in `dir` and its header, the first time. Sets
  // `renamed` when it did: the directory is to be synced. An error is final.
  Status Activate(Env& env, const std::string& dir, bool* renamed)
      EXCLUDES(mu_);
  // Writes at `offset`, with what is written named in the error.
  Status Write(uint64_t offset, std::span<const std::string_view> parts);
  // Returns from where to start writeback now that the bytes up to `end` are
  // written, or `end` when too little has come together.
  uint64_t TakeWriteback(uint64_t end);
  // Reads data of a record, verified (O10): see Journal::ReadData.
  Status ReadData(const JournalPosition& position, std::span<char> out) const;

  [[nodiscard]] const SegmentHeader& header() const { return header_; }
  [[nodiscard]] uint64_t number() const { return header_.number; }
  [[nodiscard]] const std::shared_ptr<File>& file() const { return file_; }
  // Where the file is: its spare's path until it is activated.
  [[nodiscard]] std::string path() const EXCLUDES(mu_);

 private:
  const SegmentHeader header_;
  const uint64_t size_bytes_;
  const std::shared_ptr<File> file_;
  std::atomic<uint64_t> writeback_from_ = 0;

  mutable Mutex mu_;  // nothing is locked under it
  bool active_ GUARDED_BY(mu_);
  Status activation_ GUARDED_BY(mu_);
  std::string path_ GUARDED_BY(mu_);
};

}  // namespace trefoil::journal
