#include "frontends/torch/import.h"

#include "core/error.h"
#include "frontends/torch/aten.h"
#include "graph/infer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vitals::torch {
namespace {

using Kind = TraceArgument::Kind;

// What is known of a value so far. Constants and further results of an operator become nodes when
// somebody reads them.
struct Known {
  NodeId node = kNone;
  Weight weight;       // a parameter, as it is or transposed
  bool empty = false;  // memory that an operator made and did not fill
  NodeId side_of = kNone;
  double mask_rate = 0;  // of dropout
};

class Importer final : public AtenContext {
 public:
  explicit Importer(const TraceFile& trace) : trace_(trace), known_(trace.values.size()) {}

  Graph run() {
    graph_.model = trace_.model;
    graph_.imported = true;
    make_modules();
    make_parameters();
    make_calls();
    for (const auto value : trace_.inputs) graph_.inputs.push_back(make_input(value));
    for (const auto value : trace_.constants) known_[value].empty = true;
    for (place_ = 0; place_ <= trace_.nodes.size(); ++place_) {
      begin_calls();
      if (place_ == trace_.nodes.size()) break;
      node_ = &trace_.nodes[place_];
      call_ = static_cast<CallId>(node_->call.value_or(0));
      translate();
    }
    finish();
    return std::move(graph_);
  }

  // AtenContext
  [[nodiscard]] const TraceNode& node() const override { return *node_; }
  [[nodiscard]] const Graph& graph() const override { return graph_; }
  [[nodiscard]] const TraceValue& result(std::size_t i) const override {
    if (i >= node_->out.size()) fail("result {} of {}", i, node_->out.size());
    return trace_.values[node_->out[i]];
  }
  [[nodiscard]] std::size_t results() const override { return node_->out.size(); }

  NodeId tensor(const TraceArgument& a) override {
    if (a.kind == Kind::parameter) return parameter(param_of(a.index), false);
    if (a.kind != Kind::value) fail("expected a tensor");
    auto& known = known_[a.index];
    if (known.node != kNone) return known.node;
    const auto& value = trace_.values[a.index];
    if (known.weight.param != kNone)
      known.node = parameter(known.weight.param, known.weight.transposed);
    else if (known.side_of != kNone)
      known.node = add(op::SideOutput{value.shape, value.dtype}, {known.side_of});
    else
      known.node = add(op::Constant{value.shape, value.dtype, {}}, {});
    touched_.push_back(a.index);
    return known.node;
  }

  [[nodiscard]] const Shape& shape(const TraceArgument& a) const override {
    if (a.kind == Kind::parameter) return trace_.parameters[a.index].shape;
    return trace_.values[a.index].shape;
  }

  [[nodiscard]] Weight weight(const TraceArgument& a) const override {
    if (a.kind == Kind::parameter) return {param_of(a.index), false};
    if (a.kind == Kind::value) return known_[a.index].weight;
    return {};
  }

  [[nodiscard]] double mask_rate(const TraceArgument& a) const override {
    return a.kind == Kind::value ? known_[a.index].mask_rate : 0;
  }

  NodeId add(Op op, const std::vector<NodeId>& inputs, ParamId weight = kNone,
             ParamId bias = kNone) override {
    std::vector<const Node*> in;
    for (const auto input : inputs) in.push_back(&graph_.nodes[input]);
    const auto id = static_cast<NodeId>(graph_.nodes.size());
    auto out = infer(op, in);
    (void)(numel(out.shape) * size_of(DType::f64));
    Node node;
    node.op = std::move(op);
    node.inputs = inputs;
    node.params = {weight, bias};
    node.call = call_;
    node.shape = out.shape;
    node.strides = out.strides;
    node.dtype = out.dtype;
    node.storage = out.view ? in[0]->storage : id;
    graph_.nodes.push_back(std::move(node));
    return id;
  }

 private:
  void make_modules() {
    std::map<std::string, ModuleId> by_path;
    for (const auto& m : trace_.modules) {
      Module module;
      module.path = m.path;
      module.type = m.type;
      module.torch = torch_class(m.type);
      const auto dot = m.path.rfind('.');
      if (!graph_.modules.empty())
        module.parent =
            by_path.at(dot == std::string::npos ? std::string() : m.path.substr(0, dot));
      by_path.emplace(m.path, static_cast<ModuleId>(graph_.modules.size()));
      graph_.modules.push_back(std::move(module));
    }
    by_path_ = std::move(by_path);
  }

