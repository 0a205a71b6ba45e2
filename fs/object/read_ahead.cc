// SPDX-License-Identifier: Apache-2.0
#include "fs/object/read_ahead.h"

#include <algorithm>
#include <utility>

namespace trefoil {

ReadAhead::ReadAhead(ObjectStore& store, std::vector<ObjectInfo> objects,
                     const ReadAheadOptions& options)
    : store_(store),
      objects_(std::move(objects)),
      bytes_each_(options.bytes_each) {
  if (options.readers <= 1 || objects_.size() <= 1) return;
  for (size_t at = 0; at < objects_.size(); ++at) {
    places_.emplace(objects_[at].key, at);
  }
  const size_t count = std::min<size_t>(options.readers, objects_.size());
  for (size_t i = 0; i < count; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

ReadAhead::~ReadAhead() {
  {
    const MutexLock lock(mu_);
    stopped_ = true;
    changed_.SignalAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

uint64_t ReadAhead::BytesOf(size_t at) const {
  return std::min(objects_[at].size_bytes, bytes_each_);
}

std::optional<size_t> ReadAhead::Next() {
  if (next_ >= objects_.size() || next_ >= first_ + kMaxObjects) {
    return std::nullopt;
  }
  const uint64_t bytes = BytesOf(next_);
  if (held_bytes_ > 0 && held_bytes_ + bytes > kMaxBytes) return std::nullopt;
  held_bytes_ += bytes;
  return next_++;
}

void ReadAhead::Work() {
  for (;;) {
    std::optional<size_t> at;
    {
      const MutexLock lock(mu_);
      while (!stopped_ && !(at = Next())) changed_.Wait(mu_);
      if (stopped_) return;
    }
    // An object that is larger than it was listed would take more memory than
    // was counted: who reads it asks for it again.
    auto bytes = store_.Get(objects_[*at].key, {0, bytes_each_}, BytesOf(*at));
    const MutexLock lock(mu_);
    if (*at < first_) {
      held_bytes_ -= BytesOf(*at);
    } else {
      ready_.emplace(*at, std::move(bytes));
    }
    changed_.SignalAll();
  }
}

std::optional<Result<std::string>> ReadAhead::Take(size_t at) {
  const MutexLock lock(mu_);
  if (at < first_) return std::nullopt;
  for (auto old = ready_.begin(); old != ready_.end() && old->first < at;) {
    held_bytes_ -= BytesOf(old->first);
    old = ready_.erase(old);
  }
  first_ = at;
  next_ = std::max(next_, at);
  changed_.SignalAll();
  auto found = ready_.find(at);
  while (found == ready_.end()) {
    changed_.Wait(mu_);
    found = ready_.find(at);
  }
  Result<std::string> bytes = std::move(found->second);
  ready_.erase(found);
  held_bytes_ -= BytesOf(at);
  first_ = at + 1;
  changed_.SignalAll();
  return bytes;
}

Result<std::string> ReadAhead::Get(std::string_view key, ByteRange range,
                                   uint64_t max_bytes) {
  const auto place = places_.find(key);
  const bool is_beginning = range.offset == 0 && range.length == bytes_each_;
  if (place != places_.end() && is_beginning && max_bytes >= bytes_each_) {
    auto bytes = Take(place->second);
    if (bytes && !bytes->status().Is(StatusCode::kCorruption)) {
      return std::move(*bytes);
    }
  }
  return store_.Get(key, range, max_bytes);
}

}  // namespace trefoil
