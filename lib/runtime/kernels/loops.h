// Kernels that few models need and that no instruction set has code of its own for: products of two
// activations, reductions over an axis, rare activations, rotary positions by tables. Plain loops
// on the engine's threads. Must not know of graphs.
#pragma once

#include "runtime/kernels/engine.h"
#include "runtime/kernels/row_ops.h"

#include <array>
#include <cstdint>
#include <functional>

namespace vitals {

// Batch dimensions of operands and result; a stride of 0 repeats. Unused leading sizes are 1.
inline constexpr int kMaxBatchDims = 4;
struct BatchDims {
  std::array<std::int64_t, kMaxBatchDims> sizes = {1, 1, 1, 1};

  [[nodiscard]] std::int64_t count() const { return sizes[0] * sizes[1] * sizes[2] * sizes[3]; }
  // Where matrix `index` begins under these strides.
  [[nodiscard]] std::int64_t offset(std::int64_t index,
                                    const std::array<std::int64_t, kMaxBatchDims>& strides) const;
};

// c[m, n] = a[m, k] b[k, n] for every matrix of the batch, in fp32. Rows of a are contiguous; b may
// have any strides; c is dense.
struct BatchedMatmulJob {
  BatchDims batch;
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  const float* a = nullptr;
  std::array<std::int64_t, kMaxBatchDims> a_batch = {};
  std::int64_t a_row = 0;
  const float* b = nullptr;
  std::array<std::int64_t, kMaxBatchDims> b_batch = {};
  std::int64_t b_row = 0;     // between its k rows
  std::int64_t b_column = 1;  // between its n columns
  void* c = nullptr;
  Element c_type = Element::kF32;
};
void batched_matmul(Engine& engine, const BatchedMatmulJob& job);

// out[g, j] = sum or greatest over i of x[g, i, j]; out is dense.
enum class Reduction : std::uint8_t { kSum, kMean, kMax };
struct ReduceJob {
  Reduction kind = Reduction::kSum;
  std::int64_t groups = 0;
  std::int64_t count = 0;
  std::int64_t columns = 0;
  const void* x = nullptr;
  Element x_type = Element::kF32;
  std::int64_t group_stride = 0;
  std::int64_t stride = 0;
  void* out = nullptr;
  Element out_type = Element::kF32;
};
void reduce(Engine& engine, const ReduceJob& job);

// y = f(x), element by element.
void map_rows(Engine& engine, const UnaryJob& job, std::int64_t rows,
              const std::function<float(float)>& f);

// y = x * cos + rotate(x) * sin on the last `dim` columns of rows, the others pass. The table's row
// holds the `dim` sines before the `dim` cosines. rotate() pairs neighbours, or with `half` the
// halves. Rows are told apart by leading dimensions, as in BatchDims.
struct TableRopeJob {
  BatchDims rows;
  std::int64_t columns = 0;
  std::int64_t dim = 0;
  bool half = false;
  const void* x = nullptr;
  Element x_type = Element::kF32;
  std::array<std::int64_t, kMaxBatchDims> x_strides = {};
  const float* table = nullptr;
  std::array<std::int64_t, kMaxBatchDims> table_strides = {};
  void* y = nullptr;
  Element y_type = Element::kF32;
  std::array<std::int64_t, kMaxBatchDims> y_strides = {};
};
void table_rope(Engine& engine, const TableRopeJob& job);

}  // namespace vitals
