#include "graph/builder.h"

#include "graph/infer.h"

namespace vitals {

Builder::Builder(std::string model, BuildOptions options) : options_(options) {
  graph_.model = std::move(model);
  graph_.batch = options.batch;
  // Room for a model of a dozen blocks, so that it is built without moving what is there.
  graph_.nodes.reserve(384);
  graph_.modules.reserve(256);
  graph_.calls.reserve(256);
  graph_.completion.reserve(256);
  graph_.params.reserve(192);
  by_path_.reserve(256);
  graph_.modules.push_back({"", "", kNone, {}});
  graph_.calls.push_back({});
}

Graph Builder::finish(const Tensors& outputs) {
  leave(0, outputs);
  graph_.outputs = graph_.calls[0].outputs;
  graph_.calls[0].inputs = graph_.inputs;
  return std::move(graph_);
}

void Builder::name(std::string_view name, Tensor x) {
  const auto& path = graph_.modules[module_].path;
  graph_.named_values.push_back(
      {fmt::format("{}{}{}", path, path.empty() ? "" : ".", name), x.id()});
}

ModuleId Builder::child(std::string_view name, const ModuleType& type) {
  const auto& parent = graph_.modules[module_].path;
  std::string path;
  path.reserve(parent.size() + name.size() + 1);
  if (!parent.empty()) path.append(parent).push_back('.');
  path.append(name);
  const auto [it, added] = by_path_.try_emplace(path, static_cast<ModuleId>(graph_.modules.size()));
  if (added) {
    Module module{std::move(path), std::string(type.name), module_, {}, type.role, type.torch};
    module.layer = type.role == Role::layer ? type.layer : graph_.modules[module_].layer;
    module.heads = type.heads;
    graph_.modules.push_back(std::move(module));
  }
  return it->second;
}

CallId Builder::enter(std::string_view name, const ModuleType& type, const Tensors& inputs) {
  const auto id = static_cast<CallId>(graph_.calls.size());
  Call call;
  call.module = child(name, type);
  call.parent = call_;
  call.begin = static_cast<NodeId>(graph_.nodes.size());
  call.inputs.reserve(inputs.size());
  for (const auto& x : inputs) call.inputs.push_back(x.id());
  module_ = call.module;
  graph_.calls.push_back(std::move(call));
  call_ = id;
  return id;
}

void Builder::leave(CallId id, const Tensor& output) { leave(id, Tensors{output}); }

void Builder::leave(CallId id, const Tensors& outputs) {
  auto& call = graph_.calls[id];
  call.end = static_cast<NodeId>(graph_.nodes.size());
  for (const auto& x : outputs) call.outputs.push_back(x.id());
  graph_.completion.push_back(id);
  if (call.parent == kNone) return;
  call_ = call.parent;
  // The module that is current need not be the caller's own: it may stand in a ModuleList.
  module_ = graph_.modules[call.module].parent;
}

ParamId Builder::param(std::string_view name, const Shape& shape, bool buffer) {
  auto& module = graph_.modules[module_];
  for (auto id : module.params)
    if (graph_.params[id].name == name) return id;
  try {
    // Twenty bytes a parameter in training is the most that a recipe takes.
    all_params_ += numel(shape);
    (void)(all_params_ * 32);
  } catch (const Error& error) {
    throw error.within((module.path.empty() ? "" : module.path + ".") + std::string(name));
  }
  const auto id = static_cast<ParamId>(graph_.params.size());
  graph_.params.push_back({std::string(name), module_, shape, !buffer, buffer});
  if (!holds_modules(module.role)) graph_.params[id].role = module.role;
  module.params.push_back(id);
  return id;
}

ParamId Builder::param(std::string_view name, const Shape& shape, Role role) {
  const auto id = param(name, shape);
  graph_.params[id].role = role;
  return id;
}

ParamId Builder::buffer(std::string_view name, const Shape& shape, DType dtype) {
  const auto id = param(name, shape, true);
  graph_.params[id].dtype = dtype;
  return id;
}

Tensor Builder::parameter(std::string_view name, const Shape& shape) {
  return add(op::Parameter{shape}, {}, param(name, shape));
}

Tensor Builder::parameter(std::string_view name, const Shape& shape, Role role, bool bias) {
  const auto id = param(name, shape, role);
  graph_.params[id].bias = bias;
  return add(op::Parameter{shape}, {}, id);
}

Tensor Builder::input(const Shape& shape, DType dtype) {
  const auto x = add(op::Input{shape, dtype}, {});
  graph_.inputs.push_back(x.id());
  return x;
}

Tensor Builder::constant(const Shape& shape, DType dtype) {
  return add(op::Constant{shape, dtype, {}}, {});
}

Tensor Builder::constant(const Shape& shape, std::function<void(std::span<float>)> fill) {
  return add(op::Constant{shape, DType::f32, std::move(fill)}, {});
}

Tensor Builder::zeros(const Shape& shape) {
  return constant(shape,
                  [](std::span<float> values) { std::fill(values.begin(), values.end(), 0.0F); });
}

Tensor Builder::state(const Shape& shape, DType dtype) { return add(op::Input{shape, dtype}, {}); }

void Builder::keep_cache(KvCache cache) {
  cache.module = module_;
  graph_.kv_caches.push_back(cache);
}

Tensor Builder::add(Op op, const Tensors& inputs, ParamId weight, ParamId bias) {
  const auto id = static_cast<NodeId>(graph_.nodes.size());
  std::array<const Node*, 4> few{};
  std::vector<const Node*> many;
  std::span<const Node*> in(few.data(), std::min(inputs.size(), few.size()));
  if (inputs.size() > few.size()) {
    many.resize(inputs.size());
    in = many;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) in[i] = &graph_.nodes[inputs[i].id()];
  try {
    if (graph_.nodes.size() >= options_.max_ops)
      fail("the model has more than {} ops; is its depth right?", options_.max_ops);
    auto out = infer(op, in);
    (void)(numel(out.shape) * size_of(DType::f64));  // bytes of every tensor must fit as well
    Node node;
    node.op = std::move(op);
    node.inputs.reserve(inputs.size());
    for (const auto& x : inputs) node.inputs.push_back(x.id());
    node.params = {weight, bias};
    node.call = call_;
    node.shape = out.shape;
    node.strides = out.strides;
    node.dtype = out.dtype;
    node.storage = out.view ? in[0]->storage : id;
    if (bias != kNone) graph_.params[bias].bias = true;
    if (const auto* o = std::get_if<op::ExpertLinear>(&node.op))
      for (const auto param : node.params)
        if (param != kNone) graph_.params[param].experts = o->experts;
    graph_.nodes.push_back(std::move(node));
  } catch (const Error& error) {
    const auto& path = graph_.modules[graph_.calls[call_].module].path;
    throw error.within(path.empty() ? graph_.model : path);
  }
  return {*this, id};
}

// at::linear folds the leading dimensions into rows: a view, unless the strides forbid it.
Tensor Builder::rows(Tensor x) {
  const auto& node = graph_.nodes[x.id()];
  const Shape folded{(numel(x.shape()) / std::max<std::uint64_t>(x.dim(-1), 1)).value(), x.dim(-1)};
  return view_strides(node.shape, node.strides, folded) ? x : implied_copy(x);
}

Tensor Builder::linear(Tensor x, std::uint64_t out, ParamId weight, ParamId bias, bool transposed) {
  return add(op::Linear{x.dim(-1), out, bias != kNone, transposed}, {rows(x)}, weight, bias);
}

Tensor Builder::linear(Tensor x, std::uint64_t out, ParamId weight, Tensor bias) {
  return add(op::Linear{x.dim(-1), out, true}, {rows(x), bias}, weight);
}

// bmm wants [batch, m, k]: the batch dimensions must fold into one without a copy.
Tensor Builder::foldable(Tensor x) {
  const auto& node = graph_.nodes[x.id()];
  if (node.shape.rank() <= 3) return x;
  Count batch = 1;
  for (std::size_t i = 0; i + 2 < node.shape.rank(); ++i) batch *= node.shape[i];
  const Shape folded{batch.value(), node.shape.at(-2), node.shape.at(-1)};
  return view_strides(node.shape, node.strides, folded) ? x : implied_copy(x);
}

Tensor Builder::matmul(Tensor a, Tensor b) { return add(op::MatMul{}, {foldable(a), foldable(b)}); }

Tensor Builder::dropout(Tensor x, double rate) {
  if (!options_.training || rate == 0.0) return x;
  return add(op::Dropout{rate}, {x});
}

Tensor Builder::reshape(Tensor x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return add(op::Reshape{shape}, {x});
}

Tensor Builder::transpose(Tensor x, int a, int b) {
  Dims order;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) order.push_back(i);
  std::swap(order[x.shape().index(a)], order[x.shape().index(b)]);
  return permute(x, order);
}

