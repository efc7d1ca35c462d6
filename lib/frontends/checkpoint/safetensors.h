// Files in the safetensors format, from strangers: an 8-byte length, a JSON header that names every
// tensor, then their bytes without gaps. Reads the header alone and believes nothing in it. Must
// not know models, nor what the tensors are for.
#pragma once

#include "frontends/checkpoint/checkpoint.h"

#include <string>
#include <string_view>

namespace vitals {

// What the format itself allows; headers of real checkpoints stay below a hundredth of it.
inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;
// Ours: ten times what the largest mixtures of experts have.
inline constexpr std::size_t kMaxTensors = 1'000'000;

// The checkpoint that this one file is. Throws Error that names the file, the tensor and what is
// wrong: a header that does not fit into the file, is no JSON or says things twice; a tensor of an
// unknown type or whose shape does not match its bytes; bytes that two tensors claim, or none.
[[nodiscard]] Checkpoint read_safetensors(const std::string& path);

// The same for a header that is in memory: `data_bytes` follow it in a file called `source`.
[[nodiscard]] Checkpoint parse_safetensors_header(std::string_view header, std::uint64_t data_bytes,
                                                  const std::string& source,
                                                  std::size_t max_tensors = kMaxTensors);

// Whether they can be the first bytes of a safetensors file, however much of it is there.
[[nodiscard]] bool begins_like_safetensors(std::string_view first_bytes);

// Whether the first bytes of a file of `file_bytes` bytes can be a safetensors header. No JSON text
// and no other format that vitals recognises begins like one.
[[nodiscard]] bool looks_like_safetensors(std::string_view first_bytes, std::uint64_t file_bytes);

}  // namespace vitals
