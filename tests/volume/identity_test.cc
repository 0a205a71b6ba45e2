// SPDX-License-Identifier: Apache-2.0
// Goal: a volume object opens with each of its secrets and with nothing else,
// whatever somebody does to it, and in bounded time.
// Method: objects with every kind of slot at a low cost; every byte of their
// JSON changed, every field replaced; objects put into a copy by a stranger.
#include "fs/volume/identity.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fs/object/object_writer.h"
#include "tests/support/temp_dir.h"

namespace trefoil {
namespace {

using Json = nlohmann::json;

constexpr ScryptCost kCheap{10, 8, 1};

Secret Passphrase(std::string_view text) {
  return {Secret::Kind::kPassphrase, SecretBytes(text)};
}
Secret RecoveryKey(std::string_view bytes) {
  return {Secret::Kind::kRecoveryKey, SecretBytes(bytes)};
}

class IdentityTest : public ::testing::Test {
 protected:
  IdentityTest() { SealSecrets(secrets_, random_, &object_); }

  static StatusCode CodeOf(const VolumeObject& object, const Secret& secret) {
    return OpenSecrets(object, secret).status().code();
  }
  [[nodiscard]] Secret VolumeKeySecret() const {
    return {Secret::Kind::kVolumeKey, secrets_.volume_key};
  }
  [[nodiscard]] bool AreOurs(const VolumeSecrets& opened) const {
    const auto& key = opened.identity.block_key;
    return key.Equals(secrets_.identity.block_key.view()) &&
           opened.data_keys.size() == secrets_.data_keys.size() &&
           opened.data_keys[0].key.Equals(secrets_.data_keys[0].key.view());
  }
  // The object as its JSON is after `change`.
  VolumeObject Changed(const std::function<void(Json&)>& change) {
    Json json = Json::parse(EncodeVolumeObject(object_));
    change(json);
    auto decoded = DecodeVolumeObject("volume/1", json.dump());
    EXPECT_TRUE(decoded.ok()) << decoded.status().ToString();
    decoded->number = object_.number;
    return std::move(*decoded);
  }

  Clock& clock_ = Clock::Real();
  Random& random_ = Random::System();
  const std::string recovery_key_ = std::string(20, 'r');
  VolumeSecrets secrets_ = NewSecrets(clock_, random_, true);
  VolumeObject object_ = WithSlots();

