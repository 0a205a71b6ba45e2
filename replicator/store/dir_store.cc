// SPDX-License-Identifier: Apache-2.0
#include "replicator/store/dir_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "fs/base/bytes.h"

namespace trefoil {
namespace {

constexpr uint64_t kMaxIdFileBytes = 4096;
constexpr int kIdFormat = 1;
constexpr size_t kIdBytes = 16;

constexpr std::string_view kTemporaryDir = "tmp";
constexpr auto kObjectDirs = std::to_array<std::string_view>(
    {"pack", "commit", "checkpoint", "owner", "volume", "probe", "quarantine"});

bool IsObjectDir(std::string_view name) {
  return std::find(kObjectDirs.begin(), kObjectDirs.end(), name) !=
         kObjectDirs.end();
}

bool IsId(const std::string& text) {
  std::string bytes;
  return text.size() == 2 * kIdBytes && FromHex(text, &bytes);
}

std::string EncodeId(const DirTargetId& id) {
  nlohmann::json file = {{"format", kIdFormat},
                         {"target_id", id.target_id},
                         {"volume_id", id.volume_id}};
  if (!id.label.empty()) file["label"] = id.label;
  return file.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

Result<DirTargetId> DecodeId(const std::string& text, const std::string& path) {
  const auto bad = [&](StatusCode code, std::string_view what) {
    return Status(code, fmt::format("{}: {}", path, what));
  };
  try {
    const auto file = nlohmann::json::parse(text);
    const int format = file.at("format").get<int>();
    if (format > kIdFormat) {
      return bad(StatusCode::kNewerFormat, "written by a newer Trefoil");
    }
    DirTargetId id{file.at("volume_id").get<std::string>(),
                   file.at("target_id").get<std::string>(),
                   file.value("label", "")};
    id.label.resize(std::min(id.label.size(), kMaxDiskLabelBytes));
    if (format == kIdFormat && IsId(id.volume_id) && IsId(id.target_id))
      return id;
  } catch (const nlohmann::json::exception&) {
    // Falls through: whatever is wrong with it, it is not an id file.
  }
  return bad(StatusCode::kCorruption, "not a target id file");
}

Status NotThere(const std::string& path, std::string_view why) {
  return {StatusCode::kUnavailable,
          fmt::format("not there: {} {} (disk not plugged in?)", path, why)};
}

// Only what an interrupted InitDirTarget leaves, or a fresh disk has.
Status CheckFresh(Env& env, const std::string& path) {
  TREFOIL_ASSIGN(const std::vector<DirEntry> entries, env.List(path));
  for (const DirEntry& entry : entries) {
    const bool ours = IsObjectDir(entry.name) || entry.name == kTemporaryDir;
    bool fresh = entry.name == "lost+found" ||
                 entry.name == std::string(kTargetIdFile) + ".tmp";
    if (ours && entry.is_directory) {
      TREFOIL_ASSIGN(const std::vector<DirEntry> inside,
                     env.List(JoinPath(path, entry.name)));
      fresh = inside.empty();
    }
    if (fresh) continue;
    return {StatusCode::kAlreadyExists,
            fmt::format("{} holds {} but no target id file; choose an empty "
                        "directory",
                        path, entry.name)};
  }
  return OkStatus();
}

Status CreateDirIfMissing(Env& env, const std::string& path) {
  Status created = env.CreateDir(path);
  return created.Is(StatusCode::kAlreadyExists) ? OkStatus() : created;
}

Status CheckKey(std::string_view key) {
  const size_t slash = key.find('/');
  if (IsValidObjectKey(key) && slash != std::string_view::npos &&
      IsObjectDir(key.substr(0, slash))) {
    return OkStatus();
  }
  // Only a valid key is fit to print.
  return {StatusCode::kInvalidArgument,
          fmt::format("'{}' is not the key of an object",
                      IsValidObjectKey(key) ? key : "...")};
}

}  // namespace

Result<DirTargetId> ReadDirTargetId(Env& env, const std::string& path) {
  const std::string file = JoinPath(path, kTargetIdFile);
  // A pipe in its place would keep us for ever.
  const Result<FileKind> kind = env.KindOf(file);
  if (kind.ok() && *kind != FileKind::kFile) {
    return Status(StatusCode::kCorruption, file + ": not a target id file");
  }
  Result<std::string> text = env.ReadFile(file, kMaxIdFileBytes);
  if (text.ok()) return DecodeId(*text, file);
  if (text.status().Is(StatusCode::kNotFound))
    return NotThere(path, "has no trefoil-target id file");
  if (text.status().Is(StatusCode::kIoError))
    return NotThere(path, "can't be read: " + text.status().message());
  return text.status();
}

Result<DirTargetId> InitDirTarget(Env& env, const std::string& path,
                                  const std::string& volume_id, Random& random,
                                  const std::string& label,
                                  const std::vector<std::string>& forgotten) {
  TREFOIL_CHECK(IsId(volume_id));
  if (!env.Exists(DirName(path))) {
    return Status(StatusCode::kNotFound,
                  fmt::format("{} does not exist; create it or mount the disk",
                              DirName(path)));
  }
  TREFOIL_TRY(CreateDirIfMissing(env, path));
  Result<DirTargetId> there = ReadDirTargetId(env, path);
  if (there.ok() && there->volume_id != volume_id) {
    return Status(StatusCode::kAlreadyExists,
                  fmt::format("{} is a target of another volume ({}); choose "
                              "an empty directory",
                              path, there->volume_id));
  }
  if (!there.ok()) {
    if (!there.status().Is(StatusCode::kUnavailable)) return there.status();
    TREFOIL_TRY(CheckFresh(env, path));
  }
  TREFOIL_TRY(CreateDirIfMissing(env, JoinPath(path, kTemporaryDir)));
  for (std::string_view name : kObjectDirs) {
    TREFOIL_TRY(CreateDirIfMissing(env, JoinPath(path, name)));
  }
  TREFOIL_TRY(env.SyncDir(path));
  TREFOIL_TRY(env.SyncDir(DirName(path)));
  const bool is_forgotten =
      there.ok() && std::find(forgotten.begin(), forgotten.end(),
                              there->target_id) != forgotten.end();
  if (there.ok() && !is_forgotten && (label.empty() || label == there->label)) {
    return *there;
  }
  // The id file comes last: a target is whole or none.
  DirTargetId id{volume_id, ToHex(random.Bytes(kIdBytes)), label};
  if (there.ok() && !is_forgotten) id.target_id = there->target_id;
  if (there.ok() && label.empty()) id.label = there->label;
  TREFOIL_TRY(
      env.WriteFileAtomically(JoinPath(path, kTargetIdFile), EncodeId(id)));
  return id;
}

DirStore::DirStore(Env& env, std::string root,
                   std::optional<DirTargetId> expected)
    : base_env_(env),
      root_(std::move(root)),
      expected_(std::move(expected)),
      env_(env, root_),
      tree_(env_, root_) {}

Status DirStore::CheckThere() const {
  TREFOIL_ASSIGN(const DirTargetId found, ReadDirTargetId(base_env_, root_));
  if (!expected_ || found == *expected_) return OkStatus();
  if (found.target_id == expected_->target_id) {
    return {StatusCode::kUnavailable,
            fmt::format("not there: {} got the label '{}', it is looked at "
                        "again under this one",
                        root_, found.label)};
  }
  return {StatusCode::kUnavailable,
          fmt::format("not there: {} is another target ({}, expected {}); is "
                      "the right disk plugged in?",
                      root_, found.target_id, expected_->target_id)};
}

Status DirStore::Judge(const Status& status) const {
  const Status there = CheckThere();
  return there.ok() ? status : there;
}

Status DirStore::Put(std::string_view key, ObjectSource& source, PutMode mode) {
  TREFOIL_TRY(CheckKey(key));
  TREFOIL_TRY(CheckThere());
  // A success too: it counts only if the right disk is still there.
  return Judge(tree_.Put(key, source, mode));
}

Result<std::string> DirStore::Get(std::string_view key, ByteRange range,
                                  uint64_t max_bytes) {
  TREFOIL_TRY(CheckKey(key));
  TREFOIL_TRY(CheckThere());
  Result<std::string> bytes = tree_.Get(key, range, max_bytes);
  if (bytes.ok()) return bytes;
  return Judge(bytes.status());
}

Result<ObjectInfo> DirStore::Head(std::string_view key) {
  TREFOIL_TRY(CheckKey(key));
  TREFOIL_TRY(CheckThere());
  Result<ObjectInfo> info = tree_.Head(key);
  if (info.ok()) return info;
  return Judge(info.status());
}

Status DirStore::List(std::string_view prefix, std::string_view start_after,
                      const std::function<bool(const ObjectInfo&)>& visit) {
  TREFOIL_TRY(CheckThere());
  return Judge(tree_.List(prefix, start_after, [&](const ObjectInfo& info) {
    return CheckKey(info.key).ok() ? visit(info) : true;
  }));
}

Status DirStore::Delete(std::string_view key) {
  TREFOIL_TRY(CheckKey(key));
  TREFOIL_TRY(CheckThere());
  return Judge(tree_.Delete(key));
}

void DirStore::DropCache(std::string_view key) { tree_.DropCache(key); }

std::string DirStore::Describe() const { return "dir:" + root_; }

Status DirStore::RemoveTemporaries() {
  TREFOIL_TRY(CheckThere());
  return Judge(tree_.RemoveTemporaries());
}

Result<SpaceInfo> DirStore::Space() {
  TREFOIL_TRY(CheckThere());
  return base_env_.Space(root_);
}

}  // namespace trefoil
