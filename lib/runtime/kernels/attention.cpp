#include "runtime/kernels/attention.h"

#include "runtime/kernels/rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vitals {
namespace {

// The work of one task: some queries of one head. k is packed as weights of the scores' product
// and v as weights of the output's, both with the dense layers' tile kernel.
class HeadTask {
 public:
  HeadTask(Engine& engine, const AttentionJob& job, int worker);
  void run(std::int64_t batch, std::int64_t head, std::int64_t first, std::int64_t last);

 private:
  const void* at(const HeadsView& view, Element type, std::int64_t batch, std::int64_t head,
                 std::int64_t token) const {
    return static_cast<const char*>(view.data) +
           (batch * view.batch + head * view.head + token * view.token) *
               static_cast<std::int64_t>(element_size(type));
  }
  void pack_keys(std::int64_t batch, std::int64_t head, std::int64_t keys);
  void pack_values(std::int64_t batch, std::int64_t head, std::int64_t keys);
  void scores(int rows, std::int64_t keys);
  void add_bias(std::int64_t batch, std::int64_t head, std::int64_t first, int rows,
                std::int64_t keys);
  void output(std::int64_t batch, std::int64_t head, std::int64_t first, int rows,
              std::int64_t keys);
  std::int64_t seen_keys(std::int64_t query) const {
    if (!job_.causal) return job_.keys;
    return std::clamp<std::int64_t>(query + 1 + job_.keys - job_.queries, 0, job_.keys);
  }

  const AttentionJob& job_;
  const kernels::KernelTable& table_;
  const kernels::GemmKernel& gemm_;
  std::int64_t panel_;
  std::int64_t value_dim_;
  std::int64_t padded_keys_;
  float* keys_ = nullptr;     // [key panel][head_dim][panel]
  float* values_ = nullptr;   // [value panel][keys][panel]
  float* query_ = nullptr;    // one tile, packed
  float* weights_ = nullptr;  // one tile of softmax, packed
  float* scores_ = nullptr;   // [tile rows][padded keys]
  float* part_ = nullptr;     // [tile rows][panel]
};

HeadTask::HeadTask(Engine& engine, const AttentionJob& job, int worker)
    : job_(job),
      table_(engine.table()),
      gemm_(table_.gemm_f32),
      panel_(gemm_.panel),
      value_dim_(job.value_dim == 0 ? job.head_dim : job.value_dim),
      padded_keys_(round_up(job.keys, panel_)) {
  const std::int64_t rows = gemm_.tile_rows;
  const std::int64_t sizes[] = {
      padded_keys_ * job.head_dim, round_up(value_dim_, panel_) * job.keys,
      rows * job.head_dim,         rows * job.keys,
      rows * padded_keys_,         rows * panel_};
  std::int64_t total = 0;
  for (const std::int64_t size : sizes) total += round_up(size, 16);
  float* memory =
      static_cast<float*>(engine.scratch(worker, static_cast<std::size_t>(total) * sizeof(float)));
  float** parts[] = {&keys_, &values_, &query_, &weights_, &scores_, &part_};
  for (int i = 0; i < 6; ++i) {
    *parts[i] = memory;
    memory += round_up(sizes[i], 16);
  }
}

void HeadTask::pack_keys(std::int64_t batch, std::int64_t head, std::int64_t keys) {
  for (std::int64_t j = 0; j < keys; j += panel_) {
    float* out = keys_ + j * job_.head_dim;
    const std::int64_t rows = std::min(panel_, keys - j);
    if (rows < panel_) std::fill_n(out, panel_ * job_.head_dim, 0.0f);
    table_.transpose(at(job_.k, job_.type, batch, head, j), job_.type, job_.k.token, rows,
                     job_.head_dim, 1.0f, out, panel_);
  }
}

void HeadTask::pack_values(std::int64_t batch, std::int64_t head, std::int64_t keys) {
  for (std::int64_t c = 0; c < value_dim_; c += panel_) {
    float* out = values_ + c * job_.keys;
    const std::int64_t columns = std::min(panel_, value_dim_ - c);
    if (columns < panel_) std::fill_n(out, panel_ * keys, 0.0f);
    kernels::UnaryJob copy;
    const char* from = static_cast<const char*>(at(job_.v, job_.type, batch, head, 0)) +
                       c * static_cast<std::int64_t>(element_size(job_.type));
    copy.x = ConstRows(from, job_.type, job_.v.token);
    copy.y = Rows{out, Element::kF32, panel_};
    copy.columns = columns;
    table_.unary(copy, 0, keys);
  }
}

void HeadTask::scores(int rows, std::int64_t keys) {
  for (std::int64_t j = 0; j < keys; j += panel_) {
    kernels::TileJob tile;
    tile.rows = rows;
    tile.depth = job_.head_dim;
    tile.a = query_;
    tile.b = keys_ + j * job_.head_dim;
    tile.c = scores_ + j;
    tile.c_stride = padded_keys_;
    gemm_.tile(tile);
  }
}

void HeadTask::add_bias(std::int64_t batch, std::int64_t head, std::int64_t first, int rows,
                        std::int64_t keys) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  if (job_.bias != nullptr) {
    const std::int64_t b = job_.bias_period > 0 ? batch % job_.bias_period : batch;
    kernels::BinaryJob add;
    add.a = ConstRows(scores_, Element::kF32, padded_keys_);
    add.b =
        ConstRows(job_.bias + b * job_.bias_batch + head * job_.bias_head + first * job_.bias_row,
                  Element::kF32, job_.bias_row);
    add.y = Rows{scores_, Element::kF32, padded_keys_};
    add.columns = keys;
    table_.binary(add, 0, rows);
  }
  if (job_.key_mask != nullptr) {
    const std::uint8_t* mask = job_.key_mask + batch * job_.keys;
    for (std::int64_t j = 0; j < keys; ++j) {
      if (mask[j] != 0) continue;
      for (int r = 0; r < rows; ++r) scores_[r * padded_keys_ + j] = kHidden;
    }
  }
  if (job_.causal) {
    for (int r = 0; r < rows; ++r) {
      const std::int64_t seen = seen_keys(first + r);
      std::fill(scores_ + r * padded_keys_ + seen, scores_ + r * padded_keys_ + keys, kHidden);
    }
  }
}

