// The memory of a planned training run: its model as a trace, simulated by lib/memory on the most
// loaded GPU. No memory model of its own.
#pragma once

#include "core/count.h"
#include "models/architecture.h"
#include "plan/layout.h"

#include <string>

namespace vitals::plan {

// Bytes at the peak of the most loaded GPU. `model` is built with the micro-batch's samples.
// Throws Error where the layout cannot be simulated.
[[nodiscard]] Count trained_peak(const Model& model, const Layout& layout, std::uint64_t seq_len);

}  // namespace vitals::plan
