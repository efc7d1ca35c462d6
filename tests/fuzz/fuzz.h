// The fuzz targets and what they share: a target takes a text, from libFuzzer or from those that
// are kept. A text is accepted or refused with an Error; everything else (another exception, a
// crash, a fact of the accepted model that does not hold) is a finding.
#pragma once

#include "models/architecture.h"

#include <functional>
#include <string_view>

namespace vitals::fuzz {

namespace target {
void command_line(std::string_view text);
void gguf(std::string_view text);
void hf_config(std::string_view text);
void onnx(std::string_view text);
void pt2(std::string_view text);
void safetensors(std::string_view text);
void spec(std::string_view text);
void trace(std::string_view text);
}  // namespace target

// Ends the process with the statement that does not hold.
void require(bool holds, const char* statement);

// Runs `read`; an Error is fine as long as its message can be shown on a terminal.
void accept_or_refuse(const std::function<void()>& read);

// Whatever text it came from: its spec is the same model again, its trace can be built or is
// refused, its parts sum to the whole, and its summary can be written.
void check_model(const Model& model);

}  // namespace vitals::fuzz
