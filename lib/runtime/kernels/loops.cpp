#include "runtime/kernels/loops.h"

#include "runtime/kernels/rounding.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace vitals {
namespace {

std::int64_t row_start(const ConstRows& rows, std::int64_t r) {
  return r / rows.inner * rows.stride + r % rows.inner * rows.inner_stride;
}

// Calls work(begin, end) for pieces of [0, count) on the engine's threads.
template <class F>
void in_pieces(Engine& engine, std::int64_t count, F&& work) {
  const std::int64_t pieces = std::min(count, std::int64_t{4} * engine.pool().threads());
  engine.pool().parallel_for(pieces, [&](std::int64_t piece, int) {
    work(count * piece / pieces, count * (piece + 1) / pieces);
  });
}

// One matrix of a batch: b packed once, then tiles of rows of a.
void multiply(Engine& engine, const BatchedMatmulJob& job, std::int64_t index, int worker) {
  const kernels::GemmKernel& gemm = engine.table().gemm_f32;
  const std::int64_t panels = divide_up(job.n, gemm.panel);
  const auto floats =
      static_cast<std::size_t>(panels * gemm.panel * job.k + gemm.tile_rows * (job.k + gemm.panel));
  auto* packed_b = static_cast<float*>(engine.scratch(worker, floats * sizeof(float)));
  float* packed_a = packed_b + panels * gemm.panel * job.k;
  float* part = packed_a + gemm.tile_rows * job.k;
  const float* a = job.a + job.batch.offset(index, job.a_batch);
  const float* b = job.b + job.batch.offset(index, job.b_batch);
  for (std::int64_t p = 0; p < panels; ++p) {
    const auto columns =
        static_cast<int>(std::min<std::int64_t>(gemm.panel, job.n - p * gemm.panel));
    gemm.pack_b(b + p * gemm.panel * job.b_column, job.b_column, job.b_row, columns, job.k,
                packed_b + p * gemm.panel * job.k);
  }
  for (std::int64_t row = 0; row < job.m; row += gemm.tile_rows) {
    kernels::TileJob tile;
    tile.rows = static_cast<int>(std::min<std::int64_t>(gemm.tile_rows, job.m - row));
    tile.depth = job.k;
    tile.a = packed_a;
    tile.c = part;
    tile.c_stride = gemm.panel;
    gemm.pack_a(a + row * job.a_row, Element::kF32, job.a_row, tile.rows, job.k, 1.0F, packed_a);
    for (std::int64_t p = 0; p < panels; ++p) {
      tile.b = packed_b + p * gemm.panel * job.k;
      gemm.tile(tile);
      kernels::TileEpilogue end;
      end.out_type = job.c_type;
      end.out_stride = job.n;
      end.out = static_cast<char*>(job.c) + ((index * job.m + row) * job.n + p * gemm.panel) *
                                                static_cast<std::int64_t>(element_size(job.c_type));
      engine.table().finish_tile(part, gemm.panel, tile.rows,
                                 std::min<std::int64_t>(gemm.panel, job.n - p * gemm.panel), end);
    }
  }
}

}  // namespace

std::int64_t BatchDims::offset(std::int64_t index,
                               const std::array<std::int64_t, kMaxBatchDims>& strides) const {
  std::int64_t offset = 0;
  for (std::size_t d = kMaxBatchDims; d-- > 0;) {
    offset += index % sizes[d] * strides[d];
    index /= sizes[d];
  }
  return offset;
}

void batched_matmul(Engine& engine, const BatchedMatmulJob& job) {
  if (job.m <= 0 || job.n <= 0 || job.k <= 0) return;
  engine.pool().parallel_for(job.batch.count(), [&](std::int64_t index, int worker) {
    multiply(engine, job, index, worker);
  });
}

namespace {

// One more row of x for the sums (or the greatest values) of its columns.
void take_row(const ReduceJob& job, std::int64_t row, std::vector<float>& total) {
  const bool greatest = job.kind == Reduction::kMax;
  for (std::int64_t j = 0; j < job.columns; ++j) {
    auto& t = total[static_cast<std::size_t>(j)];
    const float v = get(job.x, job.x_type, row + j);
    // Not std::max: a NaN must come through.
    t = greatest ? (v < t ? t : v) : t + v;
  }
}

}  // namespace

void reduce(Engine& engine, const ReduceJob& job) {
  in_pieces(engine, job.groups, [&](std::int64_t begin, std::int64_t end) {
    const float none = job.kind == Reduction::kMax ? -std::numeric_limits<float>::infinity() : 0.0F;
    const float factor = job.kind == Reduction::kMean ? 1.0F / static_cast<float>(job.count) : 1.0F;
    std::vector<float> total(static_cast<std::size_t>(job.columns));
    for (std::int64_t g = begin; g < end; ++g) {
      std::fill(total.begin(), total.end(), none);
      for (std::int64_t i = 0; i < job.count; ++i)
        take_row(job, g * job.group_stride + i * job.stride, total);
      for (std::int64_t j = 0; j < job.columns; ++j)
        put(job.out, job.out_type, g * job.columns + j,
            total[static_cast<std::size_t>(j)] * factor);
    }
  });
}

void map_rows(Engine& engine, const UnaryJob& job, std::int64_t rows,
              const std::function<float(float)>& f) {
  in_pieces(engine, rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t from = row_start(job.x, r);
      const std::int64_t to = row_start(job.y, r);
      for (std::int64_t j = 0; j < job.columns; ++j)
        put(job.y.data, job.y.type, to + j, f(get(job.x.data, job.x.type, from + j)));
    }
  });
}

void table_rope(Engine& engine, const TableRopeJob& job) {
  const std::int64_t passed = job.columns - job.dim;
  const std::int64_t middle = job.dim / 2;
  in_pieces(engine, job.rows.count(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t x = job.rows.offset(r, job.x_strides);
      const std::int64_t y = job.rows.offset(r, job.y_strides);
      const float* sines = job.table + job.rows.offset(r, job.table_strides);
      const float* cosines = sines + job.dim;
      for (std::int64_t d = 0; d < passed; ++d)
        put(job.y, job.y_type, y + d, get(job.x, job.x_type, x + d));
      for (std::int64_t i = 0; i < middle; ++i) {
        const std::int64_t p = job.half ? i : 2 * i;
        const std::int64_t q = job.half ? i + middle : 2 * i + 1;
        const float u = get(job.x, job.x_type, x + passed + p);
        const float v = get(job.x, job.x_type, x + passed + q);
        put(job.y, job.y_type, y + passed + p, u * cosines[p] - v * sines[p]);
        put(job.y, job.y_type, y + passed + q, v * cosines[q] + u * sines[q]);
      }
    }
  });
}

}  // namespace vitals
