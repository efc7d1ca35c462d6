#include "runtime/program/bind.h"

#include "runtime/kernels/layout.h"
#include "runtime/kernels/linear.h"
#include "runtime/kernels/loops.h"
#include "runtime/program/reference_call.h"
#include "runtime/program/rows.h"
#include "runtime/reference/pointwise.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <memory>

namespace vitals {
namespace {

using KernelCall = std::function<void()>;

std::int64_t i64(std::uint64_t n) { return static_cast<std::int64_t>(n); }

std::array<std::int64_t, kMaxBatchDims> batch_strides(const View& view, std::size_t last) {
  std::array<std::int64_t, kMaxBatchDims> strides{};
  const auto dims = view.shape.rank() - last;
  for (std::size_t i = 0; i < dims; ++i) strides[kMaxBatchDims - dims + i] = i64(view.strides[i]);
  return strides;
}

BatchDims batch_dims(const View& view, std::size_t last) {
  BatchDims batch;
  const auto dims = view.shape.rank() - last;
  for (std::size_t i = 0; i < dims; ++i) batch.sizes[kMaxBatchDims - dims + i] = i64(view.shape[i]);
  return batch;
}

// Binds one step; an overload for each kind.
class Binder {
 public:
  Binder(const Binding& b, const Step& step) : b_(b), step_(step) {}

  KernelCall operator()(const step::Patches& s) const {
    PatchJob job;
    const auto& image = step_.in[0].shape;
    job.image = static_cast<const float*>(at(step_.in[0]));
    job.batch = i64(image[0]);
    job.channels = i64(image[1]);
    job.height = i64(image[2]);
    job.width = i64(image[3]);
    job.patch_h = i64(s.height);
    job.patch_w = i64(s.width);
    job.out = at(step_.out);
    job.out_type = type(step_.out);
    return [&engine = b_.engine, job] { image_to_patches(engine, job); };
  }

  KernelCall operator()(const step::Linear& s) const {
    LinearOptions options;
    options.weights = b_.weights;
    options.x = type(step_.in[0]);
    options.y = type(step_.out);
    options.activation = s.activation;
    options.multiplier = s.multiplier;
    options.residual = s.residual;
    const auto weight = parameter(s.weight);
    auto bias = parameter(s.bias);
    if (s.fixed_bias.buffer != kNone) bias = gathered(s.fixed_bias);
    const auto gamma = parameter(s.gamma);
    const auto or_null = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
    LinearWeights weights{weight.data(), 0, 1, or_null(bias), or_null(gamma)};
    if (s.transposed) {
      weights.n_stride = 1;
      weights.k_stride = i64(s.out);
    }
    LinearOperands operands;
    operands.rows = i64(step_.out.shape[0]);
    const auto layer = std::make_shared<Linear>(
        b_.engine, b_.store, LinearShape{operands.rows, i64(s.in), i64(s.out)}, options, weights);
    operands.x = matrix(step_.in[0]);
    std::size_t next = 1;
    if (s.multiplier) operands.multiplier = matrix(step_.in[next++]);
    if (s.residual) operands.residual = matrix(step_.in[next]);
    operands.y = {at(step_.out), type(step_.out), i64(step_.out.strides[0])};
    return [&engine = b_.engine, layer, operands] { layer->run(engine, operands); };
  }

  KernelCall operator()(const step::Depthwise& s) const {
    const auto& x = step_.in[0];
    const auto& y = step_.out;
    DepthwiseJob job;
    job.x = at(x);
    job.x_type = type(x);
    job.y = at(y);
    job.y_type = type(y);
    job.channels = i64(x.shape[1]);
    job.height = i64(x.shape[2]);
    job.width = i64(x.shape[3]);
    job.out_height = i64(y.shape[2]);
    job.out_width = i64(y.shape[3]);
    job.kernel_h = s.kernel[0];
    job.kernel_w = s.kernel[1];
    job.stride_h = s.stride[0];
    job.stride_w = s.stride[1];
    job.padding_h = s.padding[0];
    job.padding_w = s.padding[1];
    job.weight = taps_first(s.weight);
    job.bias = kept(s.bias);
    const auto rows = job.out_height * i64(y.shape[0]);
    return [&engine = b_.engine, job, rows] { depthwise(engine, job, rows); };
  }

  KernelCall operator()(const step::Attention& s) const {
    AttentionJob job;
    const auto heads = [&](const View& v) {
      return HeadsView{at(v), i64(v.strides[0]), i64(v.strides[2]), i64(v.strides[1])};
    };
    const auto& q = step_.in[0].shape;
    job.batch = i64(q[0]);
    job.heads = i64(q[1]);
    job.kv_heads = i64(step_.in[1].shape[1]);
    job.queries = i64(q[2]);
    job.keys = i64(step_.in[1].shape[2]);
    job.head_dim = i64(q[3]);
    job.value_dim = i64(step_.out.shape[3]);
    job.scale = static_cast<float>(s.scale);
    job.type = type(step_.in[0]);
    job.q = heads(step_.in[0]);
    job.k = heads(step_.in[1]);
    job.v = heads(step_.in[2]);
    job.out = heads(step_.out);
    job.out_type = type(step_.out);
    job.causal = s.causal;
    if (step_.in.size() > 3) {
      const auto& bias = step_.in[3];
      job.bias = static_cast<const float*>(at(bias));
      job.bias_batch = i64(bias.strides[0]);
      job.bias_head = i64(bias.strides[1]);
      job.bias_row = i64(bias.strides[2]);
    }
    return [&engine = b_.engine, job] { attention(engine, job); };
  }

