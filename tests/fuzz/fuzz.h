// What the fuzz targets share: a target is the function that libFuzzer calls with a text, and the
// replay of the kept texts calls too. A text is accepted or refused with an Error; everything else
// (another exception, a crash, a fact of the accepted model that does not hold) is a finding.
#pragma once

#include "models/architecture.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace vitals::fuzz {

// Ends the process with the statement that does not hold.
void require(bool holds, const char* statement);

// Runs `read`; an Error is fine as long as its message can be shown on a terminal.
void accept_or_refuse(const std::function<void()>& read);

// Whatever text it came from: its spec is the same model again, its trace can be built or is
// refused, its parts sum to the whole, and its summary can be written.
void check_model(const Model& model);

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace vitals::fuzz