  // A parameter belongs to the nearest module that its name begins with.
  void make_parameters() {
    for (const auto& p : trace_.parameters) {
      if (p.same_as) {
        params_.push_back(params_[*p.same_as]);
        continue;
      }
      auto dot = p.name.rfind('.');
      while (dot != std::string::npos && by_path_.count(p.name.substr(0, dot)) == 0)
        dot = dot == 0 ? std::string::npos : p.name.rfind('.', dot - 1);
      Param param;
      param.module = dot == std::string::npos ? 0 : by_path_.at(p.name.substr(0, dot));
      param.name = dot == std::string::npos ? p.name : p.name.substr(dot + 1);
      param.shape = p.shape;
      param.trainable = p.trainable && !p.buffer;
      param.buffer = p.buffer;
      if (!is_floating(p.dtype)) param.dtype = p.dtype;
      const auto id = static_cast<ParamId>(graph_.params.size());
      graph_.modules[param.module].params.push_back(id);
      graph_.params.push_back(std::move(param));
      params_.push_back(id);
    }
  }

  void make_calls() {
    for (const auto& c : trace_.calls) {
      Call call;
      call.module = static_cast<ModuleId>(c.module);
      if (c.parent) call.parent = static_cast<CallId>(*c.parent);
      graph_.calls.push_back(std::move(call));
    }
  }

  ParamId param_of(std::size_t index) const { return params_[index]; }

  NodeId make_input(std::size_t value) {
    call_ = 0;
    const auto& v = trace_.values[value];
    return known_[value].node = add(op::Input{v.shape, v.dtype}, {});
  }

  // A parameter as a value, once for every use.
  NodeId parameter(ParamId id, bool transposed) {
    const auto node = add(op::Parameter{graph_.params[id].shape}, {}, id);
    if (graph_.params[id].dtype) graph_.nodes[node].dtype = *graph_.params[id].dtype;
    return transposed ? add(op::Permute{{1, 0}}, {node}) : node;
  }

  // Nodes of calls that begin or end here.
  void begin_calls() {
    const auto at = static_cast<NodeId>(graph_.nodes.size());
    for (; next_call_ < trace_.calls.size() && trace_.calls[next_call_].begin <= place_;
         ++next_call_)
      graph_.calls[next_call_].begin = at;
    starts_.push_back(at);
  }

  // aten.t of a parameter, and the masks of dropout, which a product puts in place.
  bool lifted() {
    const auto name = aten_name(node_->op);
    if (node_->in.empty() || node_->out.empty()) return false;
    auto& out = known_[node_->out[0]];
    const auto& first = node_->in[0];
    if (name == "t" || name == "transpose" || name == "numpy_T" || name == "permute") {
      const auto w = weight(first);
      if (w.param == kNone || graph_.params[w.param].shape.rank() != 2) return false;
      if (trace_.values[node_->out[0]].shape == shape(first) && shape(first)[0] != shape(first)[1])
        return false;
      out.weight = {w.param, !w.transposed};
      return true;
    }
    if (name == "detach" || name == "alias") {
      out.weight = weight(first);
      return out.weight.param != kNone;
    }
    if (name == "empty" || name == "empty_like" || name == "new_empty" || name == "empty_strided")
      return out.empty = true;
    if (name == "bernoulli" && node_->in.size() > 1 && node_->in[1].kind == Kind::number) {
      out.mask_rate = 1 - node_->in[1].number;
      return out.mask_rate > 0 && out.mask_rate <= 1;
    }
    if (name == "div" && mask_rate(first) > 0) {
      out.mask_rate = mask_rate(first);
      return true;
    }
    return false;
  }

  void translate() {
    for (const auto value : node_->out) known_[value] = {};
    if (lifted() || node_->out.empty()) return;
    const auto rule = find_aten_rule(aten_name(node_->op));
    const auto before = graph_.nodes.size();
    touched_.clear();
    if (rule != nullptr) {
      try {
        const auto made = rule(*this);
        if (agrees(made)) return keep(made);
      } catch (const Error&) {
        // Its sizes are not those of the op: below it is an operator that is not known.
      }
      undo(before);
    }
    opaque();
  }

