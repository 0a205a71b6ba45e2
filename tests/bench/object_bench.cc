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

// What an encrypted volume, or one that is not, seals its objects under.
const Keyring& KeyringOf(bool sealed) {
  static const Keyring* const keyring = [] {
    auto* made = new Keyring(Keyring::Mode::kSealed);
    made->Add(1, SecretBytes::Drawn(Random::System(), kKeyBytes));
    return made;
  }();
  return sealed ? *keyring : Keyring::Plain();
}

Sealer SealerOf(bool sealed) {
  ObjectHeader header;
  header.cipher = CipherOf(header.kind, KeyringOf(sealed));
  header.key_id = KeyringOf(sealed).current();
  return Sealer::For(header, KeyringOf(sealed)).value();
}

void TextAndSealed(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"text", "sealed"})->ArgsProduct({{0, 1}, {0, 1}});
}

void Seal(benchmark::State& state) {
  const std::string data = Data(state.range(0) != 0, kBlockBytes);
  const Sealer sealer = SealerOf(state.range(1) != 0);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        SealFrame(sealer, kHeaderBytes, 0, FrameType::kBlock, data).ok());
  }
  CountBytes(state, data.size());
}
BENCHMARK(Seal)->Apply(TextAndSealed);

void Open(benchmark::State& state) {
  const std::string data = Data(state.range(0) != 0, kBlockBytes);
  const Sealer sealer = SealerOf(state.range(1) != 0);
  const std::string frame =
      SealFrame(sealer, kHeaderBytes, 0, FrameType::kBlock, data).value();
  for (auto _ : state) {
    benchmark::DoNotOptimize(OpenFrame(sealer, kHeaderBytes, frame).ok());
  }
  CountBytes(state, data.size());
}
BENCHMARK(Open)->Apply(TextAndSealed);

// As destage does it: chunks, their ids, compressed and sealed into a pack.
FinishedObject WritePack(LocalTree& tree, std::string_view data,
                         const Keyring& keyring) {
  const Chunker chunker(kKey, ChunkerOptions{});
  auto writer = ObjectWriter::Create(Env::Posix(), Random::System(), keyring,
                                     tree.NewTemporaryPath().value(), {})
                    .value();
  while (!data.empty()) {
    const std::string_view chunk = data.substr(0, chunker.FirstChunk(data));
    benchmark::DoNotOptimize(HmacSha256(kKey, chunk));
    TREFOIL_CHECK(writer->Append(FrameType::kBlock, chunk).ok());
    data.remove_prefix(chunk.size());
  }
  return writer->Finish().value();
}

// Everything that 32 MiB go through from journal to object, syncing included.
void Destage(benchmark::State& state) {
  const ScratchDir dir;
  LocalTree tree(Env::Posix(), dir.path());
  constexpr size_t kPackBytes = 32U << 20;
  const std::string data = Data(state.range(0) != 0, kPackBytes);
  for (auto _ : state) {
    const FinishedObject object =
        WritePack(tree, data, KeyringOf(state.range(1) != 0));
    TREFOIL_CHECK(tree.Adopt(object, PackKey(object.name)).ok());
    TREFOIL_CHECK(tree.Delete(PackKey(object.name)).ok());
  }
  CountBytes(state, kPackBytes);
}
BENCHMARK(Destage)->Apply(TextAndSealed)->UseRealTime();

void ReadBlock(benchmark::State& state) {
  const ScratchDir dir;
  LocalTree tree(Env::Posix(), dir.path());
  const Keyring& keyring = KeyringOf(state.range(1) != 0);
  const std::string block = Data(state.range(0) != 0, kBlockBytes);
  auto writer = ObjectWriter::Create(Env::Posix(), Random::System(), keyring,
                                     tree.NewTemporaryPath().value(), {})
                    .value();
  const FrameLocation location =
      writer->Append(FrameType::kBlock, block).value();
  const FinishedObject object = writer->Finish().value();
  const std::string key = PackKey(object.name);
  TREFOIL_CHECK(tree.Adopt(object, key).ok());
  for (auto _ : state) {
    TREFOIL_CHECK(tree.ReadFrame(key, location, keyring).ok());
  }
  CountBytes(state, block.size());
}
BENCHMARK(ReadBlock)->Apply(TextAndSealed);

}  // namespace
}  // namespace trefoil

BENCHMARK_MAIN();
