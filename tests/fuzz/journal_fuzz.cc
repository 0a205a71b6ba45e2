// SPDX-License-Identifier: Apache-2.0
// Goal: whatever a segment of the journal holds after a crash or on a bad disk,
// scanning it ends, stays within the file, and gives no record whose checks do
// not hold.
// Method: a segment in memory of the input's bytes, some of them laid out as
// records with right checks, scanned as opening does.
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "fs/base/check.h"
#include "fs/journal/scanner.h"
#include "tests/fuzz/fuzz_input.h"

namespace trefoil::journal {
namespace {

constexpr uint64_t kNumber = 7;
constexpr uint64_t kIncarnation = 11;
constexpr size_t kMaxSegmentBytes = 64U << 10;

class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t size = std::min<size_t>(out.size(), bytes_.size() - offset);
    std::memcpy(out.data(), bytes_.data() + offset, size);
    return size;
  }
  Status WriteAt(uint64_t, std::span<const std::string_view>) override {
    return {StatusCode::kNotSupported, "read-only"};
  }
  Status Sync() override { return OkStatus(); }
  void StartWriteback(uint64_t, uint64_t) override {}
  void DropCache(uint64_t, uint64_t) override {}
  Status Truncate(uint64_t) override { return OkStatus(); }
  Result<uint64_t> Size() override { return uint64_t{bytes_.size()}; }

 private:
  const std::string bytes_;
};

// A record with right checks at the end of `segment`.
void AppendRecord(fuzz::FuzzInput* input, std::string* segment) {
  RecordHeader header;
  header.type = static_cast<RecordType>(input->Byte() % 4);
  header.lsn = Lsn(input->Byte());
  header.durable = Lsn(input->Byte());
  header.incarnation = kIncarnation + input->Byte() / 128;
  const std::string_view meta = input->Sized();
  const std::string_view data = input->Sized();
  header.meta_length = static_cast<uint32_t>(meta.size());
  header.data_length = static_cast<uint32_t>(data.size());
  const auto offset = static_cast<uint32_t>(segment->size());
  const RecordLayout layout =
      LayoutOf(offset, header.meta_length, header.data_length);
  std::string record;
  EncodeRecordHead({kNumber, offset}, header, meta, data, &record);
  record.resize(layout.meta_start);
  record += meta;
  record.resize(layout.data_start);
  record += data;
  record.resize(layout.length);
  *segment += record;
}

std::string BuildSegment(fuzz::FuzzInput* input) {
  SegmentHeader header;
  header.number = kNumber;
  header.size_bytes = kMaxSegmentBytes;
  header.incarnation = kIncarnation;
  header.first_lsn = Lsn(1);
  std::string segment = (input->Byte() & 1) != 0
                            ? EncodeSegmentHeader(header)
                            : std::string(kSegmentHeaderBytes, '\0');
  while (!input->AtEnd() && segment.size() < kMaxSegmentBytes) {
    if ((input->Byte() & 1) != 0) {
      AppendRecord(input, &segment);
    } else {
      segment += input->Sized();
      segment.resize((segment.size() + kRecordAlignment - 1) /
                     kRecordAlignment * kRecordAlignment);
    }
  }
  return segment;
}

void Scan(const std::string& bytes) {
  SegmentFile file;
  file.number = kNumber;
  file.size_bytes = bytes.size();
  file.file = std::make_shared<MemoryFile>(bytes);
  const Result<SegmentHeader> header = DecodeSegmentHeader(bytes, kNumber);
  if (header.ok()) file.header = *header;
  SegmentScanner scanner(file);
  TREFOIL_CHECK(scanner.HighestClaim(kSegmentHeaderBytes).ok());
  uint64_t offset = kSegmentHeaderBytes;
  for (uint64_t lsn = 1; offset < bytes.size(); ++lsn) {
    const Result<Scanned> found = scanner.At(offset, Lsn(lsn));
    TREFOIL_CHECK(found.ok());
    if (found->found != Found::kRecord) break;
    TREFOIL_CHECK(MetaIsValid(found->head.header, found->meta));
    TREFOIL_CHECK(found->head.layout.length > 0);
    TREFOIL_CHECK(offset + found->head.layout.length <= bytes.size());
    const uint64_t next = offset + found->head.layout.length;
    TREFOIL_CHECK(scanner.ReadWhole(*found).ok());
    offset = next;
  }
}

}  // namespace
}  // namespace trefoil::journal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trefoil;
  fuzz::FuzzInput input(data, size);
  if ((input.Byte() & 1) != 0) {
    journal::Scan(journal::BuildSegment(&input));
    return 0;
  }
  const std::string bytes(input.Rest());
  journal::Scan(bytes);
  if (bytes.size() >= journal::kRecordHeaderBytes) {
    static_cast<void>(journal::PeekHeadBytes(bytes));
    static_cast<void>(journal::DecodeRecordHead(
        bytes, journal::RecordPlace{7, 64}, bytes.size()));
  }
  static_cast<void>(journal::ParseSegmentName(bytes));
  return 0;
}
