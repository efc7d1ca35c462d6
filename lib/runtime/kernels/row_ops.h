// Row-wise kernels on the engine's threads: norms, softmax, activations, sums and products with
// broadcast rows, means, rotary positions, depthwise convolutions. Any mix of fp32 and bf16 rows,
// fp32 arithmetic. Must not know of graphs; shapes are rows and columns.
#pragma once

#include "runtime/kernels/engine.h"

#include <cstdint>

namespace vitals {

// The jobs are described in kernel_table.h; `rows` is how many. y may be x (or a, or b).
using kernels::BinaryJob;
using kernels::BinaryOp;
using kernels::DepthwiseJob;
using kernels::MeanJob;
using kernels::NormJob;
using kernels::RopeJob;
using kernels::UnaryJob;

// y = (x - mean) / sqrt(var + eps) * weight + bias over each row; variance as in PyTorch (1/n).
void layer_norm(Engine& engine, const NormJob& job, std::int64_t rows);
// y = x / sqrt(mean(x^2) + eps) * weight + bias.
void rms_norm(Engine& engine, const NormJob& job, std::int64_t rows);
// y = softmax(scale * x) over each row; `activation` is ignored.
void softmax(Engine& engine, const UnaryJob& job, std::int64_t rows);
// y = scale * act(x); with kIdentity a copy, a cast or a permutation of rows.
void unary(Engine& engine, const UnaryJob& job, std::int64_t rows);
// y = act(a) + b or act(a) * b; b broadcast by stride 0 or by b_rows.
void binary(Engine& engine, const BinaryJob& job, std::int64_t rows);
// y[g] = mean over `count` rows of group g (mean pool: skip the class token by moving x.data).
void mean_rows(Engine& engine, const MeanJob& job, std::int64_t groups);
// Rotates pairs of channels in place by the angle of the row's token.
void rope(Engine& engine, const RopeJob& job, std::int64_t rows);
// A convolution of each channel with a kernel of its own; rows are lines of output images.
void depthwise(Engine& engine, const DepthwiseJob& job, std::int64_t rows);

}  // namespace vitals
