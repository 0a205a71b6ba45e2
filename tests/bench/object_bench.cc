// SPDX-License-Identifier: Apache-2.0
// Goal: what one core does a second for each step between file data and an
// object: chunking, sealing, writing, and reading a block back.
// Method: google-benchmark over bytes that don't shrink and over text; files
// go below $TMPDIR.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "fs/object/chunker.h"
#include "fs/object/local_tree.h"
#include "fs/object/object_writer.h"
#include "fs/object/seal.h"

namespace trefoil {
namespace {

constexpr size_t kBlockBytes = 128U << 10;
constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";

std::string Noise(size_t size) {
  std::mt19937_64 generator(1);
  std::string out;
  while (out.size() < size) {
    const uint64_t word = generator();
    out.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
  return out;
}

std::string Text(size_t size) {
  std::mt19937_64 generator(1);
  std::string out;
  while (out.size() < size) {
    out += "invoice " + std::to_string(generator() % 100'000) + ", paid\n";
  }
  out.resize(size);
  return out;
}

std::string Data(bool compressible, size_t size) {
  return compressible ? Text(size) : Noise(size);
}

// A directory below $TMPDIR that goes with the object.
class ScratchDir {
 public:
  ScratchDir() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/trefoil.XXXXXX";
    TREFOIL_CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~ScratchDir() { static_cast<void>(Env::Posix().RemoveTree(path_)); }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void CountBytes(benchmark::State& state, size_t bytes_each) {
  state.SetBytesProcessed(static_cast<int64_t>(
      bytes_each * static_cast<size_t>(state.iterations())));
}

void ChunkNoise(benchmark::State& state) {
  const Chunker chunker(kKey, {});
  const std::string data = Noise(64U << 20);
  int64_t chunks = 0;
  for (auto _ : state) {
    std::string_view rest = data;
    while (!rest.empty()) {
      rest.remove_prefix(chunker.FirstChunk(rest));
      ++chunks;
    }
  }
  CountBytes(state, data.size());
  state.counters["chunk_bytes_mean"] = static_cast<double>(data.size()) *
                                       static_cast<double>(state.iterations()) /
                                       static_cast<double>(chunks);
}
BENCHMARK(ChunkNoise);

// As the objects of an encrypted volume are sealed.
const Keyring& BenchKeyring() {
  static const Keyring* const keyring = [] {
    auto* made = new Keyring(Keyring::Mode::kSealed);
    made->Add(1, SecretBytes::Drawn(Random::System(), kKeyBytes));
    return made;
  }();
  return *keyring;
}

Sealer BenchSealer() {
  ObjectHeader header;
  header.cipher = Cipher::kAes256Gcm;
  header.key_id = 1;
  return Sealer::For(header, BenchKeyring()).value();
}

void Seal(benchmark::State& state) {
  const std::string data = Data(state.range(0) != 0, kBlockBytes);
  const Sealer sealer = BenchSealer();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        SealFrame(sealer, kHeaderBytes, 0, FrameType::kBlock, data).ok());
  }
  CountBytes(state, data.size());
}
BENCHMARK(Seal)->ArgName("text")->Arg(0)->Arg(1);

void Open(benchmark::State& state) {
  const std::string data = Data(state.range(0) != 0, kBlockBytes);
  const Sealer sealer = BenchSealer();
  const std::string frame =
      SealFrame(sealer, kHeaderBytes, 0, FrameType::kBlock, data).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(OpenFrame(sealer, kHeaderBytes, frame).ok());
  }
  CountBytes(state, data.size());
}
BENCHMARK(Open)->ArgName("text")->Arg(0)->Arg(1);

FinishedObject WritePack(LocalTree& tree, std::string_view block,
                         size_t blocks) {
  auto writer =
      ObjectWriter::Create(Env::Posix(), Random::System(), BenchKeyring(),
                           tree.NewTemporaryPath().value(), {})
          .value();
  for (size_t i = 0; i < blocks; ++i) {
    TREFOIL_CHECK(writer->Append(FrameType::kBlock, block).ok());
  }
  return writer->Finish().value();
}

// Sealing, hashing, writing and syncing 32 MiB.
void WriteAndAdoptPack(benchmark::State& state) {
  const ScratchDir dir;
  LocalTree tree(Env::Posix(), dir.path());
  const std::string block = Noise(kBlockBytes);
  constexpr size_t kBlocks = 256;
  for (auto _ : state) {
    const FinishedObject object = WritePack(tree, block, kBlocks);
    TREFOIL_CHECK(tree.Adopt(object, PackKey(object.name)).ok());
    TREFOIL_CHECK(tree.Delete(PackKey(object.name)).ok());
  }
  CountBytes(state, kBlocks * kBlockBytes);
}
BENCHMARK(WriteAndAdoptPack)->UseRealTime();

void ReadBlock(benchmark::State& state) {
  const ScratchDir dir;
  LocalTree tree(Env::Posix(), dir.path());
  const std::string block = Data(state.range(0) != 0, kBlockBytes);
  const FinishedObject object = WritePack(tree, block, 1);
  const std::string key = PackKey(object.name);
  TREFOIL_CHECK(tree.Adopt(object, key).ok());
  const std::string frame =
      SealFrame(BenchSealer(), kHeaderBytes, 0, FrameType::kBlock, block)
          .value();
  const FrameLocation location{kHeaderBytes,
                               static_cast<uint32_t>(frame.size()),
                               static_cast<uint32_t>(block.size()), 0};
  for (auto _ : state) {
    TREFOIL_CHECK(tree.ReadFrame(key, location, BenchKeyring()).ok());
  }
  CountBytes(state, block.size());
}
BENCHMARK(ReadBlock)->ArgName("text")->Arg(0)->Arg(1);

}  // namespace
}  // namespace trefoil

BENCHMARK_MAIN();
