// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/index_compare.h"

namespace trefoil {
namespace {

using Visit = std::function<bool(Family, std::string_view, Difference)>;

// False when `visit` had enough.
bool CompareFamily(Family family, IndexCursor& first, IndexCursor& second,
                   const Visit& visit) {
  first.Seek("");
  second.Seek("");
  while (first.Valid() || second.Valid()) {
    int order = first.Valid() ? -1 : 1;
    if (first.Valid() && second.Valid()) {
      order = first.key().compare(second.key());
    }
    bool more = true;
    if (order < 0) {
      more = visit(family, first.key(), Difference::kExtra);
      first.Next();
    } else if (order > 0) {
      more = visit(family, second.key(), Difference::kMissing);
      second.Next();
    } else {
      if (first.value() != second.value()) {
        more = visit(family, first.key(), Difference::kValue);
      }
      first.Next();
      second.Next();
    }
    if (!more) return false;
  }
  return true;
}

}  // namespace

Status CompareIndexes(IndexView& first, IndexView& second, const Visit& visit) {
  for (const Family family : {Family::kLive, Family::kHistory}) {
    const auto a = first.NewCursor(family, "", "");
    const auto b = second.NewCursor(family, "", "");
    const bool more = CompareFamily(family, *a, *b, visit);
    TREFOIL_TRY(a->status());
    TREFOIL_TRY(b->status());
    if (!more) return OkStatus();
  }
  return OkStatus();
}

}  // namespace trefoil
