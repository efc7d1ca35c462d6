// Checkpoints: any bytes as a file, read as every checkpoint is.
#include "frontends/checkpoint/safetensors.h"

#include "frontends/checkpoint/checkpoint_files.h"
#include "frontends/checkpoint/checkpoint_tree.h"
#include "frontends/checkpoint/match.h"
#include "frontends/spec/builtin.h"
#include "fuzz/fuzz.h"
#include "fuzz/memory_file.h"

#include <algorithm>

using namespace vitals;

namespace {

void check(const Checkpoint& checkpoint, const Graph& graph, std::size_t size) {
  const auto tree = tree_of(checkpoint);
  Count bytes;
  TensorReader reader(checkpoint);
  for (const auto& tensor : checkpoint.tensors) {
    bytes += tensor.bytes();
    std::vector<std::byte> values(tensor.bytes().value());
    reader.read(tensor, values);
  }
  fuzz::require(tree.bytes.sum() == bytes, "the tensors' bytes sum to the tree's");
  fuzz::require(bytes + checkpoint.files.front().header_bytes == Count(size),
                "header and tensors are the whole file");
  const auto fitted = fit(graph, checkpoint);
  const auto stored = std::count_if(fitted.parts.begin(), fitted.parts.end(),
                                    [](const auto& p) { return !p.empty(); });
  fuzz::require(static_cast<std::size_t>(stored) >= fitted.matched,
                "what matches is found among the tensors");
}

}  // namespace

void fuzz::target::safetensors(std::string_view text) {
  static const fuzz::MemoryFile file;
  static const auto graph = builtin_model("vit_tiny_patch16_224", "fuzz").build();
  file.write(text);
  fuzz::accept_or_refuse([&] { check(read_safetensors(file.path()), graph, text.size()); });
}
