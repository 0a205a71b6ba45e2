// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/state_compare.h"

#include "fs/verify/record_check.h"

namespace trefoil {

StateCompare::StateCompare(IndexView& index) : index_(index) {
  Begin(Family::kLive);
}

void StateCompare::Begin(Family family) {
  family_ = family;
  cursor_ = index_.NewCursor(family, "", "");
  cursor_->Seek("");
}

Status StateCompare::NextFamily() {
  TREFOIL_TRY(cursor_->status());
  if (cursor_->Valid()) Differ(cursor_->key(), "is missing");
  Begin(Family::kHistory);
  return OkStatus();
}

void StateCompare::Differ(std::string_view key, const char* how) {
  if (!difference_.empty()) return;
  difference_ = DescribeKey(family_, key) + " " + how;
}

Status StateCompare::Next(const DeltaEntry& entry) {
  if (!difference_.empty()) return OkStatus();
  const auto family = static_cast<Family>(entry.family);
  if (family != family_) TREFOIL_TRY(NextFamily());
  TREFOIL_TRY(cursor_->status());
  const bool valid = cursor_->Valid();
  const int order = valid ? cursor_->key().compare(entry.key) : 1;
  if (order < 0) {
    Differ(cursor_->key(), "is missing");
  } else if (order > 0) {
    Differ(entry.key, "should not be there");
  } else if (cursor_->value() != entry.value) {
    Differ(entry.key, "has another value");
  } else {
    cursor_->Next();
  }
  return OkStatus();
}

Status StateCompare::Finish() {
  if (!difference_.empty()) return OkStatus();
  if (family_ == Family::kLive) TREFOIL_TRY(NextFamily());
  TREFOIL_TRY(cursor_->status());
  if (cursor_->Valid()) Differ(cursor_->key(), "is missing");
  return OkStatus();
}

}  // namespace trefoil
