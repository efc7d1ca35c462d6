#include "runtime/kernels/row_ops.h"

#include <algorithm>

namespace vitals {
namespace {

// Pieces of about 16k elements: some microseconds of work, against about one for handing it out.
template <class Job>
void split(Engine& engine, void (*kernel)(const Job&, std::int64_t, std::int64_t), const Job& job,
           std::int64_t rows, std::int64_t row_elements) {
  if (rows <= 0 || row_elements <= 0) return;
  constexpr std::int64_t kPiece = 16 << 10;
  const std::int64_t threads = engine.pool().threads();
  const std::int64_t by_size = std::max<std::int64_t>(1, rows * row_elements / kPiece);
  const std::int64_t pieces = threads == 1 ? 1 : std::min({rows, by_size, 8 * threads});
  engine.pool().parallel_for(pieces, [&](std::int64_t piece, int) {
    kernel(job, rows * piece / pieces, rows * (piece + 1) / pieces);
  });
}

}  // namespace

void layer_norm(Engine& engine, const NormJob& job, std::int64_t rows) {
  NormJob centered = job;
  centered.center = true;
  split(engine, engine.table().norm, centered, rows, job.dim);
}

void rms_norm(Engine& engine, const NormJob& job, std::int64_t rows) {
  NormJob plain = job;
  plain.center = false;
  split(engine, engine.table().norm, plain, rows, job.dim);
}

void softmax(Engine& engine, const UnaryJob& job, std::int64_t rows) {
  split(engine, engine.table().softmax, job, rows, job.columns);
}

void unary(Engine& engine, const UnaryJob& job, std::int64_t rows) {
  split(engine, engine.table().unary, job, rows, job.columns);
}

void binary(Engine& engine, const BinaryJob& job, std::int64_t rows) {
  split(engine, engine.table().binary, job, rows, job.columns);
}

void mean_rows(Engine& engine, const MeanJob& job, std::int64_t groups) {
  split(engine, engine.table().mean, job, groups, job.columns * job.count);
}

void rope(Engine& engine, const RopeJob& job, std::int64_t rows) {
  split(engine, engine.table().rope, job, rows, job.dim);
}

void depthwise(Engine& engine, const DepthwiseJob& job, std::int64_t rows) {
  split(engine, engine.table().depthwise, job, rows,
        job.out_width * job.channels * job.kernel_h * job.kernel_w);
}

}  // namespace vitals
