// SPDX-License-Identifier: Apache-2.0
#include "fs/verify/object_hasher.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>

#include "fs/base/mutex.h"
#include "fs/object/object_reader.h"

namespace trefoil {
namespace {

HashedObject HashOne(ObjectStore& store, ListedObject& object) {
  HashedObject result;
  result.object = &object;
  const std::string key = object.Key();
  result.hashed = VerifyOnMedium(store, key, object.size_bytes);
  if (!result.hashed.ok()) return result;
  const auto header = ReadObjectHeader(store, key);
  result.header = header.status();
  if (!header.ok()) return result;
  result.volume_id = header->volume_id;
  result.cipher = header->cipher;
  return result;
}

class Readers {
 public:
  Readers(ObjectStore& store, const std::vector<ListedObject*>& objects,
          size_t count)
      : store_(store), objects_(objects) {
    for (size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this] { Read(); });
    }
  }
  ~Readers() {
    {
      const MutexLock lock(mu_);
      next_ = objects_.size();
    }
    for (std::thread& thread : threads_) thread.join();
  }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  HashedObject Take() {
    const MutexLock lock(mu_);
    while (ready_.empty()) changed_.Wait(mu_);
    HashedObject result = std::move(ready_.front());
    ready_.pop_front();
    return result;
  }

 private:
  void Read() {
    for (;;) {
      size_t index = 0;
      {
        const MutexLock lock(mu_);
        if (next_ >= objects_.size()) return;
        index = next_++;
      }
      HashedObject result = HashOne(store_, *objects_[index]);
      const MutexLock lock(mu_);
      ready_.push_back(std::move(result));
      changed_.SignalAll();
    }
  }

  ObjectStore& store_;
  const std::vector<ListedObject*>& objects_;
  std::vector<std::thread> threads_;

  Mutex mu_;
  CondVar changed_;
  size_t next_ GUARDED_BY(mu_) = 0;
  std::deque<HashedObject> ready_ GUARDED_BY(mu_);
};

}  // namespace

Status HashObjectsOf(ObjectStore& store,
                     const std::vector<ListedObject*>& objects,
                     unsigned readers,
                     const std::function<Status(const HashedObject&)>& done) {
  std::optional<Readers> threads;
  if (readers > 1 && objects.size() > 1) {
    threads.emplace(store, objects, std::min<size_t>(readers, objects.size()));
  }
  for (ListedObject* const object : objects) {
    TREFOIL_TRY(done(threads ? threads->Take() : HashOne(store, *object)));
  }
  return OkStatus();
}

}  // namespace trefoil
