// The reference kernel of fused attention.
#pragma once

#include "runtime/reference/norms.h"

#include <limits>
#include <vector>

namespace vitals::reference {

// Where the keys, or values, of a query begin: heads may be shared by groups of query heads.
template <class T>
const T* keys_of(const Strided<const T>& k, const Shape& q, const Dims& batch) {
  std::uint64_t offset = 0;
  for (std::size_t d = 0; d < batch.rank(); ++d)
    offset += batch[d] / (q[d] / k.shape[d]) * k.strides[d];
  return k.data + offset;
}

// The weights of one query over all keys, and over the sink where there is one, into `row`.
template <class T>
void attention_row(const op::Sdpa& o, const Operands<T>& in, const Dims& at, std::vector<T>& row) {
  const auto& q = in.inputs[0];
  const auto& k = in.inputs[1];
  const auto keys = k.shape.at(-2);
  const auto* first_key = keys_of(k, q.shape, without_last(at, 1));
  for (std::uint64_t j = 0; j < keys; ++j) {
    const Row<const T> key{first_key + j * k.strides.at(-2), k.strides.at(-1), k.shape.at(-1)};
    row[j] = dot(row_of(q, at), key) * T(o.scale);
    Dims pair = at;
    pair.push_back(j);
    if (o.bias)
      row[j] = row[j] +
               in.inputs[3].data[broadcast_offset(pair, in.inputs[3].shape, in.inputs[3].strides)];
    if (o.causal && j + q.shape.at(-2) > at.at(-1) + keys)
      row[j] = T(-std::numeric_limits<double>::infinity());
  }
  if (o.sinks) row[keys] = in.inputs[in.inputs.size() - 1][{at.at(-2)}];
  softmax_row(Row<const T>{row.data(), 1, row.size()}, Row<T>{row.data(), 1, row.size()});
  for (std::uint64_t j = 0; j < keys && o.dropout > 0; ++j)
    row[j] = row[j] * kept<T>(o.dropout, in.uniform);
}

template <class T>
void run(const op::Sdpa& o, const Operands<T>& in, const Strided<T>& out) {
  const auto& v = in.inputs[2];
  const auto keys = v.shape.at(-2);
  std::vector<T> row(keys + (o.sinks ? 1 : 0), T(0));
  for_each_index(without_last(out.shape, 1), [&](const Dims& at) {
    attention_row(o, in, at, row);
    const auto* values = keys_of(v, in.inputs[0].shape, without_last(at, 1));
    const auto y = row_of(out, at);
    for (std::uint64_t e = 0; e < y.size; ++e)
      y[e] = dot(Row<const T>{row.data(), 1, keys},
                 Row<const T>{values + e * v.strides.at(-1), v.strides.at(-2), keys});
  });
}

}  // namespace vitals::reference
