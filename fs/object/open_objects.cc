// SPDX-License-Identifier: Apache-2.0
#include "fs/object/open_objects.h"

namespace trefoil {

Result<std::unique_ptr<File>> OpenPlainFile(Env& env, const std::string& path) {
  TREFOIL_ASSIGN(const FileKind kind, env.KindOf(path));
  if (kind != FileKind::kOther) return env.Open(path, OpenMode::kRead);
  return Status(StatusCode::kCorruption,
                path + ": neither a file nor a directory");
}

Result<std::shared_ptr<OpenObject>> OpenObjects::Get(std::string_view key,
                                                     const Keyring& keyring) {
  uint64_t forgotten_before = 0;
  {
    const MutexLock lock(mu_);
    if (std::shared_ptr<OpenObject> found = Find(key)) return found;
    forgotten_before = forgotten_;
  }
  TREFOIL_ASSIGN(std::shared_ptr<OpenObject> object, Open(key, keyring));
  const MutexLock lock(mu_);
  // A file opened before a Forget may be the one to be forgotten.
  if (forgotten_ == forgotten_before) Insert(key, object);
  return object;
}

void OpenObjects::Forget(std::string_view key) {
  std::shared_ptr<OpenObject> closed_unlocked;
  const MutexLock lock(mu_);
  ++forgotten_;
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  const auto entry = found->second;
  closed_unlocked = std::move(entry->object);
  by_key_.erase(found);
  order_.erase(entry);
}

Result<std::shared_ptr<OpenObject>> OpenObjects::Open(std::string_view key,
                                                      const Keyring& keyring) {
  TREFOIL_ASSIGN(const ParsedKey parsed, ParseObjectKey(key));
  TREFOIL_ASSIGN(std::unique_ptr<File> file,
                 OpenPlainFile(env_, JoinPath(root_, key)));
  std::string bytes(kHeaderBytes, '\0');
  TREFOIL_ASSIGN(const size_t got, file->ReadAt(0, bytes));
  bytes.resize(got);
  TREFOIL_ASSIGN(const ObjectHeader header, DecodeObjectHeader(bytes));
  TREFOIL_TRY(CheckHeaderAgainstKey(header, parsed));
  TREFOIL_ASSIGN(Sealer sealer, Sealer::For(header, keyring));
  return std::make_shared<OpenObject>(
      OpenObject{std::move(file), std::move(sealer)});
}

std::shared_ptr<OpenObject> OpenObjects::Find(std::string_view key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->object;
}

void OpenObjects::Insert(std::string_view key,
                         std::shared_ptr<OpenObject> object) {
  if (by_key_.contains(key)) return;
  order_.push_front({std::string(key), std::move(object)});
  by_key_.emplace(order_.front().key, order_.begin());
  if (order_.size() <= kMaxOpen) return;
  by_key_.erase(order_.back().key);
  order_.pop_back();
}

}  // namespace trefoil
