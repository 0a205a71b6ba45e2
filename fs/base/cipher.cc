// SPDX-License-Identifier: Apache-2.0
#include "fs/base/cipher.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <memory>

#include "fs/base/check.h"

namespace trefoil {
namespace {

constexpr size_t kSaltBytes = 32;
constexpr std::string_view kBoxInfo = "trefoil box";

struct CipherContextFree {
  void operator()(EVP_CIPHER_CTX* context) const {
    EVP_CIPHER_CTX_free(context);
  }
};
struct KdfContextFree {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, CipherContextFree>;
using KdfContext = std::unique_ptr<EVP_KDF_CTX, KdfContextFree>;

// Looking an algorithm up is slow; it is done once.
const EVP_CIPHER* Aes256Gcm() {
  static const EVP_CIPHER* const cipher =
      EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  TREFOIL_CHECK(cipher != nullptr);
  return cipher;
}

const EVP_CIPHER* Aes256Ecb() {
  static const EVP_CIPHER* const cipher =
      EVP_CIPHER_fetch(nullptr, "AES-256-ECB", nullptr);
  TREFOIL_CHECK(cipher != nullptr);
  return cipher;
}

CipherContext NewCipherContext() {
  CipherContext context(EVP_CIPHER_CTX_new());
  TREFOIL_CHECK(context != nullptr);
  return context;
}

const unsigned char* In(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* Out(std::span<char> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

void CheckSizes(std::string_view key, size_t data) {
  TREFOIL_CHECK(key.size() == kKeyBytes);
  TREFOIL_CHECK(data <= INT32_MAX);
}

KdfContext NewHkdfContext() {
  static EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  TREFOIL_CHECK(kdf != nullptr);
  KdfContext context(EVP_KDF_CTX_new(kdf));
  TREFOIL_CHECK(context != nullptr);
  return context;
}

OSSL_PARAM Octets(const char* name, std::string_view bytes) {
  // OpenSSL only reads them; no bytes are not the same to it as none given.
  const char* const data = bytes.empty() ? "" : bytes.data();
  return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(data),
                                           bytes.size());
}

}  // namespace

Tag AesGcmSeal(std::string_view key, const Nonce& nonce,
               std::string_view associated, std::span<char> data) {
  CheckSizes(key, data.size());
  thread_local const CipherContext context = NewCipherContext();
  int length = 0;
  Tag tag;
  TREFOIL_CHECK(EVP_EncryptInit_ex2(context.get(), Aes256Gcm(), In(key),
                                    In({nonce.data(), nonce.size()}),
                                    nullptr) == 1);
  TREFOIL_CHECK(EVP_EncryptUpdate(context.get(), nullptr, &length,
                                  In(associated),
                                  static_cast<int>(associated.size())) == 1);
  TREFOIL_CHECK(EVP_EncryptUpdate(context.get(), Out(data), &length,
                                  In({data.data(), data.size()}),
                                  static_cast<int>(data.size())) == 1 &&
                static_cast<size_t>(length) == data.size());
  TREFOIL_CHECK(EVP_EncryptFinal_ex(context.get(), nullptr, &length) == 1);
  TREFOIL_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG,
                                    kTagBytes, tag.data()) == 1);
  return tag;
}

bool AesGcmOpen(std::string_view key, const Nonce& nonce,
                std::string_view associated, std::string_view sealed,
                std::string_view tag, std::span<char> out) {
  CheckSizes(key, sealed.size());
  TREFOIL_CHECK(tag.size() == kTagBytes && out.size() == sealed.size());
  thread_local const CipherContext context = NewCipherContext();
  int length = 0;
  TREFOIL_CHECK(EVP_DecryptInit_ex2(context.get(), Aes256Gcm(), In(key),
                                    In({nonce.data(), nonce.size()}),
                                    nullptr) == 1);
  TREFOIL_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG,
                                    kTagBytes,
                                    const_cast<char*>(tag.data())) == 1);
  TREFOIL_CHECK(EVP_DecryptUpdate(context.get(), nullptr, &length,
                                  In(associated),
                                  static_cast<int>(associated.size())) == 1);
  TREFOIL_CHECK(EVP_DecryptUpdate(context.get(), Out(out), &length, In(sealed),
                                  static_cast<int>(sealed.size())) == 1);
  return EVP_DecryptFinal_ex(context.get(), nullptr, &length) == 1;
}

