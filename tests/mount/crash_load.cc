// SPDX-License-Identifier: Apache-2.0
#include "tests/mount/crash_load.h"

#include <chrono>
#include <cstdlib>

#include "fs/control/client.h"

namespace trefoil::testing {
namespace {

// Only a test that fails waits so long.
constexpr int64_t kAnswerNanos = 120'000'000'000;
constexpr size_t kSnapshotsMax = 4;

}  // namespace

CrashLoad::CrashLoad(Share& share, int writers, uint64_t seed) : share_(share) {
  for (int i = 0; i < writers; ++i) {
    writers_.push_back(std::make_unique<Workload>(
        share.Path("w" + std::to_string(i)), seed + static_cast<uint64_t>(i)));
  }
}

void CrashLoad::Start() {
  stop_ = false;
  for (const auto& writer : writers_) {
    threads_.emplace_back([this, raw = writer.get()] { raw->Run(stop_); });
  }
  threads_.emplace_back([this] { Shake(); });
}

void CrashLoad::Join() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void CrashLoad::Shake() {
  const auto client = ControlClient::Connect(share_.volume());
  if (!client.ok()) return;
  const auto call = [&](const char* method, const Json& params) {
    return (*client)->Call(method, params, kAnswerNanos);
  };
  while (!stop_) {
    const auto made = call("snapshot-create", Json::object());
    if (!made.ok() || !call("commit", Json::object()).ok()) return;
    const auto all = call("snapshot-list", Json::object());
    if (!all.ok()) return;
    if (all->size() > kSnapshotsMax) {
      Json params = Json::object();
      params["name"] = all->front()["name"];
      if (!call("snapshot-delete", params).ok()) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

std::string CrashLoad::Check(Workload::Promise promise) {
  for (const auto& writer : writers_) {
    if (std::string wrong = writer->CheckAfterCrash(promise); !wrong.empty()) {
      return wrong;
    }
  }
  return "";
}

uint64_t CrashLoad::operations() const {
  uint64_t sum = 0;
  for (const auto& writer : writers_) sum += writer->operations();
  return sum;
}

uint64_t CrashLoad::fsyncs() const {
  uint64_t sum = 0;
  for (const auto& writer : writers_) sum += writer->fsyncs();
  return sum;
}

int RoundsFromEnvironment(int usual) {
  const char* const text = std::getenv("TREFOIL_ROUNDS");
  return text == nullptr ? usual : std::atoi(text);
}

}  // namespace trefoil::testing