Tensor Builder::select(Tensor x, int axis, std::uint64_t index) {
  return add(op::Slice{axis, index, 1, true, false}, {x});
}

Tensor Builder::slice(Tensor x, int axis, std::uint64_t start, std::uint64_t length) {
  return add(op::Slice{axis, start, length, false, false}, {x});
}

Tensors Builder::split(Tensor x, int axis, const std::vector<std::uint64_t>& lengths) {
  Tensors pieces;
  std::uint64_t start = 0;
  for (const auto length : lengths) {
    pieces.push_back(add(op::Slice{axis, start, length, false, true}, {x}));
    start += length;
  }
  return pieces;
}

Tensors Builder::unbind(Tensor x, int axis) {
  Tensors pieces;
  for (std::uint64_t i = 0; i < x.dim(axis); ++i)
    pieces.push_back(add(op::Slice{axis, i, 1, true, true}, {x}));
  return pieces;
}

void Builder::keep(const Tensors& xs) {
  auto& locals = graph_.calls[call_].locals;
  for (const auto& x : xs) locals.push_back(x.id());
}

Tensor Builder::contiguous(Tensor x) {
  const auto& node = graph_.nodes[x.id()];
  if (is_contiguous(node.shape, node.strides)) return x;
  return add(op::Copy{}, {x});
}

Tensor operator+(Tensor a, Tensor b) {
  return a.builder().add(op::Binary{op::BinaryKind::add}, {a, b});
}
Tensor operator-(Tensor a, Tensor b) {
  return a.builder().add(op::Binary{op::BinaryKind::sub}, {a, b});
}
Tensor operator*(Tensor a, Tensor b) {
  return a.builder().add(op::Binary{op::BinaryKind::mul}, {a, b});
}
Tensor operator*(Tensor a, double factor) { return a.builder().add(op::Scale{factor}, {a}); }

}  // namespace vitals
