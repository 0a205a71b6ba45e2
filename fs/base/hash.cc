// SPDX-License-Identifier: Apache-2.0
#include "fs/base/hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <xxhash.h>

#include <algorithm>

#include "fs/base/bytes.h"
#include "fs/base/check.h"

namespace trefoil {
namespace {

struct MdContextFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct MacContextFree {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using MdContext = std::unique_ptr<EVP_MD_CTX, MdContextFree>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, MacContextFree>;

// Looking an algorithm up is slow; it is done once.
const EVP_MD* Sha256Algorithm() {
  static const EVP_MD* const algorithm =
      EVP_MD_fetch(nullptr, "SHA256", nullptr);
  TREFOIL_CHECK(algorithm != nullptr);
  return algorithm;
}

MacContext NewHmacContext() {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  TREFOIL_CHECK(algorithm != nullptr);
  MacContext context(EVP_MAC_CTX_new(algorithm));
  TREFOIL_CHECK(context != nullptr);
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  TREFOIL_CHECK(EVP_MAC_CTX_set_params(context.get(), params) == 1);
  return context;
}

const unsigned char* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

std::string Hash256::ToHex() const { return trefoil::ToHex(view()); }

bool Hash256::FromHex(std::string_view hex, Hash256* out) {
  std::string raw;
  if (hex.size() != 64 || !trefoil::FromHex(hex, &raw)) return false;
  *out = FromBytes(raw);
  return true;
}

Hash256 Hash256::FromBytes(std::string_view raw) {
  Hash256 hash;
  TREFOIL_CHECK(raw.size() == hash.bytes.size());
  std::copy(raw.begin(), raw.end(), hash.bytes.begin());
  return hash;
}

struct Sha256::Impl {
  MdContext context{EVP_MD_CTX_new()};

  void Begin() {
    TREFOIL_CHECK(context != nullptr);
    TREFOIL_CHECK(
        EVP_DigestInit_ex2(context.get(), Sha256Algorithm(), nullptr) == 1);
  }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) { impl_->Begin(); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::string_view data) {
  TREFOIL_CHECK(
      EVP_DigestUpdate(impl_->context.get(), data.data(), data.size()) == 1);
}

Hash256 Sha256::Finish() {
  Hash256 hash;
  TREFOIL_CHECK(
      EVP_DigestFinal_ex(impl_->context.get(),
                         reinterpret_cast<unsigned char*>(hash.bytes.data()),
                         nullptr) == 1);
  impl_->Begin();
  return hash;
}

Hash256 Sha256::Of(std::string_view data) {
  Sha256 stream;
  stream.Update(data);
  return stream.Finish();
}

Hash256 HmacSha256(std::string_view key, std::string_view data) {
  TREFOIL_CHECK(!key.empty());
  thread_local const MacContext context = NewHmacContext();
  Hash256 hash;
  size_t length = 0;
  TREFOIL_CHECK(
      EVP_MAC_init(context.get(), Unsigned(key), key.size(), nullptr) == 1);
  TREFOIL_CHECK(EVP_MAC_update(context.get(), Unsigned(data), data.size()) ==
                1);
  TREFOIL_CHECK(
      EVP_MAC_final(context.get(),
                    reinterpret_cast<unsigned char*>(hash.bytes.data()),
                    &length, hash.bytes.size()) == 1);
  TREFOIL_CHECK(length == hash.bytes.size());
  return hash;
}

uint64_t Xxh3(std::string_view data, uint64_t seed) {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}

std::array<char, 16> Xxh3_128(std::string_view data, uint64_t seed) {
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(data.data(), data.size(), seed);
  std::array<char, 16> out{};
  std::memcpy(out.data(), &hash.low64, 8);
  std::memcpy(out.data() + 8, &hash.high64, 8);
  return out;
}

}  // namespace trefoil
