// SPDX-License-Identifier: Apache-2.0
#include "replicator/target_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "fs/base/bytes.h"

namespace trefoil {

namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr uint64_t kMaxStateBytes = 1ULL << 20;

Json ToJson(const TargetState& state) {
  const TargetStatus& status = state.status;
  Json claims = Json::array();
  for (const ClaimName& claim : state.claims) {
    claims.push_back({{"generation", claim.generation.value},
                      {"instance", InstanceHex(claim.instance)}});
  }
  Json shelf = Json::array();
  for (const TargetState& other : state.shelf) shelf.push_back(ToJson(other));
  return {{"format", kFormat},
          {"name", status.name},
          {"url", status.url},
          {"state", status.state},
          {"watermark",
           {{"seq", status.watermark.value},
            {"generation", state.watermark_generation.value},
            {"name", state.watermark_name.ToHex()},
            {"time_nanos", status.watermark_time_nanos}}},
          {"volume_object", status.volume_object},
          {"objects_held", status.objects_held},
          {"bytes_held", status.bytes_held},
          {"objects_waiting", status.objects_waiting},
          {"bytes_waiting", status.bytes_waiting},
          {"bytes_per_second", status.bytes_per_second},
          {"last_error", status.last_error},
          {"last_error_time_nanos", status.last_error_time_nanos},
          {"notice", status.notice},
          {"notice_time_nanos", status.notice_time_nanos},
          {"claims", std::move(claims)},
          {"claims_known", state.claims_known},
          {"superseded", state.superseded.value},
          {"complete_time_nanos", status.complete_nanos},
          {"disk", state.disk.id},
          {"label", state.disk.label},
          {"shelf", std::move(shelf)},
          {"forgotten", state.forgotten}};
}

// Throws what nlohmann::json throws; the one caller catches it.
TargetState FromJson(const Json& json) {
  TargetState state;
  TargetStatus& status = state.status;
  if (json.at("format").get<int>() != kFormat) {
    throw std::invalid_argument("unknown format");
  }
  json.at("name").get_to(status.name);
  json.at("url").get_to(status.url);
  json.at("state").get_to(status.state);
  const Json& watermark = json.at("watermark");
  watermark.at("seq").get_to(status.watermark.value);
  watermark.at("generation").get_to(state.watermark_generation.value);
  watermark.at("time_nanos").get_to(status.watermark_time_nanos);
  if (!Hash256::FromHex(watermark.at("name").get<std::string>(),
                        &state.watermark_name)) {
    throw std::invalid_argument("bad name");
  }
  status.volume_object = json.value("volume_object", uint64_t{0});
  json.at("objects_held").get_to(status.objects_held);
  json.at("bytes_held").get_to(status.bytes_held);
  json.at("objects_waiting").get_to(status.objects_waiting);
  json.at("bytes_waiting").get_to(status.bytes_waiting);
  json.at("bytes_per_second").get_to(status.bytes_per_second);
  json.at("last_error").get_to(status.last_error);
  json.at("last_error_time_nanos").get_to(status.last_error_time_nanos);
  json.at("notice").get_to(status.notice);
  json.at("notice_time_nanos").get_to(status.notice_time_nanos);
  json.at("claims_known").get_to(state.claims_known);
  json.at("superseded").get_to(state.superseded.value);
  for (const Json& item : json.at("claims")) {
    ClaimName claim;
    item.at("generation").get_to(claim.generation.value);
    std::string instance;
    if (!FromHex(item.at("instance").get<std::string>(), &instance) ||
        instance.size() != claim.instance.size()) {
      throw std::invalid_argument("bad instance");
    }
    std::copy(instance.begin(), instance.end(), claim.instance.begin());
    state.AddClaim(claim);
  }
  status.complete_nanos = json.value("complete_time_nanos", int64_t{0});
  state.disk = {json.value("disk", ""), json.value("label", "")};
  state.forgotten = json.value("forgotten", std::vector<std::string>());
  if (!json.contains("shelf")) return state;
  for (const Json& other : json.at("shelf")) {
    if (state.shelf.size() >= TargetState::kMaxShelf) break;
    state.shelf.push_back(FromJson(other));
    state.shelf.back().shelf.clear();
  }
  return state;
}

// What a disk may be called.
bool IsId(const TargetDisk& disk, const std::string& name) {
  return !disk.id.empty() && disk.id == name;
}
bool IsLabel(const TargetDisk& disk, const std::string& name) {
  return !disk.id.empty() && disk.label == name;
}
bool IsBeginning(const TargetDisk& disk, const std::string& name) {
  constexpr size_t kMinDigits = 4;
  return name.size() >= kMinDigits && disk.id.starts_with(name);
}

}  // namespace

void TargetState::AddClaim(const ClaimName& claim) {
  if (std::find(claims.begin(), claims.end(), claim) != claims.end()) return;
  claims.push_back(claim);
  if (claims.size() > kMaxClaims) claims.erase(claims.begin());
}

