// Row-wise kernels: softmax, LayerNorm and RMSNorm, activations, sums and products of rows, means,
// rotary positions; and the loops that measure this instruction set's peak.
// Compiled once per instruction set; must not know of threads.
#pragma once

#include "runtime/kernels/simd/math.h"

namespace vitals::kernels::VITALS_ISA {

// e^(x - max) over a row of fp32 in place; returns the sum.
VITALS_INLINE float exp_row(float* x, std::int64_t columns) {
  Reg high = Vec::set(-__builtin_inff());
  std::int64_t j = 0;
  for (; j + Vec::kLanes <= columns; j += Vec::kLanes) high = Vec::max(high, Vec::load(x + j));
  float top = Vec::largest(high);
  for (std::int64_t t = j; t < columns; ++t) top = x[t] > top ? x[t] : top;
  // A fully masked row: zeros over zero, the NaN that PyTorch gives.
  const Reg shift = Vec::set(top);
  Reg total = Vec::zero();
  for (j = 0; j + Vec::kLanes <= columns; j += Vec::kLanes) {
    const Reg e = exp(Vec::load(x + j) - shift);
    Vec::store(x + j, e);
    total = total + e;
  }
  float sum = Vec::sum(total);
  if (j < columns) {
    const std::int64_t n = columns - j;
    Vec::store(x + j, exp(Vec::load(x + j, n) - shift), n);
    for (std::int64_t t = j; t < columns; ++t) sum += x[t];
  }
  return sum;
}

VITALS_INLINE void scale_row(const float* x, Rows y, std::int64_t start, std::int64_t columns,
                             float factor) {
  const Reg f = Vec::set(factor);
  each_vector(columns, [&](std::int64_t j, std::int64_t n) {
    store_as(y.data, y.type, start + j, load(x + j, n) * f, n);
  });
}

inline void softmax_tile(float* x, std::int64_t stride, int rows, std::int64_t columns,
                         std::int64_t padded) {
  for (int r = 0; r < rows; ++r) {
    float* row = x + r * stride;
    const Reg factor = Vec::set(1.0f / exp_row(row, columns));
    each_vector(columns, [&](std::int64_t j, std::int64_t n) {
      store(row + j, load(row + j, n) * factor, n);
    });
    for (std::int64_t j = columns; j < padded; ++j) row[j] = 0;
  }
}

struct RowStatistics {
  float mean;
  float mean_square;
};

// Two passes: the mean first, so that the squares lose nothing to cancellation.
VITALS_INLINE RowStatistics row_statistics(const NormJob& job, std::int64_t start) {
  Reg sum = Vec::zero();
  const ConstRows& x = job.x;
  if (job.center) {
    each_vector(job.dim, [&](std::int64_t j, std::int64_t n) {
      sum = sum + load_as(x.data, x.type, start + j, n);
    });
  }
  const float mean = Vec::sum(sum) / static_cast<float>(job.dim);
  Reg squares = Vec::zero();
  const Reg center = Vec::set(mean);
  std::int64_t j = 0;
  for (; j + Vec::kLanes <= job.dim; j += Vec::kLanes) {
    const Reg d = load_as(x.data, x.type, start + j, Vec::kLanes) - center;
    squares = Vec::fma(d, d, squares);
  }
  float total = Vec::sum(squares);
  for (; j < job.dim; ++j) {
    const float v = x.type == Element::kF32 ? static_cast<const float*>(x.data)[start + j]
                                            : to_float(static_cast<const Bf16*>(x.data)[start + j]);
    total += (v - mean) * (v - mean);
  }
  return {mean, total / static_cast<float>(job.dim)};
}

inline void norm(const NormJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t from = row_start(job.x, r);
    const std::int64_t to = row_start(job.y, r);
    const RowStatistics s = row_statistics(job, from);
    const Reg center = Vec::set(s.mean);
    const Reg factor = Vec::set(1.0f / __builtin_sqrtf(s.mean_square + job.eps));
    each_vector(job.dim, [&](std::int64_t j, std::int64_t n) {
      Reg v = (load_as(job.x.data, job.x.type, from + j, n) - center) * factor;
      if (job.weight != nullptr) v = v * load(job.weight + j, n);
      if (job.bias != nullptr) v = v + load(job.bias + j, n);
      store_as(job.y.data, job.y.type, to + j, v, n);
    });
  }
}

struct UnaryRows {
  const UnaryJob& job;
  std::int64_t begin;
  std::int64_t end;

  template <Activation kActivation>
  void run() const {
    const Reg scale = Vec::set(job.scale);
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t from = row_start(job.x, r);
      const std::int64_t to = row_start(job.y, r);
      each_vector(job.columns, [&](std::int64_t j, std::int64_t n) {
        const Reg v = activate<kActivation>(load_as(job.x.data, job.x.type, from + j, n));
        store_as(job.y.data, job.y.type, to + j, v * scale, n);
      });
    }
  }
};

inline void unary(const UnaryJob& job, std::int64_t begin, std::int64_t end) {
  with_activation(job.activation, UnaryRows{job, begin, end});
}

