// SPDX-License-Identifier: Apache-2.0
// What the crash sweep goes through: each scenario is one entry of a table.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/crash/machine.h"

namespace trefoil {

// One operation, wholly visible or not at all.
struct Step {
  std::string name;
  std::function<Status(Machine&)> run;
  // When it returns OK, everything so far is on stable storage (O1).
  bool is_barrier = false;
};

struct Scenario {
  std::string name;
  std::vector<Step> prepare;  // ends with everything durable; not swept
  std::vector<Step> steps;
  // Begins with the volume closed: steps open it.
  bool begins_closed = false;
};

const std::vector<Scenario>& Scenarios();
const Scenario& FindScenario(const std::string& name);

}  // namespace trefoil
