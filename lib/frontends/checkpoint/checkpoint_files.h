// Checkpoints on disk: one safetensors file, the shards that an index names, or a folder of them; a
// GGUF file; and the bytes of their tensors. Other formats are recognised and refused, with the way
// to convert. Must not know models.
#pragma once

#include "core/file.h"
#include "frontends/checkpoint/checkpoint.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vitals {

// Whether the argument is a checkpoint rather than a description of a model: a safetensors or
// GGUF file (whatever its name), an index of shards, a folder that holds one of them, or a file of
// another format of weights. What does not exist is none.
[[nodiscard]] bool is_checkpoint(const std::string& path);

// Reads the headers. Throws Error for another format of weights (naming the way to convert), for a
// missing shard, and for everything that read_safetensors refuses.
[[nodiscard]] Checkpoint read_checkpoint(const std::string& path);

// The files that read_checkpoint opens, and no others of their folder. Throws Error for a folder
// that cannot be read.
[[nodiscard]] std::vector<std::string> files_of_checkpoint(const std::string& path);

// The config.json that stands in the checkpoint's folder.
[[nodiscard]] std::optional<std::string> config_beside(const std::string& checkpoint);

// The file of a folder that says what its model is: adapter_config.json (PEFT, which comes before
// the config of the base beside it), config.json, model_index.json (diffusers), params.json (Meta).
[[nodiscard]] std::optional<std::string> description_in(const std::string& folder);

// Reads the bytes of tensors; a file is opened when its first tensor is asked for.
class TensorReader {
 public:
  explicit TensorReader(const Checkpoint& checkpoint);

  // Fills `out`, which must have the tensor's size, with its bytes: little-endian, row-major.
  // Throws Error when the file is not any more what its header was read from.
  void read(const StoredTensor& tensor, std::span<std::byte> out);
  // Only bytes [offset, offset + out.size()) of the tensor.
  void read(const StoredTensor& tensor, std::uint64_t offset, std::span<std::byte> out);

 private:
  std::vector<CheckpointFile> files_;
  std::vector<std::optional<RandomAccessFile>> open_;
};

}  // namespace vitals
