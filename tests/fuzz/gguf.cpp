// GGUF files: any bytes as a file, read as a checkpoint and as a model.
#include "frontends/gguf/gguf.h"

#include "frontends/checkpoint/checkpoint_tree.h"
#include "frontends/gguf/model.h"
#include "fuzz/fuzz.h"
#include "fuzz/memory_file.h"

#include <algorithm>

using namespace vitals;

namespace {

void check_tensors(const GgufFile& gguf, std::size_t size) {
  const auto tree = tree_of(gguf.checkpoint);
  Count bytes;
  Count end = gguf.checkpoint.files.front().header_bytes;
  for (const auto& tensor : gguf.checkpoint.tensors) {
    bytes += tensor.bytes();
    end = std::max(end, Count(tensor.end));
    fuzz::require(tensor.begin >= gguf.checkpoint.files.front().header_bytes,
                  "tensors stand behind the header");
  }
  fuzz::require(tree.bytes.sum() == bytes, "the tensors' bytes sum to the tree's");
  fuzz::require(end <= Count(size), "the file holds all tensors");
}

}  // namespace

void fuzz::target::gguf(std::string_view text) {
  static const MemoryFile file;
  file.write(text);
  fuzz::accept_or_refuse([&] {
    const auto gguf = read_gguf(file.path());
    check_tensors(gguf, text.size());
    const auto model = model_from_gguf(gguf, "fuzz");
    fuzz::require(model.stored->bytes() <= Count(text.size()),
                  "a model stores no more than its file has");
    fuzz::check_model(model);
  });
}
