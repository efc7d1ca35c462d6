// The buffer that ggml plans for the tensors of a graph (ggml-alloc.c): each is placed in the
// smallest free block that holds it, else at the end, and freed behind its last reader. Sizes only;
// knows no ops.
#pragma once

#include "core/count.h"

#include <cstdint>
#include <string>
#include <vector>

namespace vitals::llama {

struct PlannedTensor {
  std::uint64_t bytes = 0;  // 0: it lives elsewhere (a weight, the cache)
  std::vector<std::size_t> sources = {};
  bool view = false;      // of its first source
  bool in_place = false;  // may take the place of a source that nothing else reads
  bool input = false;     // placed before the first op
  std::string what = {};  // for people: "logits"
};

struct GraphBuffer {
  struct Piece {
    std::string what;
    Count bytes;
  };
  Count bytes;                // of the whole buffer
  Count live;                 // at the moment with the highest address, without gaps
  std::vector<Piece> pieces;  // what lives then, the largest first
};

// Sources come before the tensors that read them.
[[nodiscard]] GraphBuffer plan_buffer(const std::vector<PlannedTensor>& tensors,
                                      std::uint64_t alignment);

}  // namespace vitals::llama