bool TargetState::UseDisk(const TargetDisk& other) {
  // A file from before disks were told apart is of the disk that is in.
  if (disk.id.empty() || disk.id == other.id) {
    disk = other;
    return false;
  }
  std::vector<TargetState> all = std::move(shelf);
  TargetState next;
  const auto known = std::find_if(
      all.begin(), all.end(),
      [&](const TargetState& state) { return state.disk.id == other.id; });
  if (known != all.end()) {
    next = std::move(*known);
    all.erase(known);
  } else {
    // What this volume claimed elsewhere it did not claim as a stranger.
    next.claims = claims;
  }
  next.disk = other;
  next.status.name = status.name;
  next.status.url = status.url;
  next.status.state = status.state;
  next.forgotten = std::move(forgotten);
  forgotten.clear();
  shelf.clear();
  all.insert(all.begin(), std::move(*this));
  if (all.size() > kMaxShelf) all.pop_back();
  next.shelf = std::move(all);
  *this = std::move(next);
  return true;
}

std::vector<DiskStatus> TargetState::Disks(bool is_in) const {
  std::vector<DiskStatus> disks;
  const auto add = [&](const TargetState& state, bool in) {
    disks.push_back({state.disk, in, state.status.watermark,
                     state.status.watermark_time_nanos,
                     state.status.complete_nanos});
  };
  if (disk.id.empty()) return disks;
  add(*this, is_in);
  for (const TargetState& other : shelf) add(other, false);
  return disks;
}

Result<TargetDisk> TargetState::Forget(const std::string& name,
                                       const std::string& id_in) {
  std::vector<TargetState*> all = {this};
  for (TargetState& other : shelf) all.push_back(&other);
  // An id says more than a label, and that more than a beginning.
  std::vector<TargetState*> meant;
  for (const auto& fits : {IsId, IsLabel, IsBeginning}) {
    if (!meant.empty()) break;
    std::copy_if(all.begin(), all.end(), std::back_inserter(meant),
                 [&](const TargetState* one) { return fits(one->disk, name); });
  }
  if (meant.empty()) {
    return Status(StatusCode::kNotFound,
                  fmt::format("no disk of {} is named {}", status.name, name));
  }
  if (meant.size() > 1) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("several disks of {} are named {}: give the id",
                              status.name, name));
  }
  const TargetDisk gone = meant.front()->disk;
  if (gone.id == id_in) {
    return Status(StatusCode::kPreconditionFailed,
                  fmt::format("disk {} is plugged in: unplug it first", name));
  }
  Drop(meant.front());
  forgotten.push_back(gone.id);
  if (forgotten.size() > kMaxForgotten) forgotten.erase(forgotten.begin());
  return gone;
}

void TargetState::Drop(TargetState* one) {
  if (one != this) {
    shelf.erase(shelf.begin() + (one - shelf.data()));
    return;
  }
  TargetState next;
  if (shelf.empty()) {
    next.claims = std::move(claims);
  } else {
    std::vector<TargetState> others = std::move(shelf);
    next = std::move(others.front());
    others.erase(others.begin());
    next.shelf = std::move(others);
  }
  next.status.name = status.name;
  next.status.url = status.url;
  next.status.state = status.state;
  next.forgotten = std::move(forgotten);
  *this = std::move(next);
}

bool TargetState::IsForgotten(const std::string& id) const {
  return std::find(forgotten.begin(), forgotten.end(), id) != forgotten.end();
}

std::vector<std::string> ForgottenDisks(Env& env,
                                        const std::string& volume_path,
                                        const std::string& target_name) {
  auto state = LoadTargetState(env, TargetStatePath(volume_path, target_name));
  if (!state.ok()) return {};
  return std::move(state->forgotten);
}

Result<TargetDisk> ForgetDisk(Env& env, const std::string& volume_path,
                              const std::string& target_name,
                              const std::string& disk,
                              const std::string& id_in) {
  const std::string path = TargetStatePath(volume_path, target_name);
  auto state = LoadTargetState(env, path);
  if (state.status().Is(StatusCode::kNotFound)) {
    return Status(StatusCode::kNotFound,
                  "nothing is known of any disk of " + target_name);
  }
  TREFOIL_TRY(state.status());
  TREFOIL_ASSIGN(TargetDisk gone, state->Forget(disk, id_in));
  TREFOIL_TRY(SaveTargetState(env, path, *state));
  const Status removed = env.Remove(
      JoinPath(JoinPath(volume_path, "scrub"), target_name + "." + gone.id));
  if (!removed.Is(StatusCode::kNotFound)) TREFOIL_TRY(removed);
  return gone;
}

std::string TargetStatePath(const std::string& volume_path,
                            const std::string& target_name) {
  return JoinPath(JoinPath(volume_path, "targets"), target_name + ".json");
}

Result<TargetState> LoadTargetState(Env& env, const std::string& path) {
  TREFOIL_ASSIGN(const std::string text, env.ReadFile(path, kMaxStateBytes));
  try {
    return FromJson(Json::parse(text));
  } catch (const std::exception& error) {
    return Status(StatusCode::kCorruption,
                  fmt::format("{}: {}", path, error.what()));
  }
}

Status SaveTargetState(Env& env, const std::string& path,
                       const TargetState& state) {
  std::string text;
  try {
    text = ToJson(state).dump(2, ' ', false, Json::error_handler_t::replace);
  } catch (const std::exception& error) {
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("{}: {}", path, error.what()));
  }
  // Its directory may have been made a moment ago, or before a crash.
  const std::string directory = DirName(path);
  TREFOIL_TRY(env.CreateDirs(directory));
  TREFOIL_TRY(env.SyncDir(DirName(directory)));
  return env.WriteFileAtomically(path, text + "\n");
}

}  // namespace trefoil