// Long rows keep no fp32 copy: the first passes convert again what they need.
inline void softmax(const UnaryJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t from = row_start(job.x, r);
    const std::int64_t to = row_start(job.y, r);
    float top = -__builtin_inff();
    const auto at = [&](std::int64_t j, std::int64_t n) {
      return load_as(job.x.data, job.x.type, from + j, n) * Vec::set(job.scale);
    };
    const std::int64_t whole = job.columns - job.columns % Vec::kLanes;
    const std::int64_t rest = job.columns - whole;
    float tail[Vec::kLanes];
    if (rest > 0) Vec::store(tail, at(whole, rest));
    Reg high = Vec::set(top);
    for (std::int64_t j = 0; j < whole; j += Vec::kLanes) high = Vec::max(high, at(j, Vec::kLanes));
    top = Vec::largest(high);
    for (std::int64_t j = 0; j < rest; ++j) top = tail[j] > top ? tail[j] : top;
    const Reg shift = Vec::set(top);
    Reg total = Vec::zero();
    for (std::int64_t j = 0; j < whole; j += Vec::kLanes) {
      total = total + exp(at(j, Vec::kLanes) - shift);
    }
    float sum = Vec::sum(total);
    if (rest > 0) {
      Vec::store(tail, exp(Vec::load(tail) - shift));
      for (std::int64_t j = 0; j < rest; ++j) sum += tail[j];
    }
    const Reg factor = Vec::set(1.0f / sum);
    each_vector(job.columns, [&](std::int64_t j, std::int64_t n) {
      store_as(job.y.data, job.y.type, to + j, exp(at(j, n) - shift) * factor, n);
    });
  }
}

template <BinaryOp kOp>
struct BinaryRows {
  const BinaryJob& job;
  std::int64_t begin;
  std::int64_t end;

  template <Activation kActivation>
  void run() const {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t a = row_start(job.a, r);
      const std::int64_t b = row_start(job.b, job.b_rows > 0 ? r % job.b_rows : r);
      const std::int64_t y = row_start(job.y, r);
      each_vector(job.columns, [&](std::int64_t j, std::int64_t n) {
        const Reg v = activate<kActivation>(load_as(job.a.data, job.a.type, a + j, n));
        const Reg w = load_as(job.b.data, job.b.type, b + j, n);
        store_as(job.y.data, job.y.type, y + j, kOp == BinaryOp::kAdd ? v + w : v * w, n);
      });
    }
  }
};

inline void binary(const BinaryJob& job, std::int64_t begin, std::int64_t end) {
  if (job.op == BinaryOp::kAdd) {
    with_activation(job.activation, BinaryRows<BinaryOp::kAdd>{job, begin, end});
  } else {
    with_activation(job.activation, BinaryRows<BinaryOp::kMul>{job, begin, end});
  }
}

inline void mean(const MeanJob& job, std::int64_t begin, std::int64_t end) {
  const Reg factor = Vec::set(1.0f / static_cast<float>(job.count));
  for (std::int64_t g = begin; g < end; ++g) {
    const std::int64_t to = row_start(job.y, g);
    each_vector(job.columns, [&](std::int64_t j, std::int64_t n) {
      Reg total = Vec::zero();
      for (std::int64_t r = 0; r < job.count; ++r) {
        const std::int64_t from = g * job.group_stride + row_start(job.x, r) + j;
        total = total + load_as(job.x.data, job.x.type, from, n);
      }
      store_as(job.y.data, job.y.type, to + j, total * factor, n);
    });
  }
}

VITALS_INLINE float get(const Rows& x, std::int64_t i) {
  return x.type == Element::kF32 ? static_cast<const float*>(x.data)[i]
                                 : to_float(static_cast<const Bf16*>(x.data)[i]);
}

VITALS_INLINE void put(const Rows& x, std::int64_t i, float v) {
  if (x.type == Element::kF32) {
    static_cast<float*>(x.data)[i] = v;
  } else {
    static_cast<Bf16*>(x.data)[i] = to_bf16(v);
  }
}

inline void rope(const RopeJob& job, std::int64_t begin, std::int64_t end) {
  const std::int64_t half = job.dim / 2;
  for (std::int64_t r = begin; r < end; ++r) {
    const std::int64_t token = (r / job.position_rows) % job.tokens;
    if (token < job.first) continue;
    const float* cos = job.cos + (token - job.first) * half;
    const float* sin = job.sin + (token - job.first) * half;
    const std::int64_t at = row_start(job.x, r);
    for (std::int64_t i = 0; i < half; ++i) {
      const std::int64_t p = at + (job.interleaved ? 2 * i : i);
      const std::int64_t q = at + (job.interleaved ? 2 * i + 1 : i + half);
      const float u = get(job.x, p);
      const float v = get(job.x, q);
      put(job.x, p, u * cos[i] - v * sin[i]);
      put(job.x, q, v * cos[i] + u * sin[i]);
    }
  }
}

inline float read_sum(const float* data, std::int64_t count) {
  constexpr std::int64_t kLanes = Vec::kLanes;
  Reg acc[] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()};
  for (std::int64_t j = 0; j + 4 * kLanes <= count; j += 4 * kLanes) {
    for (int i = 0; i < 4; ++i) acc[i] = acc[i] + Vec::load(data + j + i * kLanes);
  }
  return Vec::sum((acc[0] + acc[1]) + (acc[2] + acc[3]));
}

}  // namespace vitals::kernels::VITALS_ISA
