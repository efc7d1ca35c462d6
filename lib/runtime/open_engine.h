// The engine that a user asks for: which backend, how many threads, and whether this machine can do
// it. Turns what goes wrong into messages for people.
#pragma once

#include "runtime/kernels/engine.h"

#include <memory>
#include <string>
#include <vector>

namespace vitals {

struct EngineRequest {
  const Backend* backend = nullptr;  // null: the fastest here for the precision
  Element precision = Element::kF32;
  int threads = 0;  // 0: one for every CPU that the process may use
  bool pin = false;
};

// Throws Error when the backend is not there, cannot compute in this precision on this CPU, or
// VITALS_ISA is wrong.
[[nodiscard]] std::unique_ptr<Engine> open_engine(const EngineRequest& request);

// Why the engine cannot compute in this precision on this CPU; empty when it can.
[[nodiscard]] std::string refusal(Engine& engine, Element precision);

// What a person should know of an engine before trusting its times: more threads than CPUs, a
// precision that is multiplied in another one. Sentences.
[[nodiscard]] std::vector<std::string> cautions(Engine& engine, Element precision);

// "fp32", "bf16"
[[nodiscard]] const char* precision_name(Element precision);

}  // namespace vitals