 private:
  VolumeObject WithSlots() {
    VolumeObject object = NewVolumeObject(secrets_);
    const NewSlot slots[] = {
        {SlotKind::kPassphrase, "office", SecretBytes("correct horse"), kCheap},
        {SlotKind::kRecoveryKey, "kit", SecretBytes(recovery_key_), {}},
        {SlotKind::kPassphrase, "boss", SecretBytes("battery"), kCheap}};
    for (const NewSlot& slot : slots) {
      EXPECT_TRUE(AddSlot(slot, clock_, random_, &secrets_, &object).ok());
    }
    return object;
  }
};

TEST_F(IdentityTest, EachSecretOpensIt) {
  for (const Secret& secret :
       {Passphrase("correct horse"), Passphrase("battery"),
        RecoveryKey(recovery_key_), VolumeKeySecret()}) {
    const auto opened = OpenSecrets(object_, secret);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    EXPECT_TRUE(AreOurs(*opened));
    EXPECT_TRUE(opened->volume_key.Equals(secrets_.volume_key.view()));
    EXPECT_EQ(opened->slot_secrets.size(), 3);
  }
}

TEST_F(IdentityTest, NoOtherSecretDoes) {
  for (const Secret& secret :
       {Passphrase("correct horsf"), Passphrase(""), Passphrase(recovery_key_),
        RecoveryKey(std::string(20, 's')), RecoveryKey("correct horse"),
        RecoveryKey(""),
        Secret{Secret::Kind::kVolumeKey, SecretBytes(std::string(32, 'v'))}}) {
    EXPECT_EQ(CodeOf(object_, secret), StatusCode::kPermissionDenied);
  }
  EXPECT_EQ(CodeOf(object_, Secret()), StatusCode::kNoKey);
  ASSERT_TRUE(RemoveSlot(2, &secrets_, &object_).ok());
  EXPECT_EQ(CodeOf(object_, RecoveryKey(recovery_key_)),
            StatusCode::kPermissionDenied);
}

TEST_F(IdentityTest, ARemovedWayInIsClosedAndRotationKeepsTheRest) {
  ASSERT_TRUE(RemoveSlot(1, &secrets_, &object_).ok());
  EXPECT_TRUE(RemoveSlot(1, &secrets_, &object_).Is(StatusCode::kNotFound));
  const Secret old_key = VolumeKeySecret();
  RotateKeys(clock_, random_, &secrets_);
  ++object_.number;
  SealSecrets(secrets_, random_, &object_);
  EXPECT_EQ(CodeOf(object_, Passphrase("correct horse")),
            StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOf(object_, old_key), StatusCode::kPermissionDenied);
  const auto opened = OpenSecrets(object_, Passphrase("battery"));
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->MakeKeyring()->ids(), (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(opened->MakeKeyring()->current(), 2);
}

TEST_F(IdentityTest, JsonKeepsEverything) {
  auto decoded = DecodeVolumeObject("volume/1", EncodeVolumeObject(object_));
  ASSERT_TRUE(decoded.ok());
  decoded->number = object_.number;
  EXPECT_EQ(EncodeVolumeObject(*decoded), EncodeVolumeObject(object_));
  const auto opened = OpenSecrets(*decoded, Passphrase("battery"));
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(AreOurs(*opened));
}

// Labels and times are bound by nothing; keys never come out otherwise.
TEST_F(IdentityTest, AChangedByteGivesTheSameKeysOrAnError) {
  const std::string json = EncodeVolumeObject(object_);
  for (size_t at = 0; at < json.size(); ++at) {
    for (const char byte : {'0', '7', '"', static_cast<char>(json[at] ^ 1)}) {
      std::string changed = json;
      changed[at] = byte;
      auto decoded = DecodeVolumeObject("volume/1", changed);
      if (!decoded.ok()) continue;
      decoded->number = object_.number;
      for (const Secret& secret :
           {RecoveryKey(recovery_key_), VolumeKeySecret()}) {
        const auto opened = OpenSecrets(*decoded, secret);
        if (opened.ok()) {
          EXPECT_TRUE(AreOurs(*opened)) << changed;
        }
      }
    }
  }
}

TEST_F(IdentityTest, BoxesOpenInTheirPlaceOnly) {
  const auto code = [this](const std::function<void(Json&)>& change) {
    return CodeOf(Changed(change), RecoveryKey(recovery_key_));
  };
  EXPECT_EQ(code([](Json&) {}), StatusCode::kOk);
  for (const std::function<void(Json&)>& change :
       std::vector<std::function<void(Json&)>>{
           [](Json& json) { json["slots"][1]["id"] = 9; },
           [](Json& json) { json["slots"][1]["box"] = ""; },
           [](Json& json) {
             json["slots"][1]["box"] = json["slots"][0]["box"];
           },
           [](Json& json) { json["secrets"] = json["slots"][1]["box"]; },
           [](Json& json) { json["secrets"] = ""; },
           [](Json& json) { json["volume_id"] = std::string(32, '0'); },
           [](Json& json) { json["slots"].erase(1); },
       }) {
    EXPECT_EQ(code(change), StatusCode::kPermissionDenied);
  }
  // Under another number: an old way in can't be brought back.
  VolumeObject other = object_;
  ++other.number;
  EXPECT_EQ(CodeOf(other, RecoveryKey(recovery_key_)),
            StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOf(other, VolumeKeySecret()), StatusCode::kPermissionDenied);
}

TEST_F(IdentityTest, HostileCostsAreRefusedBeforeTheyAreSpent) {
  for (const auto& [field, value] :
       std::vector<std::pair<const char*, uint64_t>>{{"log2_n", 63},
                                                     {"log2_n", 31},
                                                     {"log2_n", 0},
                                                     {"r", 1U << 30},
                                                     {"r", 0},
                                                     {"p", 1U << 30},
                                                     {"p", 0}}) {
    const VolumeObject hostile =
        Changed([&](Json& json) { json["slots"][0][field] = value; });
    EXPECT_EQ(CodeOf(hostile, Passphrase("correct horse")),
              StatusCode::kInvalidArgument)
        << field << " " << value;
  }
}

TEST_F(IdentityTest, MalformedJsonIsCorruption) {
  const auto code = [](const std::string& text) {
    return DecodeVolumeObject("volume/1", text).status().code();
  };
  for (const char* text : {"", "{", "[]", "null", "{}", R"({"format":"1"})",
                           R"({"format":-1})", R"({"format":1})"}) {
    EXPECT_EQ(code(text), StatusCode::kCorruption) << text;
  }
  EXPECT_EQ(code(R"({"format":2})"), StatusCode::kNewerFormat);
  const Json good = Json::parse(EncodeVolumeObject(object_));
  for (const auto& [field, value] : good.items()) {
    if (field == "format") continue;
    for (const Json& other : {Json(), Json("zz"), Json(-1.5), Json::array({1}),
                              Json::object(), Json(1ULL << 63)}) {
      Json bad = good;
      bad[field] = other;
      if (field == "created" && other.is_number_integer()) continue;
      EXPECT_EQ(code(bad.dump()), StatusCode::kCorruption) << bad.dump();
    }
    Json without = good;
    without.erase(field);
    EXPECT_EQ(code(without.dump()), StatusCode::kCorruption) << field;
  }
  for (const auto& [field, value] : good["slots"][0].items()) {
    Json bad = good;
    bad["slots"][0].erase(field);
    EXPECT_EQ(code(bad.dump()), StatusCode::kCorruption) << field;
  }
  Json many = good;
  for (int i = 0; i < 64; ++i) many["slots"].push_back(good["slots"][0]);
  EXPECT_EQ(code(many.dump()), StatusCode::kCorruption);
}

// Volume objects are read before there is a key, so anybody can put one.
TEST_F(IdentityTest, ADowngradeIsRefusedWhenASecretIsGiven) {
  const testing::TempDir dir;
  LocalTree objects(Env::Posix(), dir.path());
  ASSERT_TRUE(WriteVolumeObject(Env::Posix(), random_, objects, object_).ok());
  VolumeSecrets plain = NewSecrets(clock_, random_, false);
  plain.identity.volume_id = secrets_.identity.volume_id;
  VolumeObject forged = NewVolumeObject(plain);
  SealSecrets(plain, random_, &forged);
  EXPECT_EQ(CodeOf(forged, Passphrase("correct horse")),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(forged, Secret()), StatusCode::kOk);

  // The volume's own object, one number below, still opens.
  forged.number = 2;
  ASSERT_TRUE(WriteVolumeObject(Env::Posix(), random_, objects, forged).ok());
  const auto opened = OpenSecretsOf(objects, Passphrase("correct horse"));
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  EXPECT_TRUE(AreOurs(opened->secrets));
  EXPECT_TRUE(opened->object_key.starts_with("volume/0000000000000001-"));

  const testing::TempDir only_forged;
  LocalTree replaced(Env::Posix(), only_forged.path());
  ASSERT_TRUE(WriteVolumeObject(Env::Posix(), random_, replaced, forged).ok());
  EXPECT_TRUE(OpenSecretsOf(replaced, Passphrase("correct horse"))
                  .status()
                  .Is(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace trefoil