  bool agrees(const std::vector<NodeId>& made) const {
    if (made.empty() || made.size() > node_->out.size()) return false;
    for (std::size_t i = 0; i < made.size(); ++i)
      if (!(graph_.nodes[made[i]].shape == trace_.values[node_->out[i]].shape)) return false;
    return true;
  }

  void keep(const std::vector<NodeId>& made) {
    for (std::size_t i = 0; i < node_->out.size(); ++i) {
      auto& known = known_[node_->out[i]];
      if (i < made.size())
        known.node = made[i];
      else
        known.side_of = made[0];
    }
  }

  void undo(std::size_t before) {
    graph_.nodes.resize(before);
    for (const auto value : touched_)
      if (known_[value].node != kNone && known_[value].node >= before) known_[value].node = kNone;
    touched_.clear();
  }

  void gather(const TraceArgument& a, std::vector<NodeId>& inputs) {
    if (is_tensor(a)) inputs.push_back(tensor(a));
    for (const auto& inner : a.list) gather(inner, inputs);
  }

  void opaque() {
    std::vector<NodeId> inputs;
    for (const auto& a : node_->in) gather(a, inputs);
    for (const auto& [key, a] : node_->named) gather(a, inputs);
    op::Opaque op;
    op.type = std::string(aten_name(node_->op));
    op.shape = result(0).shape;
    op.dtype = result(0).dtype;
    keep({add(std::move(op), inputs)});
  }

  std::vector<NodeId> nodes_of(const std::vector<TraceArgument>& arguments) {
    std::vector<NodeId> nodes;
    for (const auto& a : arguments) {
      if (a.kind == Kind::value && known_[a.index].node != kNone)
        nodes.push_back(known_[a.index].node);
    }
    return nodes;
  }

  void finish() {
    call_ = 0;
    for (const auto& a : trace_.outputs) graph_.outputs.push_back(tensor(a));
    starts_.push_back(static_cast<NodeId>(graph_.nodes.size()));
    for (CallId id = 0; id < graph_.calls.size(); ++id) {
      auto& call = graph_.calls[id];
      const auto& c = trace_.calls[id];
      call.begin = id == 0 ? 0 : starts_[c.begin];
      call.end = id == 0 ? static_cast<NodeId>(graph_.nodes.size()) : starts_[c.end];
      call.inputs = nodes_of(c.in);
      call.outputs = nodes_of(c.out);
    }
    graph_.calls[0].inputs = graph_.inputs;
    graph_.calls[0].outputs = graph_.outputs;
    complete();
    describe_inputs();
  }

  // A call returns behind all that it calls.
  void complete() {
    std::vector<std::vector<CallId>> children(graph_.calls.size());
    for (CallId id = 1; id < graph_.calls.size(); ++id)
      children[graph_.calls[id].parent].push_back(id);
    std::vector<std::pair<CallId, std::size_t>> stack = {{0, 0}};
    while (!stack.empty()) {
      auto& [id, next] = stack.back();
      if (next < children[id].size()) {
        stack.emplace_back(children[id][next++], 0);
      } else {
        graph_.completion.push_back(id);
        stack.pop_back();
      }
    }
  }

  void describe_inputs() {
    if (graph_.inputs.empty()) return;
    const auto& first = graph_.nodes[graph_.inputs[0]];
    if (first.shape.rank() > 0) graph_.batch = std::max<std::uint64_t>(1, first.shape[0]);
    if (first.shape.rank() == 2 && !is_floating(first.dtype)) graph_.num_tokens = first.shape[1];
  }

  const TraceFile& trace_;
  Graph graph_;
  std::vector<Known> known_;
  std::vector<ParamId> params_;  // by place in the file
  std::map<std::string, ModuleId> by_path_;
  std::vector<NodeId> starts_;        // by place of a recorded node: the first node that it became
  std::vector<std::size_t> touched_;  // values that became nodes while a rule ran
  const TraceNode* node_ = nullptr;
  CallId call_ = 0;
  std::size_t place_ = 0;
  std::size_t next_call_ = 0;
};

}  // namespace

Graph import_trace(const TraceFile& trace) { return Importer(trace).run(); }

}  // namespace vitals::torch