  KernelCall operator()(const step::Norm& s) const {
    const auto [rows, views] = folded();
    NormJob job;
    job.x = views[0];
    job.y = out_rows(views[1]);
    job.dim = i64(step_.out.shape.at(-1));
    job.weight = kept(s.weight);
    job.bias = kept(s.bias);
    job.eps = static_cast<float>(s.eps);
    if (s.center) return [&engine = b_.engine, job, n = rows] { layer_norm(engine, job, n); };
    return [&engine = b_.engine, job, n = rows] { rms_norm(engine, job, n); };
  }

  KernelCall operator()(const step::Softmax&) const {
    const auto [job, rows] = unary_job();
    return [&engine = b_.engine, j = job, n = rows] { softmax(engine, j, n); };
  }

  KernelCall operator()(const step::Unary& s) const {
    auto [job, rows] = unary_job();
    job.activation = s.activation;
    job.scale = static_cast<float>(s.scale);
    return [&engine = b_.engine, j = job, n = rows] { unary(engine, j, n); };
  }

  KernelCall operator()(const step::Map& s) const {
    const auto [job, rows] = unary_job();
    const auto f = [o = s.function](float x) { return reference::activated(o, x); };
    return [&engine = b_.engine, j = job, n = rows, f] { map_rows(engine, j, n, f); };
  }

  KernelCall operator()(const step::Binary& s) const {
    const auto [rows, views] = folded();
    BinaryJob job;
    job.a = views[0];
    job.b = views[1];
    job.y = out_rows(views[2]);
    job.columns = i64(step_.out.shape.at(-1));
    job.op = s.op;
    job.activation = s.activation;
    return [&engine = b_.engine, job, n = rows] { binary(engine, job, n); };
  }

  KernelCall operator()(const step::Copy&) const {
    CopyJob job;
    const auto& from = step_.in[0];
    const auto unused = kMaxCopyDims - from.shape.rank();
    for (std::size_t i = 0; i < from.shape.rank(); ++i) {
      job.sizes[unused + i] = i64(from.shape[i]);
      job.in_strides[unused + i] = i64(from.strides[i]);
      job.out_strides[unused + i] = i64(step_.out.strides[i]);
    }
    job.in = at(from);
    job.in_type = type(from);
    job.out = at(step_.out);
    job.out_type = type(step_.out);
    return [&engine = b_.engine, job] { copy_strided(engine, job); };
  }

  KernelCall operator()(const step::Reduce& s) const {
    const auto& x = step_.in[0];
    if (s.kind == op::ReduceKind::mean && x.shape[2] > 1) return mean();
    ReduceJob job;
    job.kind = s.kind == op::ReduceKind::max   ? Reduction::kMax
               : s.kind == op::ReduceKind::sum ? Reduction::kSum
                                               : Reduction::kMean;
    job.groups = i64(x.shape[0]);
    job.count = i64(x.shape[1]);
    job.columns = i64(x.shape[2]);
    job.x = at(x);
    job.x_type = type(x);
    job.group_stride = i64(x.strides[0]);
    job.stride = i64(x.strides[1]);
    job.out = at(step_.out);
    job.out_type = type(step_.out);
    return [&engine = b_.engine, job] { reduce(engine, job); };
  }

  KernelCall operator()(const step::MatMul&) const {
    BatchedMatmulJob job;
    const auto& a = step_.in[0];
    const auto& b = step_.in[1];
    job.batch = batch_dims(step_.out, 2);
    job.m = i64(a.shape.at(-2));
    job.n = i64(b.shape.at(-1));
    job.k = i64(a.shape.at(-1));
    job.a = static_cast<const float*>(at(a));
    job.a_batch = batch_strides(a, 2);
    job.a_row = i64(a.strides.at(-2));
    job.b = static_cast<const float*>(at(b));
    job.b_batch = batch_strides(b, 2);
    job.b_row = i64(b.strides.at(-2));
    job.b_column = i64(b.strides.at(-1));
    job.c = at(step_.out);
    job.c_type = type(step_.out);
    return [&engine = b_.engine, job] { batched_matmul(engine, job); };
  }

  KernelCall operator()(const step::Rope& s) const {
    TableRopeJob job;
    const auto& x = step_.in[0];
    job.rows = batch_dims(x, 1);
    job.columns = i64(x.shape.at(-1));
    job.dim = i64(s.dim);
    job.half = s.half;
    job.x = at(x);
    job.x_type = type(x);
    job.x_strides = batch_strides(x, 1);
    job.table = static_cast<const float*>(at(step_.in[1]));
    job.table_strides = batch_strides(step_.in[1], 1);
    job.y = at(step_.out);
    job.y_type = type(step_.out);
    job.y_strides = batch_strides(step_.out, 1);
    return [&engine = b_.engine, job] { table_rope(engine, job); };
  }

