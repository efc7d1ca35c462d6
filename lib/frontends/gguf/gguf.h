// Files in the GGUF format (versions 2 and 3), from strangers: typed metadata, the list of tensors,
// then their bytes, aligned. Reads the header alone and believes nothing in it; a checkpoint that
// is split over several files is read as one. Must not know models.
#pragma once

#include "frontends/checkpoint/checkpoint.h"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace vitals {

struct GgufFile {
  std::uint32_t version = 0;
  std::uint64_t alignment = 32;
  // Tensors with their dimensions as PyTorch has them: the last one is contiguous.
  Checkpoint checkpoint;
  // By key. A list of more than kMaxGgufList elements (a vocabulary) is {"length": n}.
  std::shared_ptr<const nlohmann::json> metadata;
};

inline constexpr std::uint64_t kMaxGgufList = 4096;

// Throws Error that names the file, the byte or the key or tensor, and what is wrong.
[[nodiscard]] GgufFile read_gguf(const std::string& path);

[[nodiscard]] bool begins_like_gguf(std::string_view first_bytes);
// A regular file that begins like one, or is named like one.
[[nodiscard]] bool is_gguf(const std::string& path);

// The other files of a split checkpoint ("model-00001-of-00003.gguf"), with this one, in order.
// This one alone where its name is no part's.
[[nodiscard]] std::vector<std::string> files_of_gguf(const std::string& path);

// ggml's type of this number in a file's list of tensors; null when there is none.
[[nodiscard]] const ElementType* ggml_type(std::uint32_t id);
// The number of a type, by its name. Throws Error for an unknown one.
[[nodiscard]] std::uint32_t ggml_type_id(std::string_view name);

// What llama.cpp calls the mix of types that a file is made of ("Q4_K_M"), by general.file_type;
// empty for an unknown number.
[[nodiscard]] std::string_view gguf_file_type(std::uint64_t file_type);

}  // namespace vitals
