// The seam between threaded kernels and code compiled for one instruction set: plain structs and a
// table of single-thread functions, filled once per instruction set in a file of its own. Holds no
// inline code, so that nothing compiled for a wide CPU can be linked for a narrow one.
#pragma once

#include "runtime/kernels/element.h"
#include "runtime/kernels/isa.h"

#include <cstdint>

namespace vitals {

enum class Activation : std::uint8_t {
  kIdentity,
  kRelu,
  kGelu,       // exact: x * Phi(x)
  kGeluTanh,   // the tanh approximation (Hendrycks & Gimpel 2016)
  kQuickGelu,  // x * sigmoid(1.702 x)
  kSilu,
  kTanh,
  kSigmoid,
};

namespace kernels {

// y = residual + gamma * (multiplier * act(c + bias)); each pointer may be null, all are at the
// tile's first column.
struct TileEpilogue {
  const float* bias = nullptr;
  const float* gamma = nullptr;
  Activation activation = Activation::kIdentity;
  Element multiplier_type = Element::kF32;
  Element residual_type = Element::kF32;
  Element out_type = Element::kF32;
  const void* multiplier = nullptr;
  const void* residual = nullptr;
  void* out = nullptr;
  std::int64_t multiplier_stride = 0;
  std::int64_t residual_stride = 0;
  std::int64_t out_stride = 0;
};

// c[rows][panel] (+)= a * b for one packed tile of a and one packed panel of b.
struct TileJob {
  int rows = 0;
  std::int64_t depth = 0;
  const void* a = nullptr;
  const void* b = nullptr;
  float* c = nullptr;
  std::int64_t c_stride = 0;
  bool accumulate = false;
  const char* prefetch = nullptr;  // bytes that the next panel will need, or null
  int prefetch_lines = 0;          // how many 64-byte lines to ask for per four steps of depth
};

// One way to multiply: how operands are packed, and the tile that eats them. A packed panel of b
// holds `panel` columns of the weights over depth rounded up to depth_step; part k0 of it begins at
// k0 * panel elements. A packed tile of a of r rows begins with depth 0; part k0 at
// k0 * r elements.
struct GemmKernel {
  int tile_rows;   // at most this many rows of x in a tile
  int panel;       // columns of y in a panel
  int depth_step;  // depth is padded with zeros to a multiple of this
  int a_bytes;     // of a packed element of a
  int b_bytes;     // and of b
  // x: rows of `type` with this stride, at the tile's first row; depth0 a multiple of depth_step.
  void (*pack_a)(const void* x, Element type, std::int64_t stride, int rows, std::int64_t depth,
                 float scale, void* out);
  // w: element (n, k) at n * n_stride + k * k_stride; columns <= panel, the rest becomes zero.
  void (*pack_b)(const float* w, std::int64_t n_stride, std::int64_t k_stride, int columns,
                 std::int64_t depth, void* out);
  void (*tile)(const TileJob& job);
  // Called by a worker before its first tile and after its last (AMX: tile state); may be null.
  void (*begin)();
  void (*end)();
};

struct NormJob {
  ConstRows x;
  Rows y;
  std::int64_t dim = 0;
  const float* weight = nullptr;  // may be null
  const float* bias = nullptr;    // may be null
  float eps = 0;
  bool center = true;  // false: RMSNorm
};

enum class BinaryOp : std::uint8_t { kAdd, kMul };

struct BinaryJob {
  ConstRows a;
  ConstRows b;
  Rows y;
  std::int64_t columns = 0;
  std::int64_t b_rows = 0;  // b repeats every b_rows rows; 0: as many as a
  BinaryOp op = BinaryOp::kAdd;
  Activation activation = Activation::kIdentity;  // y = act(a) op b
};

struct UnaryJob {
  ConstRows x;
  Rows y;
  std::int64_t columns = 0;
  Activation activation = Activation::kIdentity;
  float scale = 1;  // y = act(x) * scale; with kIdentity this is a copy or a conversion
};

struct MeanJob {
  ConstRows x;  // `count` rows of group g begin at row 0 of data + g * group_stride
  Rows y;
  std::int64_t group_stride = 0;
  std::int64_t count = 0;
  std::int64_t columns = 0;
};

struct RopeJob {
  Rows x;  // in place
  std::int64_t dim = 0;
  const float* cos = nullptr;  // [tokens - first, dim/2]
  const float* sin = nullptr;
  std::int64_t tokens = 0;         // row r has token (r / position_rows) % tokens
  std::int64_t position_rows = 1;  // so many neighbouring rows share a token (heads)
  std::int64_t first = 0;          // tokens before it stay as they are (class token)
  bool interleaved = false;        // pairs (2i, 2i+1) instead of (i, i + dim/2)
};

// y[b, oy, ox, c] = bias[c] + sum over the taps (i, j) of
// x[b, oy * stride_h - padding_h + i, ox * stride_w - padding_w + j, c] * weight[i, j, c]; what
// lies outside of the image is zero. A row is one line of one output image.
struct DepthwiseJob {
  const void* x = nullptr;  // [batch, height, width, channels]
  Element x_type = Element::kF32;
  void* y = nullptr;  // [batch, out_height, out_width, channels]
  Element y_type = Element::kF32;
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t out_height = 0;
  std::int64_t out_width = 0;
  std::int64_t kernel_h = 1;
  std::int64_t kernel_w = 1;
  std::int64_t stride_h = 1;
  std::int64_t stride_w = 1;
  std::int64_t padding_h = 0;
  std::int64_t padding_w = 0;
  const float* weight = nullptr;  // [kernel_h, kernel_w, channels]
  const float* bias = nullptr;    // [channels] or null
};

struct KernelTable {
  Isa isa;
  GemmKernel gemm_f32;
  GemmKernel gemm_bf16;

