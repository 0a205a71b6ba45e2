// SPDX-License-Identifier: Apache-2.0
// Goal: every contradiction between records is found and named, in the index
// and in the commits, in the live tree and in snapshots.
// Method: single records of a real volume's index are changed through the
// Index API; the same changes come as a commit into its objects. Both must be
// told by the same findings.
#include <sys/stat.h>

#include <filesystem>

#include "fs/index/keys.h"
#include "fs/index/records.h"
#include "fs/volume/volume.h"
#include "tests/verify/damaged_volume.h"

namespace trefoil {
namespace {

constexpr Caller kCaller{1000, 1000, 022};

// What a test changes, beside what it expects.
using Changes = std::vector<IndexChange>;

class TreeDamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    volume_.MakeDir("dir");
    volume_.MakeDir("dir/sub");
    dir_ = volume_.Find("dir").inode();
    sub_ = volume_.Find("dir/sub").inode();
    file_ = volume_.MakeFile("dir/file", RandomBytes(300'000, 1)).inode();
    other_ = volume_.MakeFile("other", RandomBytes(200'000, 2)).inode();
    ASSERT_TRUE(volume_->MakeSymlink(kRootNode, "link", "dir", kCaller).ok());
    link_ = volume_.Find("link").inode();
    ASSERT_TRUE(volume_->Commit().ok());
    snapshot_ = volume_->CreateSnapshot("")->name;
    volume_.WriteAt(volume_.Find("dir/file"), 0, RandomBytes(100'000, 3));
    ASSERT_TRUE(volume_->Commit().ok());
    volume_.Close();
  }
  [[nodiscard]] std::string path() const { return volume_.path(); }

  // A copy of a record's value, changed.
  template <class Record, class Edit>
  IndexChange Edited(Family family, const std::string& key, const Edit& edit) {
    IndexChange change{family, key, std::nullopt};
    ChangeIndex(path(), [&](Index& index, IndexBatch*) {
      Record record = *Record::Decode(ValueOf(index, family, key));
      edit(record);
      change.value = record.Encode();
    });
    return change;
  }
  template <class Edit>
  IndexChange EditedInode(InodeId inode, const Edit& edit) {
    return Edited<InodeRecord>(Family::kLive, InodeKey(inode), edit);
  }
  // Keys of a table.
  std::vector<std::string> Keys(Family family, const std::string& prefix) {
    std::vector<std::string> keys;
    ChangeIndex(path(), [&](Index& index, IndexBatch*) {
      const auto cursor = index.NewCursor(family, prefix, AfterPrefix(prefix));
      for (cursor->Seek(prefix); cursor->Valid(); cursor->Next()) {
        keys.emplace_back(cursor->key());
      }
    });
    return keys;
  }
  // The key of the entry of a directory that names `inode`.
  std::string EntryOf(InodeId directory, InodeId inode) {
    for (const std::string& key :
         Keys(Family::kLive, KeyOf('D', directory.value))) {
      std::string value;
      ChangeIndex(path(), [&](Index& index, IndexBatch*) {
        value = ValueOf(index, Family::kLive, key);
      });
      if (DirentRecord::Decode(value)->inode == inode) return key;
    }
    ADD_FAILURE();
    return "";
  }

  // Makes the changes in a commit, then in the index, and expects the finding
  // both times.
  void Expect(Changes changes, const std::string& code,
              const std::string& text) {
    std::sort(changes.begin(), changes.end(),
              [](const IndexChange& a, const IndexChange& b) {
                return std::pair(a.family, a.key) < std::pair(b.family, b.key);
              });
    std::vector<DeltaEntry> entries;
    for (const IndexChange& change : changes) {
      entries.push_back(
          {static_cast<uint8_t>(change.family), change.key, change.value});
    }
    AddCommit(path(), entries);
    ExpectFinding(VerifyObjects(path(), false), code, text);
    std::filesystem::remove(
        ObjectPath(path(), ObjectKeys(path(), "commit/").back()));
    ChangeIndex(path(), [&](Index&, IndexBatch* batch) {
      for (const IndexChange& change : changes) {
        if (change.value) {
          batch->Put(change.family, change.key, *change.value);
        } else {
          batch->Delete(change.family, change.key);
        }
      }
    });
    const VerifyReport report = Verify(path(), false);
    ExpectFinding(report, code, text);
    EXPECT_TRUE(Find(report, "index-differs").has_value());
  }

  TestVolume volume_;
  InodeId dir_, sub_, file_, other_, link_;
  std::string snapshot_;
};

TEST_F(TreeDamageTest, AWrongLinkCountOfAFile) {
  Expect({EditedInode(file_, [](InodeRecord& r) { r.nlink = 3; })},
         "wrong-link-count", "/dir/file");
}

TEST_F(TreeDamageTest, AWrongLinkCountOfADirectory) {
  Expect({EditedInode(dir_, [](InodeRecord& r) { r.nlink = 2; })},
         "wrong-link-count", "/dir");
}

TEST_F(TreeDamageTest, ANameOfNothing) {
  Expect({{Family::kLive, InodeKey(link_), std::nullopt}}, "dangling-name",
         "/link");
}

TEST_F(TreeDamageTest, ANameInNoDirectory) {
  Expect({EditedInode(dir_, [](InodeRecord& r) { r.mode = S_IFREG | 0644; })},
         "entry-without-directory", "/dir/file");
}

TEST_F(TreeDamageTest, AWrongType) {
  Expect({EditedInode(other_, [](InodeRecord& r) { r.mode = S_IFIFO; })},
         "wrong-type", "/other");
}

TEST_F(TreeDamageTest, AnInodeWithoutAName) {
  Expect({{Family::kLive, EntryOf(kRootInode, other_), std::nullopt}},
         "unreachable", "inode " + std::to_string(other_.value));
}

TEST_F(TreeDamageTest, AWrongParent) {
  Expect({EditedInode(sub_, [](InodeRecord& r) { r.parent = kRootInode; })},
         "wrong-parent", "/dir/sub");
}

TEST_F(TreeDamageTest, DirectoriesInACircle) {
  // dir moves into its own subdirectory.
  const std::string old_entry = EntryOf(kRootInode, dir_);
  const std::string new_entry = DirentKey(sub_, DirPosition(1 << 20));
  IndexChange moved =
      Edited<DirentRecord>(Family::kLive, old_entry, [](DirentRecord&) {});
  moved.key = new_entry;
  const InodeId sub = sub_;
  Expect({{Family::kLive, old_entry, std::nullopt},
          moved,
          EditedInode(dir_, [sub](InodeRecord& r) { r.parent = sub; }),
          EditedInode(sub_, [](InodeRecord& r) { r.nlink = 3; }),
          EditedInode(kRootInode, [](InodeRecord& r) { r.nlink = 2; })},
         "unreachable", "do not lead to the root");
}

TEST_F(TreeDamageTest, ADirectoryWithTwoNames) {
  IndexChange second = Edited<DirentRecord>(Family::kLive, EntryOf(dir_, sub_),
                                            [](DirentRecord&) {});
  second.key = DirentKey(dir_, DirPosition(1 << 20));
  Expect({second}, "directory-names", "inode " + std::to_string(sub_.value));
}

TEST_F(TreeDamageTest, AMisplacedAndDoubledName) {
  const std::string key = EntryOf(dir_, file_);
  IndexChange second =
      Edited<DirentRecord>(Family::kLive, key, [](DirentRecord&) {});
  second.key.back() = static_cast<char>(second.key.back() + 1);
  Expect({second}, "duplicate-name", "/dir");
  second.key = DirentKey(dir_, DirPosition(1 << 20));
  Expect({second}, "misplaced-name", "file");
}

TEST_F(TreeDamageTest, ANameThatIsNone) {
  Expect({Edited<DirentRecord>(Family::kLive, EntryOf(dir_, file_),
                               [](DirentRecord& r) { r.name = "a/b"; })},
         "bad-name", "/dir/a/b");
}

TEST_F(TreeDamageTest, NoRoot) {
  Expect({EditedInode(kRootInode, [](InodeRecord& r) { r.mode = S_IFREG; })},
         "no-root", "/");
}

TEST_F(TreeDamageTest, AnOrphanThatIsNone) {
  Expect({{Family::kLive, OrphanKey(file_), EncodeNumber(3)}}, "bad-orphan",
         "/dir/file");
}

TEST_F(TreeDamageTest, AnOrphanThatIsNotMarked) {
  Expect({EditedInode(other_, [](InodeRecord& r) { r.nlink = 0; }),
          {Family::kLive, EntryOf(kRootInode, other_), std::nullopt}},
         "unmarked-orphan", "inode " + std::to_string(other_.value));
}

TEST_F(TreeDamageTest, ALinkWithoutATarget) {
  Expect({EditedInode(link_, [](InodeRecord& r) { r.symlink_target = ""; })},
         "bad-inode", "/link");
}

TEST_F(TreeDamageTest, OverlappingExtents) {
  const std::string key = Keys(Family::kLive, KeyOf('E', other_.value)).at(0);
  IndexChange second =
      Edited<ExtentRecord>(Family::kLive, key, [](ExtentRecord& r) {
        r.length = 10;
        r.block_offset = 5;
      });
  second.key = ExtentKey(other_, 100);
  Expect({second}, "overlapping-extents", "/other");
}

TEST_F(TreeDamageTest, OverlappingExtentsInASnapshotOnly) {
  const auto old = Keys(Family::kHistory, KeyOf('E', file_.value));
  ASSERT_FALSE(old.empty());
  IndexChange second = Edited<ExtentRecord>(
      Family::kHistory, old.at(0), [](ExtentRecord& r) { r.length = 10; });
  second.key = HistoryKey(ExtentKey(file_, 100), LastOfHistory(old.at(0)));
  Expect({second}, "overlapping-extents",
         "/.snapshots/" + snapshot_ + "/dir/file");
}

TEST_F(TreeDamageTest, AnExtentBeyondTheEnd) {
  Expect({EditedInode(other_, [](InodeRecord& r) { r.size_bytes = 1000; })},
         "extent-beyond-end", "/other");
}

TEST_F(TreeDamageTest, DataThatAreNowhere) {
  const std::string key = Keys(Family::kLive, KeyOf('E', other_.value)).at(0);
  Expect({{Family::kLive, key, std::nullopt}}, "missing-data", "/other");
}

TEST_F(TreeDamageTest, DataOfASnapshotThatAreNowhere) {
  const auto old = Keys(Family::kHistory, KeyOf('E', file_.value));
  ASSERT_FALSE(old.empty());
  Expect({{Family::kHistory, old.at(0), std::nullopt}}, "missing-data",
         "/.snapshots/" + snapshot_ + "/dir/file");
}

TEST_F(TreeDamageTest, DataOfNoFile) {
  const std::string key = Keys(Family::kLive, KeyOf('E', other_.value)).at(0);
  IndexChange stray =
      Edited<ExtentRecord>(Family::kLive, key, [](ExtentRecord&) {});
  stray.key = ExtentKey(sub_, 0);
  Expect({stray}, "extent-without-file", "/dir/sub");
}

TEST_F(TreeDamageTest, AnAttributeOfNothing) {
  XattrRecord record;
  record.birth = Epoch(1);
  Expect({{Family::kLive, XattrKey(InodeId(999), "user.a"), record.Encode()}},
         "attribute-without-file", "inode 999");
}

TEST_F(TreeDamageTest, AnExtentOfABlockThatIsNotThere) {
  const std::string key = Keys(Family::kLive, KeyOf('E', other_.value)).at(0);
  Expect({Edited<ExtentRecord>(Family::kLive, key,
                               [](ExtentRecord& r) { r.block = BlockNo(77); })},
         "dangling-extent", "/other");
}

TEST_F(TreeDamageTest, AnExtentBeyondItsBlock) {
  const std::string key = Keys(Family::kLive, KeyOf('E', other_.value)).at(0);
  Expect({Edited<ExtentRecord>(
             Family::kLive, key,
             [](ExtentRecord& r) { r.block_offset = kMaxFrameBytes; })},
         "extent-beyond-block", "/other");
}

TEST_F(TreeDamageTest, AWrongCount) {
  const std::string key = Keys(Family::kLive, "N").at(0);
  Expect({{Family::kLive, key, EncodeNumber(42)}}, "wrong-count", "is 42");
}

TEST_F(TreeDamageTest, AMissingCount) {
  const std::string key = Keys(Family::kLive, "N").at(0);
  Expect({{Family::kLive, key, std::nullopt}}, "wrong-count", "is 0");
}

TEST_F(TreeDamageTest, ABlockInNoPack) {
  const std::string key = Keys(Family::kLive, "B").at(0);
  Expect({Edited<BlockRecord>(Family::kLive, key,
                              [](BlockRecord& r) { r.pack = PackNo(55); })},
         "block-without-pack", "pack 55");
}

TEST_F(TreeDamageTest, ABlockBeyondItsPack) {
  const std::string key = Keys(Family::kLive, "B").at(0);
  Expect({Edited<BlockRecord>(
             Family::kLive, key,
             [](BlockRecord& r) { r.location.offset = ~0ULL - 5; })},
         "block-beyond-pack", "block");
}

TEST_F(TreeDamageTest, APackOfAnotherSize) {
  const std::string key = Keys(Family::kLive, "P").at(1);
  const auto change = Edited<PackRecord>(
      Family::kLive, key, [](PackRecord& r) { r.size_bytes += 1; });
  Expect({change}, "wrong-size", "instead of");
}

TEST_F(TreeDamageTest, HistoryThatEndsBeforeItBegins) {
  const auto old = Keys(Family::kHistory, KeyOf('I', file_.value));
  ASSERT_FALSE(old.empty());
  Expect({Edited<InodeRecord>(Family::kHistory, old.at(0),
                              [](InodeRecord& r) { r.birth.value += 2; })},
         "bad-history", "inode " + std::to_string(file_.value));
}

TEST_F(TreeDamageTest, HistoryThatOverlapsTheLiveRecord) {
  Expect({EditedInode(file_, [](InodeRecord& r) { r.birth = Epoch(1); })},
         "bad-history", "inode " + std::to_string(file_.value));
}

TEST_F(TreeDamageTest, ARecordOfTheFuture) {
  Expect({EditedInode(file_, [](InodeRecord& r) { r.birth = Epoch(999); })},
         "bad-epoch", "inode " + std::to_string(file_.value));
}

TEST_F(TreeDamageTest, ASnapshotOfTheFuture) {
  Expect(
      {Edited<SnapshotRecord>(Family::kLive, SnapshotKey(SnapshotId(1)),
                              [](SnapshotRecord& r) { r.epoch = Epoch(999); })},
      "bad-snapshot", snapshot_);
}

TEST_F(TreeDamageTest, ACounterThatRanBack) {
  Expect({{Family::kLive, CounterKey(kInodeCounter), EncodeNumber(2)}},
         "bad-counter", "inode");
}

TEST_F(TreeDamageTest, AMalformedRecordOfTheIndexIsNamed) {
  ChangeIndex(path(), [&](Index&, IndexBatch* batch) {
    batch->Put(Family::kLive, InodeKey(file_), "nonsense");
    batch->Put(Family::kLive, "I", "short key");
    batch->Put(Family::kHistory, "Ishort", "");
    batch->Put(Family::kLive, "Zzz", "no such table");
  });
  const VerifyReport report = Verify(path(), false);
  ExpectFinding(report, "bad-record", "inode " + std::to_string(file_.value));
  ExpectFinding(report, "dangling-name", "/dir/file");
  ExpectFinding(report, "index-differs", "record 5a7a7a");
}

TEST_F(TreeDamageTest, ACommitThatTheIndexForgot) {
  ChangeIndex(path(), [&](Index&, IndexBatch* batch) {
    batch->Delete(Family::kLocal, LocalCommitKey(CommitSeq(2)));
  });
  ExpectFinding(Verify(path(), false), "index-differs", "commit 2");
}

TEST_F(TreeDamageTest, ABlockUnderAnotherId) {
  const auto ids = Keys(Family::kLocal, "H");
  ASSERT_GE(ids.size(), 2U);
  ChangeIndex(path(), [&](Index& index, IndexBatch* batch) {
    batch->Put(Family::kLocal, ids[0], ValueOf(index, Family::kLocal, ids[1]));
  });
  ExpectFinding(Verify(path(), true), "bad-block-id", "block");
}

TEST_F(TreeDamageTest, ManyFindingsOfAKindAreCounted) {
  ChangeIndex(path(), [&](Index&, IndexBatch* batch) {
    for (uint64_t i = 0; i < 500; ++i) {
      batch->Put(Family::kLive, OrphanKey(InodeId(5000 + i)), EncodeNumber(1));
    }
  });
  const VerifyReport report = Verify(path(), false);
  EXPECT_LT(report.findings.size(), 500U);
  ExpectFinding(report, "bad-orphan", "and 400 more");
}

}  // namespace
}  // namespace trefoil
