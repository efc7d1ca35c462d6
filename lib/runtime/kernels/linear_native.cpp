#include "runtime/kernels/linear_native.h"

#include "runtime/kernels/rounding.h"

#include <algorithm>
#include <cstring>

namespace vitals {
namespace {

// Part `index` of [0, total) cut into `parts` nearly equal ones.
constexpr std::int64_t part_begin(std::int64_t total, std::int64_t parts, std::int64_t index) {
  return total / parts * index + std::min(index, total % parts);
}

const float* keep(WeightStore& store, const float* from, std::int64_t count) {
  if (from == nullptr) return nullptr;
  const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
  return static_cast<const float*>(std::memcpy(store.allocate(bytes), from, bytes));
}

}  // namespace

NativeLinear::NativeLinear(Engine& engine, WeightStore& store, const LinearShape& shape,
                           const LinearOptions& options, const LinearWeights& weights)
    : kernel_(options.weights == Element::kF32 ? engine.table().gemm_f32
                                               : engine.table().gemm_bf16),
      finish_tile_(engine.table().finish_tile),
      options_(options),
      in_features_(shape.in_features),
      out_features_(shape.out_features),
      depth_(divide_up(shape.in_features, kernel_.depth_step) * kernel_.depth_step),
      panels_(divide_up(shape.out_features, kernel_.panel)) {
  const std::int64_t panel_row = std::int64_t{kernel_.panel} * kernel_.b_bytes;
  // Deep parts: reading a panel again from L2 costs less than storing and loading y's tiles between
  // shallow parts that would stay in L1 (measured: 80% of peak against 76%).
  const std::int64_t fits_l2 = std::max<std::int64_t>(64, engine.caches().l2 / 8 / panel_row);
  const std::int64_t parts = divide_up(depth_, fits_l2);
  depth_block_ = divide_up(divide_up(depth_, parts), kernel_.depth_step) * kernel_.depth_step;
  block_rows_ = std::max<std::int64_t>(std::int64_t{4} * kernel_.tile_rows,
                                       engine.caches().l2 / 2 / (depth_ * kernel_.a_bytes));

  const std::int64_t panel_bytes = depth_ * panel_row;
  packed_weights_ =
      static_cast<char*>(store.allocate(static_cast<std::size_t>(panels_ * panel_bytes)));
  const std::int64_t n_stride = weights.n_stride == 0 ? in_features_ : weights.n_stride;
  engine.pool().parallel_for(panels_, [&](std::int64_t panel, int) {
    const std::int64_t first = panel * kernel_.panel;
    const int columns =
        static_cast<int>(std::min<std::int64_t>(kernel_.panel, out_features_ - first));
    kernel_.pack_b(weights.weight + first * n_stride, n_stride, weights.k_stride, columns,
                   in_features_, packed_weights_ + panel * panel_bytes);
  });
  bias_ = keep(store, weights.bias, out_features_);
  gamma_ = keep(store, weights.gamma, out_features_);
}

NativeLinear::Block NativeLinear::block(std::int64_t begin, std::int64_t end) const {
  return {begin, end, divide_up(end - begin, kernel_.tile_rows)};
}

NativeLinear::Tile NativeLinear::tile(const Block& block, std::int64_t index) const {
  const std::int64_t rows = block.end - block.begin;
  const std::int64_t begin = part_begin(rows, block.tiles, index);
  Tile tile;
  tile.begin = block.begin + begin;
  tile.rows = static_cast<int>(part_begin(rows, block.tiles, index + 1) - begin);
  tile.offset = begin;
  return tile;
}

std::size_t NativeLinear::packed_bytes(const Block& block) const {
  return static_cast<std::size_t>((block.end - block.begin) * depth_ * kernel_.a_bytes);
}

void NativeLinear::pack(const LinearOperands& operands, const Block& block, std::int64_t index,
                        char* packed) const {
  const Tile t = tile(block, index);
  const char* x =
      static_cast<const char*>(operands.x.data) +
      t.begin * operands.x.stride * static_cast<std::int64_t>(element_size(operands.x.type));
  kernel_.pack_a(x, operands.x.type, operands.x.stride, t.rows, in_features_, 1.0f,
                 packed + t.offset * depth_ * kernel_.a_bytes);
}

void NativeLinear::finish(const LinearOperands& operands, const Tile& t, std::int64_t panel,
                          const float* partial) const {
  const std::int64_t first = panel * kernel_.panel;
  const auto at = [&](const auto& rows) {
    return (t.begin * rows.stride + first) * static_cast<std::int64_t>(element_size(rows.type));
  };
  kernels::TileEpilogue e;
  e.bias = bias_ == nullptr ? nullptr : bias_ + first;
  e.gamma = gamma_ == nullptr ? nullptr : gamma_ + first;
  e.activation = options_.activation;
  if (options_.multiplier) {
    e.multiplier = static_cast<const char*>(operands.multiplier.data) + at(operands.multiplier);
    e.multiplier_type = operands.multiplier.type;
    e.multiplier_stride = operands.multiplier.stride;
  }
  if (options_.residual) {
    e.residual = static_cast<const char*>(operands.residual.data) + at(operands.residual);
    e.residual_type = operands.residual.type;
    e.residual_stride = operands.residual.stride;
  }
  e.out = static_cast<char*>(operands.y.data) + at(operands.y);
  e.out_type = operands.y.type;
  e.out_stride = operands.y.stride;
  const std::int64_t columns = std::min<std::int64_t>(kernel_.panel, out_features_ - first);
  finish_tile_(partial, kernel_.panel, t.rows, columns, e);
}

void NativeLinear::multiply(const LinearOperands& operands, const Block& block, const char* packed,
                            std::int64_t first_panel, std::int64_t last_panel,
                            float* partial) const {
  const std::int64_t panel_step = std::int64_t{kernel_.panel} * kernel_.b_bytes;
  const char* weights_end = packed_weights_ + panels_ * depth_ * panel_step;
  // Each tile asks for its share of the next part of the weights, so that they arrive in time.
  const int lines = static_cast<int>(divide_up(divide_up(4 * panel_step, 64), block.tiles));
  if (kernel_.begin != nullptr) kernel_.begin();
  for (std::int64_t panel = first_panel; panel < last_panel; ++panel) {
    const char* weights = packed_weights_ + panel * depth_ * panel_step;
    for (std::int64_t k = 0; k < depth_; k += depth_block_) {
      kernels::TileJob job;
      job.depth = std::min(depth_block_, depth_ - k);
      job.b = weights + k * panel_step;
      job.accumulate = k > 0;
      const char* next = weights + (k + job.depth) * panel_step;
      for (std::int64_t i = 0; i < block.tiles; ++i) {
        const Tile t = tile(block, i);
        job.rows = t.rows;
        job.a = packed + (t.offset * depth_ + k * t.rows) * kernel_.a_bytes;
        job.c = partial + t.offset * kernel_.panel;
        job.c_stride = kernel_.panel;
        const std::int64_t share = job.depth / 4 * lines * 64;
        job.prefetch = next + i * share;
        const bool wanted =
            i * share < job.depth * panel_step && job.prefetch + share <= weights_end;
        job.prefetch_lines = wanted ? lines : 0;
        kernel_.tile(job);
        if (k + job.depth == depth_) finish(operands, t, panel, job.c);
      }
    }
  }
  if (kernel_.end != nullptr) kernel_.end();
}

void NativeLinear::run(Engine& engine, const LinearOperands& operands) {
  if (operands.rows <= 0) return;
  const std::int64_t blocks = divide_up(operands.rows, block_rows_);
  if (blocks >= std::int64_t{3} * engine.pool().threads()) {
    run_blocks(engine, operands, blocks);
  } else {
    run_panels(engine, operands, blocks);
  }
}

// Many rows: a worker takes a block, packs it and multiplies it with all the weights.
void NativeLinear::run_blocks(Engine& engine, const LinearOperands& operands,
                              std::int64_t blocks) const {
  const std::int64_t threads = engine.pool().threads();
  const std::int64_t count = divide_up(blocks, threads) * threads;
  const std::int64_t parts = std::min(count, divide_up(operands.rows, kernel_.tile_rows));
  engine.pool().parallel_for(parts, [&](std::int64_t index, int worker) {
    const Block b =
        block(part_begin(operands.rows, parts, index), part_begin(operands.rows, parts, index + 1));
    const std::size_t packed = packed_bytes(b);
    const std::size_t partial = static_cast<std::size_t>(b.end - b.begin) *
                                static_cast<std::size_t>(kernel_.panel) * sizeof(float);
    char* memory = static_cast<char*>(engine.scratch(worker, packed + partial));
    for (std::int64_t i = 0; i < b.tiles; ++i) pack(operands, b, i, memory);
    multiply(operands, b, memory, 0, panels_, reinterpret_cast<float*>(memory + packed));
  });
}

// Few rows: all of them are packed once for all workers, who then take panels of the weights.
void NativeLinear::run_panels(Engine& engine, const LinearOperands& operands,
                              std::int64_t blocks) const {
  ThreadPool& pool = engine.pool();
  std::vector<Block> parts;
  std::vector<std::size_t> offsets;
  std::size_t bytes = 0;
  std::int64_t tiles = 0;
  for (std::int64_t i = 0; i < blocks; ++i) {
    parts.push_back(
        block(part_begin(operands.rows, blocks, i), part_begin(operands.rows, blocks, i + 1)));
    offsets.push_back(bytes);
    bytes += packed_bytes(parts.back());
    tiles = std::max(tiles, parts.back().tiles);
  }
  char* packed = static_cast<char*>(engine.shared_scratch(bytes));
  const auto pack_tile = [&](std::int64_t task, int) {
    const auto p = static_cast<std::size_t>(task / tiles);
    if (task % tiles < parts[p].tiles) pack(operands, parts[p], task % tiles, packed + offsets[p]);
  };
  const std::int64_t chunks_wanted = pool.threads() == 1 ? 1 : 4 * pool.threads();
  const std::int64_t chunks = std::min(panels_, divide_up(chunks_wanted, blocks));
  const auto multiply_chunk = [&](std::int64_t task, int worker) {
    const auto p = static_cast<std::size_t>(task / chunks);
    const std::int64_t rows = parts[p].end - parts[p].begin;
    const std::size_t partial = static_cast<std::size_t>(rows * kernel_.panel) * sizeof(float);
    multiply(operands, parts[p], packed + offsets[p], part_begin(panels_, chunks, task % chunks),
             part_begin(panels_, chunks, task % chunks + 1),
             static_cast<float*>(engine.scratch(worker, partial)));
  };
  pool.parallel_for(blocks * tiles, pack_tile);
  pool.parallel_for(blocks * chunks, multiply_chunk);
}

namespace {

class Native : public OpenBackend {
 public:
  [[nodiscard]] std::string description(const std::string& own) const override {
    return "native backend: " + own;
  }
  [[nodiscard]] std::unique_ptr<LinearLayer> linear(Engine& engine, WeightStore& store,
                                                    const LinearShape& shape,
                                                    const LinearOptions& options,
                                                    const LinearWeights& weights) const override {
    return std::make_unique<NativeLinear>(engine, store, shape, options, weights);
  }
};

}  // namespace

Backend native_backend() {
  return {"native", "vitals' own kernels", PoolKind::kOwn,
          []() -> std::unique_ptr<OpenBackend> { return std::make_unique<Native>(); }};
}

}  // namespace vitals