std::array<char, 16> AesBlock(std::string_view key, std::string_view block) {
  std::array<char, 16> out{};
  CheckSizes(key, block.size());
  TREFOIL_CHECK(block.size() == out.size());
  thread_local const CipherContext context = NewCipherContext();
  int length = 0;
  TREFOIL_CHECK(EVP_EncryptInit_ex2(context.get(), Aes256Ecb(), In(key),
                                    nullptr, nullptr) == 1);
  EVP_CIPHER_CTX_set_padding(context.get(), 0);
  TREFOIL_CHECK(EVP_EncryptUpdate(context.get(), Out(out), &length, In(block),
                                  static_cast<int>(block.size())) == 1 &&
                static_cast<size_t>(length) == out.size());
  return out;
}

SecretBytes HkdfSha256(std::string_view secret, std::string_view salt,
                       std::string_view info, size_t size) {
  const KdfContext context = NewHkdfContext();
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      Octets(OSSL_KDF_PARAM_KEY, secret), Octets(OSSL_KDF_PARAM_SALT, salt),
      Octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  SecretBytes out(size);
  TREFOIL_CHECK(EVP_KDF_derive(context.get(), Out(out.span()), size, params) ==
                1);
  return out;
}

Result<SecretBytes> Scrypt(std::string_view passphrase, std::string_view salt,
                           const ScryptCost& cost, size_t size) {
  constexpr uint64_t kMaxMemory = 1ULL << 30;
  constexpr uint64_t kMaxWork = 2 * kMaxMemory;  // some seconds
  constexpr uint32_t kMaxPasses = 16;
  constexpr uint32_t kMinLog2N = 10;
  constexpr uint32_t kMaxLog2N = 24;
  constexpr uint64_t kSlack = 8ULL << 20;
  const bool bounded =
      cost.log2_n >= kMinLog2N && cost.log2_n <= kMaxLog2N && cost.r >= 1 &&
      cost.r <= 64 && cost.p >= 1 && cost.p <= kMaxPasses &&
      (uint64_t{128} * cost.r << cost.log2_n) <= kMaxMemory &&
      (uint64_t{128} * cost.r << cost.log2_n) * cost.p <= kMaxWork;
  if (!bounded) {
    return Status(StatusCode::kInvalidArgument,
                  "the stored cost of the passphrase (scrypt 2^" +
                      std::to_string(cost.log2_n) + ", " +
                      std::to_string(cost.r) + ", " + std::to_string(cost.p) +
                      ") is beyond what is ever used");
  }
  SecretBytes out(size);
  const int derived =
      EVP_PBE_scrypt(passphrase.data(), passphrase.size(), In(salt),
                     salt.size(), 1ULL << cost.log2_n, cost.r, cost.p,
                     kMaxMemory + kSlack, Out(out.span()), size);
  if (derived != 1) {
    return Status(StatusCode::kIoError,
                  "no memory to derive a key from the passphrase");
  }
  return out;
}

std::string SealBox(std::string_view secret, std::string_view context,
                    std::string_view plain, Random& random) {
  std::string box = random.Bytes(kSaltBytes);
  const SecretBytes key = HkdfSha256(secret, box, kBoxInfo, kKeyBytes);
  box += plain;
  const Tag tag = AesGcmSeal(
      key.view(), Nonce{}, context,
      std::span<char>(box.data() + kSaltBytes, box.size() - kSaltBytes));
  return box.append(tag.data(), tag.size());
}

Result<SecretBytes> OpenBox(std::string_view secret, std::string_view context,
                            std::string_view box) {
  const Status refused(StatusCode::kPermissionDenied,
                       "the secret does not open it");
  if (box.size() < kSaltBytes + kTagBytes) return refused;
  const SecretBytes key =
      HkdfSha256(secret, box.substr(0, kSaltBytes), kBoxInfo, kKeyBytes);
  const std::string_view sealed =
      box.substr(kSaltBytes, box.size() - kSaltBytes - kTagBytes);
  SecretBytes plain(sealed.size());
  if (!AesGcmOpen(key.view(), Nonce{}, context, sealed,
                  box.substr(box.size() - kTagBytes), plain.span())) {
    return refused;
  }
  return plain;
}

}  // namespace trefoil