void HeadTask::output(std::int64_t batch, std::int64_t head, std::int64_t first, int rows,
                      std::int64_t keys) {
  table_.transpose(scores_, Element::kF32, padded_keys_, rows, keys, 1.0f, weights_, rows);
  for (std::int64_t c = 0; c < value_dim_; c += panel_) {
    kernels::TileJob tile;
    tile.rows = rows;
    tile.depth = keys;
    tile.a = weights_;
    tile.b = values_ + c * job_.keys;
    tile.c = part_;
    tile.c_stride = panel_;
    gemm_.tile(tile);
    kernels::TileEpilogue e;
    e.out = const_cast<char*>(
        static_cast<const char*>(at(job_.out, job_.out_type, batch, head, first)) +
        c * static_cast<std::int64_t>(element_size(job_.out_type)));
    e.out_type = job_.out_type;
    e.out_stride = job_.out.token;
    table_.finish_tile(part_, static_cast<int>(panel_), rows, std::min(panel_, value_dim_ - c), e);
  }
}

void HeadTask::run(std::int64_t batch, std::int64_t head, std::int64_t first, std::int64_t last) {
  const std::int64_t kv_heads = job_.kv_heads == 0 ? job_.heads : job_.kv_heads;
  const std::int64_t kv_head = head / (job_.heads / kv_heads);
  const std::int64_t all = seen_keys(last - 1);
  pack_keys(batch, kv_head, all);
  pack_values(batch, kv_head, all);
  const std::int64_t tiles = divide_up(last - first, gemm_.tile_rows);
  const std::int64_t count = last - first;
  for (std::int64_t i = 0; i < tiles; ++i) {
    const std::int64_t begin = first + count * i / tiles;
    const int rows = static_cast<int>(first + count * (i + 1) / tiles - begin);
    // At least one key is looked at, so that a query that sees none gets its NaN.
    const std::int64_t keys = std::max<std::int64_t>(1, seen_keys(begin + rows - 1));
    gemm_.pack_a(at(job_.q, job_.type, batch, head, begin), job_.type, job_.q.token, rows,
                 job_.head_dim, job_.scale, query_);
    scores(rows, keys);
    add_bias(batch, head, begin, rows, keys);
    table_.softmax_tile(scores_, padded_keys_, rows, keys, keys);
    output(batch, head, begin, rows, keys);
  }
}

}  // namespace

void attention(Engine& engine, const AttentionJob& job) {
  if (job.batch <= 0 || job.queries <= 0 || job.keys <= 0) return;
  const std::int64_t heads = job.batch * job.heads;
  const std::int64_t wanted = std::int64_t{4} * engine.pool().threads();
  // Cutting the queries of a head repeats the packing of its keys and values: only when heads
  // alone would leave threads idle, and in pieces that pay for it.
  const std::int64_t cuts =
      std::clamp<std::int64_t>(divide_up(wanted, heads), 1, divide_up(job.queries, 64));
  engine.pool().parallel_for(heads * cuts, [&](std::int64_t task, int worker) {
    const std::int64_t head = task / cuts;
    const std::int64_t cut = task % cuts;
    HeadTask part(engine, job, worker);
    part.run(head / job.heads, head % job.heads, job.queries * cut / cuts,
             job.queries * (cut + 1) / cuts);
  });
}

AttentionJob packed_qkv_attention(const void* qkv, Element type, void* out, std::int64_t batch,
                                  std::int64_t tokens, std::int64_t heads, std::int64_t head_dim) {
  const std::int64_t width = heads * head_dim;
  const std::int64_t size = static_cast<std::int64_t>(element_size(type));
  const char* data = static_cast<const char*>(qkv);
  AttentionJob job;
  job.batch = batch;
  job.heads = heads;
  job.queries = tokens;
  job.keys = tokens;
  job.head_dim = head_dim;
  job.scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
  job.type = type;
  job.q = {data, tokens * 3 * width, 3 * width, head_dim};
  job.k = {data + width * size, tokens * 3 * width, 3 * width, head_dim};
  job.v = {data + 2 * width * size, tokens * 3 * width, 3 * width, head_dim};
  job.out_type = type;
  job.out = {out, tokens * width, width, head_dim};
  return job;
}

}  // namespace vitals
