// How much memory this process can have and has had. Asks the system; knows no models.
#pragma once

#include "core/count.h"

#include <cstdint>
#include <optional>
#include <string>

namespace vitals {

// Bytes that can still be had: what the machine has free, within the limits set to the process and
// its control group. Nothing where the system does not tell.
[[nodiscard]] std::optional<std::uint64_t> available_memory();

// Bytes that the machine has, or that the control group allows it.
[[nodiscard]] std::optional<std::uint64_t> installed_memory();

// Throws Error "MODEL: not enough memory: ..." when weights and activations do not fit into it.
// Asked before anything is allocated, because the system promises more than it has and then kills.
void require_memory(const std::string& model, Count weights, Count activations);

// The most memory that the process has held at once since it started, or since the last reset.
[[nodiscard]] std::uint64_t peak_resident_bytes();
// Begins anew with what is held now; false where the system cannot.
bool reset_peak_resident();

}  // namespace vitals
