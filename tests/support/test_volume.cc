// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_volume.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "fs/base/bytes.h"
#include "fs/base/hash.h"

namespace trefoil {
namespace {

constexpr Caller kCaller{1000, 1000, 022};

}  // namespace

TestVolume::TestVolume(Env& env) : env_(env) {
  std::string name = std::filesystem::temp_directory_path() / "trefoil.XXXXXX";
  directory_ = mkdtemp(name.data());
  options.background = false;
  options.journal_capacity_bytes = 64ULL << 20;
  options.journal_segment_bytes = 4ULL << 20;
  const Status formatted = Volume::Format(world(), path());
  EXPECT_TRUE(formatted.ok()) << formatted.ToString();
  Open();
}

TestVolume::~TestVolume() {
  volume_.reset();
  std::filesystem::remove_all(directory_);
}

void TestVolume::Open() {
  auto opened = Volume::Open(world(), path(), options);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  volume_ = std::move(*opened);
}

void TestVolume::Close() {
  const Status closed = volume_->Close();
  EXPECT_TRUE(closed.ok()) << closed.ToString();
  volume_.reset();
}

void TestVolume::Reopen() {
  Close();
  Open();
}

void TestVolume::Crash() {
  // Without Close nothing is synced or flushed: the index forgets its
  // memtables, and what the journal wrote is in the page cache.
  volume_.reset();
}

Secret TestVolume::secret() const {
  const auto secret = ReadKeyFile(env_, KeyFilePath(path()));
  EXPECT_TRUE(secret.ok()) << secret.status().ToString();
  return secret.ok() ? *secret : Secret();
}

void TestVolume::CrashAndReopen() {
  Crash();
  Open();
}

NodeId TestVolume::Find(const std::string& path, NodeId root) {
  NodeId node = root;
  size_t from = 0;
  while (from < path.size()) {
    const size_t to = std::min(path.find('/', from), path.size());
    const auto entry = volume_->Lookup(node, path.substr(from, to - from));
    EXPECT_TRUE(entry.ok()) << path << ": " << entry.status().ToString();
    if (!entry.ok()) return NodeId{};
    node = entry->attr.node;
    volume_->Forget(node, 1);
    from = to + 1;
  }
  return node;
}

namespace {

std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

NodeId TestVolume::MakeFile(const std::string& path,
                            const std::string& content) {
  const auto [directory, name] = SplitPath(path);
  const auto entry =
      volume_->MakeNode(Find(directory), name, S_IFREG | 0644, 0, kCaller);
  EXPECT_TRUE(entry.ok()) << path << ": " << entry.status().ToString();
  if (!entry.ok()) return NodeId{};
  volume_->Forget(entry->attr.node, 1);
  WriteAt(entry->attr.node, 0, content);
  return entry->attr.node;
}

NodeId TestVolume::MakeDir(const std::string& path) {
  const auto [directory, name] = SplitPath(path);
  const auto entry =
      volume_->MakeDirectory(Find(directory), name, 0755, kCaller);
  EXPECT_TRUE(entry.ok()) << path << ": " << entry.status().ToString();
  if (!entry.ok()) return NodeId{};
  volume_->Forget(entry->attr.node, 1);
  return entry->attr.node;
}

void TestVolume::WriteAt(NodeId node, uint64_t offset,
                         const std::string& data) {
  for (size_t at = 0; at < data.size(); at += kMaxWriteBytes) {
    const Status written =
        volume_->Write(node, offset + at,
                       std::string_view(data).substr(at, kMaxWriteBytes), {});
    EXPECT_TRUE(written.ok()) << written.ToString();
  }
}

std::string TestVolume::Content(NodeId node) {
  const auto attr = volume_->GetAttr(node);
  EXPECT_TRUE(attr.ok()) << attr.status().ToString();
  if (!attr.ok()) return "";
  std::string content(attr->size_bytes, '\0');
  const auto size = volume_->Read(node, 0, content);
  EXPECT_TRUE(size.ok()) << size.status().ToString();
  if (size.ok()) content.resize(*size);
  return content;
}

namespace {

void DescribeInto(TestVolume& volume, NodeId node, const std::string& path,
                  std::string* out) {
  const auto attr = volume->GetAttr(node);
  ASSERT_TRUE(attr.ok()) << path << ": " << attr.status().ToString();
  *out += path + " " + std::to_string(attr->node.inode().value) + " " +
          std::to_string(attr->mode) + " " + std::to_string(attr->nlink) + " " +
          std::to_string(attr->uid) + ":" + std::to_string(attr->gid) + " " +
          std::to_string(attr->rdev) + " " + std::to_string(attr->size_bytes) +
          " " + std::to_string(attr->mtime_nanos) + " " +
          std::to_string(attr->ctime_nanos);
  if (S_ISREG(attr->mode)) {
    *out += " " + Sha256::Of(volume.Content(node)).ToHex();
  }
  if (S_ISLNK(attr->mode)) *out += " -> " + *volume->ReadLink(node);
  *out += "\n";
  const std::string names = *volume->ListXattr(node, true);
  for (size_t at = 0; at < names.size();) {
    const std::string name = names.c_str() + at;
    *out +=
        path + " " + name + "=" + ToHex(*volume->GetXattr(node, name)) + "\n";
    at += name.size() + 1;
  }
  if (!S_ISDIR(attr->mode)) return;
  std::vector<std::pair<std::string, NodeId>> children;
  const Status listed =
      volume->ReadDirectory(node, 0, [&children](const DirectoryItem& item) {
        if (item.name != "." && item.name != "..") {
          children.emplace_back(item.name, item.attr.node);
        }
        return true;
      });
  ASSERT_TRUE(listed.ok()) << listed.ToString();
  std::sort(children.begin(), children.end());
  for (const auto& [name, child] : children) {
    DescribeInto(volume, child, path + "/" + name, out);
  }
}

}  // namespace

std::string TestVolume::Describe(NodeId root) {
  std::string text;
  DescribeInto(*this, root, "", &text);
  return text;
}

std::string RandomBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string bytes(size + 8, '\0');
  for (size_t at = 0; at < size; at += 8) {
    const uint64_t value = random();
    std::memcpy(bytes.data() + at, &value, 8);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace trefoil
