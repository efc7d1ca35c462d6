// The dense layer on our own register-blocked kernels: blocking for the caches, and the split of
// the work over the threads. Must not know of instruction sets beyond the kernel table.
#pragma once

#include "runtime/kernels/linear.h"

namespace vitals {

class NativeLinear : public LinearLayer {
 public:
  NativeLinear(Engine& engine, WeightStore& store, const LinearShape& shape,
               const LinearOptions& options, const LinearWeights& weights);
  void run(Engine& engine, const LinearOperands& operands) override;

 private:
  // Rows [begin, end) of x cut into tiles of nearly equal height, packed one behind the other.
  struct Block {
    std::int64_t begin = 0;
    std::int64_t end = 0;
    std::int64_t tiles = 0;
  };
  struct Tile {
    std::int64_t begin = 0;
    int rows = 0;
    std::int64_t offset = 0;  // of its rows among the block's
  };

  Block block(std::int64_t begin, std::int64_t end) const;
  Tile tile(const Block& block, std::int64_t index) const;
  std::size_t packed_bytes(const Block& block) const;
  void pack(const LinearOperands& operands, const Block& block, std::int64_t index,
            char* packed) const;
  void multiply(const LinearOperands& operands, const Block& block, const char* packed,
                std::int64_t first_panel, std::int64_t last_panel, float* partial) const;
  void finish(const LinearOperands& operands, const Tile& tile, std::int64_t panel,
              const float* partial) const;
  void run_blocks(Engine& engine, const LinearOperands& operands, std::int64_t blocks) const;
  void run_panels(Engine& engine, const LinearOperands& operands, std::int64_t blocks) const;

  kernels::GemmKernel kernel_;
  decltype(kernels::KernelTable::finish_tile) finish_tile_;
  LinearOptions options_;
  std::int64_t in_features_;
  std::int64_t out_features_;
  std::int64_t depth_;        // in_features rounded up to the kernel's step
  std::int64_t depth_block_;  // a panel of this depth stays in L2 beside the rows
  std::int64_t block_rows_;   // so many packed rows stay in L2
  std::int64_t panels_;
  char* packed_weights_;
  const float* bias_ = nullptr;
  const float* gamma_ = nullptr;
};

[[nodiscard]] Backend native_backend();

}  // namespace vitals