  KernelCall operator()(const step::Lookup& s) const {
    GatherJob job;
    job.columns = i64(step_.out.shape.at(-1));
    job.table = ConstRows(kept(s.table), Element::kF32, job.columns);
    job.indices = static_cast<const std::int64_t*>(at(step_.in[0]));
    job.out = {at(step_.out), type(step_.out), job.columns};
    const auto rows = i64(numel(step_.in[0].shape).value());
    return [&engine = b_.engine, job, rows] { gather_rows(engine, job, rows); };
  }

  KernelCall operator()(const step::Reference&) const {
    const auto& node = b_.graph.nodes[step_.node];
    std::vector<Strided<const float>> inputs;
    for (const auto& view : step_.in)
      inputs.push_back({static_cast<const float*>(at(view)), view.shape, view.strides});
    return ReferenceCall(b_.graph, node, std::move(inputs),
                         {kept(node.params[0]), kept(node.params[1])},
                         {static_cast<float*>(at(step_.out)), step_.out.shape, step_.out.strides});
  }

 private:
  KernelCall mean() const {
    const auto& x = step_.in[0];
    MeanJob job;
    job.x = ConstRows(at(x), type(x), i64(x.strides[1]));
    job.y = {at(step_.out), type(step_.out), i64(x.shape[2])};
    job.group_stride = i64(x.strides[0]);
    job.count = i64(x.shape[1]);
    job.columns = i64(x.shape[2]);
    return [&engine = b_.engine, job, n = i64(x.shape[0])] { mean_rows(engine, job, n); };
  }

  Element type(const View& view) const { return element_of(b_.program.buffers[view.buffer].dtype); }

  void* at(const View& view) const {
    const auto size = size_of(b_.program.buffers[view.buffer].dtype);
    return static_cast<char*>(b_.address[view.buffer]) + view.offset * size;
  }

  ConstRows matrix(const View& view) const { return {at(view), type(view), i64(view.strides[0])}; }

  // Operands and result as rows, the result last.
  std::pair<std::int64_t, std::vector<ConstRows>> folded() const {
    auto views = step_.in;
    views.push_back(step_.out);
    const auto rows = fold_rows(views);
    assert(rows.has_value());
    std::vector<ConstRows> result;
    for (std::size_t i = 0; i < views.size(); ++i) {
      const auto& s = rows->views[i];
      result.emplace_back(at(views[i]), type(views[i]), s.stride, s.inner, s.inner_stride);
    }
    return {rows->rows, result};
  }

  Rows out_rows(const ConstRows& rows) const {
    return {at(step_.out), rows.type, rows.stride, rows.inner, rows.inner_stride};
  }

  std::pair<UnaryJob, std::int64_t> unary_job() const {
    const auto [rows, views] = folded();
    UnaryJob job;
    job.x = views[0];
    job.y = out_rows(views[1]);
    job.columns = i64(step_.out.shape.at(-1));
    return {job, rows};
  }

  std::vector<float> parameter(ParamId id) const {
    if (id == kNone) return {};
    std::vector<float> values(numel(b_.graph.params[id]).value());
    b_.params(id, values);
    return values;
  }

  // A small parameter that its kernel reads where it lies.
  const float* kept(ParamId id) const {
    if (id == kNone) return nullptr;
    const auto count = numel(b_.graph.params[id]).value();
    auto* values = static_cast<float*>(b_.store.allocate(count * sizeof(float)));
    b_.params(id, {values, static_cast<std::size_t>(count)});
    return values;
  }

  // A depthwise kernel [C, 1, h, w] as [h, w, C].
  const float* taps_first(ParamId id) const {
    const auto values = parameter(id);
    const auto channels = b_.graph.params[id].shape[0];
    const auto taps = values.size() / channels;
    auto* turned = static_cast<float*>(b_.store.allocate(values.size() * sizeof(float)));
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t t = 0; t < taps; ++t) turned[t * channels + c] = values[c * taps + t];
    return turned;
  }

  std::vector<float> gathered(const View& view) const {
    const Strided<const float> values{static_cast<const float*>(at(view)), view.shape,
                                      view.strides};
    std::vector<float> result;
    for_each_index(view.shape, [&](const Dims& i) { result.push_back(values[i]); });
    return result;
  }

  const Binding& b_;
  const Step& step_;
};

}  // namespace

Element element_of(DType dtype) {
  assert(dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::i64);
  return dtype == DType::bf16 ? Element::kBf16 : Element::kF32;
}

std::vector<KernelCall> bind(const Binding& binding) {
  std::vector<KernelCall> calls;
  calls.reserve(binding.program.steps.size());
  for (const auto& step : binding.program.steps) {
    try {
      calls.push_back(std::visit(Binder(binding, step), step.kind));
    } catch (const Error&) {
      throw;
    } catch (const std::runtime_error& error) {
      fail("{}: {}", binding.graph.module_of(binding.graph.nodes[step.node]).path, error.what());
    }
  }
  return calls;
}

}  // namespace vitals
