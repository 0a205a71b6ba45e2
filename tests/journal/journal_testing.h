// SPDX-License-Identifier: Apache-2.0
// What the journal's tests share: a journal in a directory of its own, opened
// again and again, and segments made by hand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fs/journal/journal.h"
#include "fs/journal/record.h"
#include "tests/support/fault_env.h"
#include "tests/support/temp_dir.h"

namespace trefoil::journal {

inline constexpr uint64_t kTestSegmentBytes = 64 << 10;

struct Replayed {
  uint64_t lsn = 0;
  uint64_t epoch = 0;
  std::string meta;
  JournalPosition data;
  uint32_t data_length = 0;
};

// Bytes that differ from piece to piece and from seed to seed.
inline std::string Pattern(size_t size, uint64_t seed) {
  std::string out(size, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (char& c : out) {
    state = state * 6364136223846793005 + 1442695040888963407;
    c = static_cast<char>(state >> 56);
  }
  return out;
}

class JournalTest : public ::testing::Test {
 protected:
  // Closes the journal, if one is open, and opens it again.
  Status Open(uint64_t from = 0) {
    journal_.reset();
    replayed_.clear();
    TREFOIL_ASSIGN(
        journal_,
        Journal::Open(
            env_, Clock::Real(), Random::System(), path(), options_, Lsn(from),
            [this](const JournalRecord& record) { return OnRecord(record); }));
    return OkStatus();
  }

  // Admits, reserves and writes one record.
  JournalReservation Append(std::string_view meta, std::string_view data = {},
                            uint64_t epoch = 1) {
    const uint64_t bytes = meta.size() + data.size();
    const Status admitted = journal_->Admit(bytes, false);
    EXPECT_TRUE(admitted.ok()) << admitted.ToString();
    const JournalReservation place =
        journal_->Reserve(Epoch(epoch), static_cast<uint32_t>(meta.size()),
                          static_cast<uint32_t>(data.size()));
    const Status written = journal_->Write(place, meta, data);
    EXPECT_TRUE(written.ok()) << written.ToString();
    return place;
  }

  // Closes the journal and removes it.
  void Wipe() {
    journal_.reset();
    ASSERT_TRUE(Env::Posix().RemoveTree(path()).ok());
  }

  Result<std::string> Read(JournalPosition position, size_t size) {
    std::string out(size, '\0');
    TREFOIL_TRY(journal_->ReadData(position, out));
    return out;
  }

  // The metas replayed, joined by commas.
  [[nodiscard]] std::string ReplayedMetas() const {
    std::string out;
    for (const Replayed& record : replayed_) {
      if (!out.empty()) out += ',';
      out += record.meta;
    }
    return out;
  }

  [[nodiscard]] std::string path() const { return dir_.Path("journal"); }
  [[nodiscard]] std::string SegmentPath(uint64_t number) const {
    return JoinPath(path(), SegmentName(number));
  }
  std::string Content(uint64_t number) {
    return Env::Posix().ReadFile(SegmentPath(number), 1 << 30).value();
  }
  void SetContent(uint64_t number, std::string_view content) {
    const std::unique_ptr<File> file =
        Env::Posix().Open(SegmentPath(number), OpenMode::kCreate).value();
    ASSERT_TRUE(file->Truncate(content.size()).ok());
    ASSERT_TRUE(file->WriteAt(0, content).ok());
  }
  std::vector<std::string> Names(std::string_view part) {
    std::vector<std::string> names;
    const std::vector<DirEntry> entries = Env::Posix().List(path()).value();
    for (const DirEntry& entry : entries) {
      if (entry.name.find(part) != std::string::npos) {
        names.push_back(entry.name);
      }
    }
    return names;
  }

  testing::TempDir dir_;
  testing::FaultEnv env_{Env::Posix()};
  JournalOptions options_{kTestSegmentBytes, 32 * kTestSegmentBytes};
  std::unique_ptr<Journal> journal_;
  std::vector<Replayed> replayed_;

 private:
  Status OnRecord(const JournalRecord& record) {
    replayed_.push_back({record.lsn.value, record.epoch.value,
                         std::string(record.meta), record.data,
                         record.data_length_bytes});
    return OkStatus();
  }
};

// A segment made by hand.
class SegmentImage {
 public:
  explicit SegmentImage(SegmentHeader header)
      : header_(header), bytes_(EncodeSegmentHeader(header)) {}

  struct Options {
    std::string meta = "m";
    std::string data = "";
    uint64_t durable = 0;
    RecordType type = RecordType::kTransaction;
  };

  // Appends a record; returns its offset.
  uint64_t Add(uint64_t lsn, const Options& options) {
    RecordHeader header;
    header.type = options.type;
    header.meta_length = static_cast<uint32_t>(options.meta.size());
    header.data_length = static_cast<uint32_t>(options.data.size());
    header.lsn = Lsn(lsn);
    header.epoch = Epoch(1);
    header.incarnation = header_.incarnation;
    header.durable = Lsn(options.durable);
    const uint64_t offset = bytes_.size();
    const RecordLayout layout =
        LayoutOf(offset, header.meta_length, header.data_length);
    EncodeRecordHead({header_.number, static_cast<uint32_t>(offset)}, header,
                     options.meta, options.data, &bytes_);
    bytes_ += options.meta;
    bytes_.resize(offset + layout.data_start, '\0');
    bytes_ += options.data;
    bytes_.resize(offset + layout.length, '\0');
    return offset;
  }
  void AddZeros(size_t size) { bytes_.resize(bytes_.size() + size, '\0'); }
  void Flip(uint64_t offset) {
    bytes_[offset] = static_cast<char>(bytes_[offset] ^ 1);
  }

  // The whole file.
  [[nodiscard]] std::string Bytes() const {
    std::string out = bytes_;
    out.resize(header_.size_bytes, '\0');
    return out;
  }

 private:
  const SegmentHeader header_;
  std::string bytes_;
};

}  // namespace trefoil::journal
