// SPDX-License-Identifier: Apache-2.0
#include "fs/volume/hydration.h"

#include <nlohmann/json.hpp>

namespace trefoil {
namespace {

constexpr const char* kFileName = "hydrating";
constexpr uint64_t kMaxPlanBytes = 4096;

uint64_t NumberIn(const nlohmann::json& json, const char* name) {
  const auto at = json.find(name);
  return at != json.end() && at->is_number_unsigned() ? at->get<uint64_t>() : 0;
}

}  // namespace

Status BeginHydration(Env& env, const std::string& volume_path,
                      const HydrationPlan& plan) {
  const nlohmann::json json = {{"objects", plan.objects},
                               {"bytes", plan.bytes}};
  return env.WriteFileAtomically(JoinPath(volume_path, kFileName),
                                 json.dump() + "\n");
}

std::optional<HydrationPlan> FindHydration(Env& env,
                                           const std::string& volume_path) {
  const std::string path = JoinPath(volume_path, kFileName);
  if (!env.Exists(path)) return std::nullopt;
  HydrationPlan plan;
  const auto text = env.ReadFile(path, kMaxPlanBytes);
  if (!text.ok()) return plan;
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object()) return plan;
  plan.objects = NumberIn(json, "objects");
  plan.bytes = NumberIn(json, "bytes");
  return plan;
}

Status EndHydration(Env& env, const std::string& volume_path) {
  TREFOIL_TRY(env.Remove(JoinPath(volume_path, kFileName)));
  return env.SyncDir(volume_path);
}

}  // namespace trefoil