  void (*finish_tile)(const float* c, int c_stride, int rows, std::int64_t columns,
                      const TileEpilogue& epilogue);
  // out[k * out_stride + i] = scale * x(row i, k): rows become columns.
  void (*transpose)(const void* x, Element type, std::int64_t stride, std::int64_t rows,
                    std::int64_t depth, float scale, float* out, std::int64_t out_stride);
  // Softmax of x * 1 over `columns` in place; `padded` columns beyond get zero.
  void (*softmax_tile)(float* x, std::int64_t stride, int rows, std::int64_t columns,
                       std::int64_t padded);
  // The jobs below: rows [begin, end).
  void (*softmax)(const UnaryJob& job, std::int64_t begin, std::int64_t end);
  void (*norm)(const NormJob& job, std::int64_t begin, std::int64_t end);
  void (*unary)(const UnaryJob& job, std::int64_t begin, std::int64_t end);
  void (*binary)(const BinaryJob& job, std::int64_t begin, std::int64_t end);
  void (*mean)(const MeanJob& job, std::int64_t begin, std::int64_t end);
  void (*rope)(const RopeJob& job, std::int64_t begin, std::int64_t end);
  void (*depthwise)(const DepthwiseJob& job, std::int64_t begin, std::int64_t end);

  // Runs FMAs (fp32; bf16: the fastest bf16 product) from registers and returns the FLOPs done.
  double (*peak_f32)(std::int64_t iterations);
  double (*peak_bf16)(std::int64_t iterations);
  // Sums `count` floats (a multiple of 64) as fast as they come.
  float (*read_sum)(const float* data, std::int64_t count);
};

// The table of an instruction set that has_isa() allows.
const KernelTable& kernel_table(Isa isa);

const KernelTable& portable_table();
#if defined(__x86_64__)
const KernelTable& avx2_table();
const KernelTable& avx512_table();
const KernelTable& avx512_bf16_table();
const KernelTable& amx_table();
#endif

}  // namespace kernels
}  // namespace vitals
