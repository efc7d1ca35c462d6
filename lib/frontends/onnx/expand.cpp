#include "frontends/onnx/expand.h"

#include "frontends/onnx/inputs.h"
#include "frontends/onnx/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <unordered_map>

namespace vitals::onnx {
namespace {

// Limits of what is unrolled and inlined: no model comes near, hostile files do.
constexpr std::size_t kMostNodes = 200'000;
constexpr std::size_t kMostNumbers = 20'000'000;  // that shape arithmetic computes
constexpr int kDeepest = 64;

// Names of a graph, then those around it.
struct Names {
  std::unordered_map<std::string_view, ValueId> own;
  const Names* outer = nullptr;

  [[nodiscard]] std::optional<ValueId> find(std::string_view name) const {
    for (const auto* n = this; n != nullptr; n = n->outer)
      if (const auto it = n->own.find(name); it != n->own.end()) return it->second;
    return std::nullopt;
  }
};

// Where nodes stand: their names, the opsets that they mean, the function around them.
struct Place {
  Names* names = nullptr;
  const std::vector<Opset>* opsets = nullptr;
  const Node* caller = nullptr;  // of the function, for its attributes
  const Function* function = nullptr;
  std::uint32_t scope = 0;
  int depth = 0;
};

// What no file holds but steps point at.
struct Made {
  std::deque<Node> nodes;
  std::deque<Tensor> tensors;
};

std::int64_t version_of(const std::vector<Opset>& opsets, std::string_view domain) {
  for (const auto& o : opsets)
    if (o.domain == domain || (o.domain.empty() && domain == "ai.onnx")) return o.version;
  // A domain that is not imported: of ONNX's own, the oldest files have none.
  return domain.empty() ? 1 : 0;
}

class Expander {
 public:
  Expander(const Model& model, const Sizes& sizes)
      : model_(model), made_(std::make_shared<Made>()) {
    for (const auto& f : model.functions) functions_[key(f.domain, f.name, f.overload)] = &f;
    add_inputs(model, sizes, program_, made_->tensors);
    for (const auto& info : model.graph.values) stated_[info.name] = &info;
    for (const auto& info : model.graph.outputs) stated_[info.name] = &info;
  }

  Program run() {
    Names names;
    for (ValueId id = 0; id < program_.values.size(); ++id)
      names.own.emplace(program_.values[id].name, id);
    add_initializers(model_.graph, names);
    Place place{&names, &model_.opsets, nullptr, nullptr, 0, 0};
    run_nodes(model_.graph.nodes, place);
    for (const auto& out : model_.graph.outputs)
      program_.outputs.push_back(value_of(out.name, place));
    finish_notes();
    program_.owns = made_;
    return std::move(program_);
  }

 private:
  static std::string key(std::string_view domain, std::string_view name,
                         std::string_view overload) {
    return fmt::format("{}::{}::{}", domain, name, overload);
  }

  ValueId add(Value value) {
    program_.values.push_back(std::move(value));
    return static_cast<ValueId>(program_.values.size() - 1);
  }

  ValueId value_of(std::string_view name, const Place& place) const {
    const auto found = place.names->find(name);
    if (!found) fail("'{}' is used, but nothing before defines it", name);
    return *found;
  }

  void add_initializers(const Graph& graph, Names& names) {
    for (const auto& t : graph.initializers) {
      auto value = tensor(t.type, t.dims);
      value.initializer = &t;
      value.name = t.name;
      names.own[t.name] = add(std::move(value));
    }
  }

  void run_nodes(const std::vector<Node>& nodes, Place& place) {
    if (place.depth > kDeepest)
      fail("functions or branches are nested more than {} deep", kDeepest);
    for (const auto& node : nodes) {
      try {
        count_node();
        run_node(node, place);
      } catch (const Error& error) {
        // The innermost node is named, not all around it.
        if (named_) throw;
        named_ = true;
        throw error.within(fmt::format("node '{}' ({})", node.name, qualified(node)));
      }
    }
  }

  void count_node() {
    if (++nodes_ > kMostNodes)
      fail("the model runs more than {} nodes; does a loop or a function not end?", kMostNodes);
  }

  void run_node(const Node& node, Place& place) {
    const auto function = functions_.find(key(node.domain, node.type, node.overload));
    if (function != functions_.end()) return call(node, *function->second, place);
    std::vector<ValueId> inputs;
    inputs.reserve(node.inputs.size());
    for (const auto name : node.inputs)
      inputs.push_back(name.empty() ? kAbsent : value_of(name, place));
    const bool own = node.domain.empty() || node.domain == "ai.onnx";
    if (own && node.type == "If") return branch(node, inputs, place);
    if (own && node.type == "Loop") return loop(node, inputs, place);
    if (own && node.type == "Scan") return scan(node, inputs, place);
    if (own && node.type == "SequenceMap") return map_sequence(node, inputs, place);
    infer(resolved(node, place), inputs, place);
  }

  // A node of a function may refer to attributes of the call.
  const Node& resolved(const Node& node, const Place& place) {
    const bool refers = std::any_of(node.attributes.begin(), node.attributes.end(),
                                    [](const Attribute& a) { return !a.reference.empty(); });
    if (!refers || place.function == nullptr) return node;
    auto copy = node;
    std::vector<Attribute> attributes;
    for (auto& a : copy.attributes) {
      const Attribute* found = &a;
      if (!a.reference.empty()) {
        found = place.caller->find(a.reference);
        for (const auto& d : place.function->defaults)
          if (found == nullptr && d.name == a.reference) found = &d;
        if (found == nullptr) continue;  // an optional attribute that the call leaves out
      }
      auto attribute = *found;
      attribute.name = a.name;
      attributes.push_back(std::move(attribute));
    }
    copy.attributes = std::move(attributes);
    made_->nodes.push_back(std::move(copy));
    return made_->nodes.back();
  }

  void infer(const Node& node, const std::vector<ValueId>& inputs, Place& place) {
    const auto opset = version_of(*place.opsets, node.domain);
    Step step;
    step.node = &node;
    step.type = node.type;
    step.opset = opset;
    step.inputs = inputs;
    step.scope = place.scope;
    const auto rule = rule_of(node.domain, node.type);
    step.known = rule != nullptr;
    Inferred inferred;
    try {
      if (rule != nullptr) inferred = rule(OpContext(model_, node, opset, program_.values, inputs));
    } catch (const UnknownShape&) {
      step.shaped = false;
    }
    step.macs = inferred.macs;
    bool constant = rule != nullptr && step.shaped;
    bool aliased = true;
    std::vector<std::pair<std::string_view, ValueId>> bound;
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const auto name = node.outputs[i];
      if (i < inferred.outputs.size() && inferred.outputs[i].alias != kAbsent) {
        if (!name.empty()) place.names->own[name] = inferred.outputs[i].alias;
        continue;
      }
      auto value = i < inferred.outputs.size() ? std::move(inferred.outputs[i]) : stated(name);
      value.name = name;
      value.bounded |= is_bounded(inputs);
      const bool weight = node.type == "Identity" && value.initializer != nullptr;
      constant &= value.constant != nullptr || name.empty() || value.is_sequence || weight;
      aliased = false;
      if (value.is_sequence && node.type == "SplitToSequence") {
        step.outputs = value.items;
        constant = false;
      }
      const bool sequence = value.is_sequence;
      numbers_ += value.items.size() + (value.constant == nullptr ? 0 : value.constant->size());
      if (numbers_ > kMostNumbers)
        fail("shape arithmetic computes more than {} numbers", kMostNumbers);
      const auto id = add(std::move(value));
      if (!sequence) step.outputs.push_back(name.empty() ? kAbsent : id);
      if (!name.empty()) place.names->own[name] = id;
    }
    if (aliased && rule != nullptr && step.shaped) return;
    if (constant) {
      ++program_.folded;
      return;
    }
    if (!step.shaped) ++unshaped_;
    program_.steps.push_back(std::move(step));
  }

  [[nodiscard]] bool is_bounded(const std::vector<ValueId>& inputs) const {
    return std::any_of(inputs.begin(), inputs.end(),
                       [&](ValueId id) { return id != kAbsent && program_.values[id].bounded; });
  }

  // What the file itself says of a value that no rule tells.
  [[nodiscard]] Value stated(std::string_view name) const {
    Value value;
    const auto found = stated_.find(name);
    if (found == stated_.end() || !found->second->tensor) return value;
    value.type = found->second->type;
    value.shaped = found->second->shaped;
    for (const auto& d : found->second->dims) {
      value.shaped &= d.value.has_value();
      value.dims.push_back(d.value.value_or(0));
    }
    return value;
  }

  void call(const Node& node, const Function& function, Place& place) {
    const auto& caller = resolved(node, place);
    Names names;
    for (std::size_t i = 0; i < function.inputs.size() && i < node.inputs.size(); ++i)
      if (!node.inputs[i].empty()) names.own[function.inputs[i]] = value_of(node.inputs[i], place);
    // What the call leaves out is an absent input inside.
    Place inner{&names, &function.opsets, &caller, &function, 0, place.depth + 1};
    inner.scope = static_cast<std::uint32_t>(program_.scopes.size());
    program_.scopes.push_back({place.scope, &caller, &function});
    for (std::size_t i = 0; i < function.inputs.size(); ++i)
      if (names.own.count(function.inputs[i]) == 0) names.own[function.inputs[i]] = kAbsent;
    run_nodes(function.nodes, inner);
    for (std::size_t i = 0; i < function.outputs.size() && i < node.outputs.size(); ++i)
      if (!node.outputs[i].empty())
        place.names->own[node.outputs[i]] = value_of(function.outputs[i], inner);
  }

  const Graph& graph_of(const Node& node, std::string_view attribute) {
    const auto* a = node.find(attribute);
    if (a == nullptr || a->graph == nullptr) fail("attribute '{}' is missing", attribute);
    return *a->graph;
  }

  // Runs a graph of an attribute; the values of its outputs.
  std::vector<ValueId> run_graph(const Graph& graph, const std::vector<ValueId>& inputs,
                                 const Place& place) {
    Names names;
    names.outer = place.names;
    add_initializers(graph, names);
    for (std::size_t i = 0; i < graph.inputs.size() && i < inputs.size(); ++i)
      names.own[graph.inputs[i].name] = inputs[i];
    Place inner = place;
    inner.names = &names;
    ++inner.depth;
    run_nodes(graph.nodes, inner);
    std::vector<ValueId> outputs;
    for (const auto& out : graph.outputs) outputs.push_back(value_of(out.name, inner));
    return outputs;
  }

  void bind(const Node& node, const std::vector<ValueId>& values, Place& place) {
    for (std::size_t i = 0; i < node.outputs.size() && i < values.size(); ++i)
      if (!node.outputs[i].empty()) place.names->own[node.outputs[i]] = values[i];
  }

  // A single integer or bool; nothing where it is not known.
  std::optional<std::int64_t> number(const std::vector<ValueId>& inputs, std::size_t i) {
    if (i >= inputs.size() || inputs[i] == kAbsent) return std::nullopt;
    const Node none;
    const OpContext c(model_, none, 0, program_.values, inputs);
    const auto* n = c.numbers(i);
    if (n == nullptr || n->integers.size() != 1) return std::nullopt;
    return n->integers[0];
  }

  [[nodiscard]] Count macs_since(std::size_t first) const {
    Count sum;
    for (std::size_t i = first; i < program_.steps.size(); ++i) sum += program_.steps[i].macs;
    return sum;
  }

  void branch(const Node& node, const std::vector<ValueId>& inputs, Place& place) {
    const auto& yes = graph_of(node, "then_branch");
    const auto& no = graph_of(node, "else_branch");
    if (const auto condition = number(inputs, 0))
      return bind(node, run_graph(*condition != 0 ? yes : no, {}, place), place);
    // Of two, the dearer one.
    const auto begin = program_.steps.size();
    auto taken = run_graph(yes, {}, place);
    const auto middle = program_.steps.size();
    const auto first = macs_since(begin);
    auto other = run_graph(no, {}, place);
    const auto at = [&](std::size_t i) {
      return program_.steps.begin() + static_cast<std::ptrdiff_t>(i);
    };
    if (macs_since(middle) > first) {
      taken = std::move(other);
      program_.steps.erase(at(begin), at(middle));
    } else {
      program_.steps.erase(at(middle), program_.steps.end());
    }
    ++open_branches_;
    bind(node, taken, place);
  }

  // A value that stacks one of each turn.
  ValueId stacked(const std::vector<ValueId>& items, const Node& node, const Place& place,
                  std::size_t axis = 0) {
    Value value;
    if (!items.empty() && program_.values[items.back()].shaped) {
      value = program_.values[items.back()];
      value.constant = nullptr;
      value.initializer = nullptr;
      value.is_input = false;
      axis = std::min(axis, value.dims.size());
      value.dims.insert(value.dims.begin() + static_cast<std::ptrdiff_t>(axis),
                        static_cast<std::int64_t>(items.size()));
    }
    const bool shaped = value.shaped;
    const auto id = add(std::move(value));
    if (items.empty()) return id;
    Step step;
    step.node = &made("Stack", node, static_cast<std::int64_t>(axis), 0);
    step.type = step.node->type;
    step.inputs = items;
    step.outputs = {id};
    step.scope = place.scope;
    step.shaped = shaped;
    program_.steps.push_back(std::move(step));
    return id;
  }

  // A node that stands in no file, under the name of one that does.
  const Node& made(std::string_view type, const Node& like, std::int64_t axis, std::int64_t index) {
    Node node;
    node.name = like.name;
    node.type = type;
    Attribute a;
    a.name = "axis";
    a.i = axis;
    node.attributes.push_back(a);
    a.name = "index";
    a.i = index;
    node.attributes.push_back(a);
    made_->nodes.push_back(std::move(node));
    return made_->nodes.back();
  }

  void loop(const Node& node, const std::vector<ValueId>& inputs, Place& place) {
    const auto& body = graph_of(node, "body");
    if (inputs.size() < 2) fail("a loop needs a trip count and a condition");
    const auto limit = number(inputs, 0);
    auto going = inputs[1] == kAbsent ? std::optional<std::int64_t>(1) : number(inputs, 1);
    std::vector<ValueId> states(inputs.begin() + 2, inputs.end());
    const auto carried = states.size();
    std::vector<std::vector<ValueId>> scans(
        body.outputs.size() > carried + 1 ? body.outputs.size() - carried - 1 : 0);
    bool certain = limit.has_value() || inputs[0] == kAbsent;
    std::int64_t trip = 0;
    const auto most = limit.value_or(inputs[0] == kAbsent ? kOpenTrips : 1);
    for (; trip < most && going.value_or(1) != 0; ++trip) {
      count_node();
      std::vector<ValueId> arguments = {add(of_integers(DataType::int64, {}, {trip}))};
      auto condition = of_integers(DataType::boolean, {}, {1});
      arguments.push_back(add(std::move(condition)));
      arguments.insert(arguments.end(), states.begin(), states.end());
      const auto outputs = run_graph(body, arguments, place);
      if (outputs.size() < carried + 1) fail("the body of the loop has too few outputs");
      going = number(outputs, 0);
      certain &= going.has_value();
      states.assign(outputs.begin() + 1,
                    outputs.begin() + 1 + static_cast<std::ptrdiff_t>(carried));
      for (std::size_t i = 0; i < scans.size(); ++i) scans[i].push_back(outputs[1 + carried + i]);
      // Without a limit and with a condition that depends on data, once is all that is sure.
      if (!going && !limit) {
        ++trip;
        break;
      }
    }
    if (!certain) {
      ++open_loops_;
      open_trips_ += static_cast<std::size_t>(trip);
    }
    for (const auto& items : scans) states.push_back(stacked(items, node, place));
    bind(node, states, place);
  }

  // One slice of each scanned input a turn, one slice of each scanned output.
  void scan(const Node& node, const std::vector<ValueId>& inputs, Place& place) {
    const auto& body = graph_of(node, "body");
    const auto* count = node.find("num_scan_inputs");
    const auto scanned = count == nullptr ? 0 : static_cast<std::size_t>(count->i);
    if (scanned == 0 || scanned > inputs.size()) fail("num_scan_inputs does not fit the inputs");
    if (version_of(*place.opsets, node.domain) < 9) return unknown(node, inputs, place);
    const auto first = inputs.size() - scanned;
    std::vector<ValueId> states(inputs.begin(),
                                inputs.begin() + static_cast<std::ptrdiff_t>(first));
    const auto axes = axes_of(node, "scan_input_axes", scanned);
    std::int64_t trips = 0;
    for (std::size_t i = 0; i < scanned; ++i) {
      const auto& value = program_.values[inputs[first + i]];
      if (!value.shaped || axes[i] >= value.dims.size()) return unknown(node, inputs, place);
      trips = value.dims[axes[i]];
    }
    if (body.outputs.size() < first) fail("the body of the scan has too few outputs");
    std::vector<std::vector<ValueId>> scans(body.outputs.size() - first);
    for (std::int64_t t = 0; t < trips; ++t) {
      count_node();
      auto arguments = states;
      for (std::size_t i = 0; i < scanned; ++i)
        arguments.push_back(selected(inputs[first + i], node, axes[i], t, place));
      const auto outputs = run_graph(body, arguments, place);
      states.assign(outputs.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(first));
      for (std::size_t i = 0; i < scans.size(); ++i) scans[i].push_back(outputs[first + i]);
    }
    const auto out_axes = axes_of(node, "scan_output_axes", scans.size());
    for (std::size_t i = 0; i < scans.size(); ++i)
      states.push_back(stacked(scans[i], node, place, out_axes[i]));
    bind(node, states, place);
  }

  static std::vector<std::size_t> axes_of(const Node& node, std::string_view name, std::size_t n) {
    std::vector<std::size_t> axes(n, 0);
    const auto* a = node.find(name);
    for (std::size_t i = 0; a != nullptr && i < n && i < a->ints.size(); ++i) {
      if (a->ints[i] < 0) fail("a negative scan axis is not supported");
      axes[i] = static_cast<std::size_t>(a->ints[i]);
    }
    return axes;
  }

  ValueId selected(ValueId from, const Node& node, std::size_t axis, std::int64_t index,
                   const Place& place) {
    Value value = tensor(program_.values[from].type, program_.values[from].dims);
    value.dims.erase(value.dims.begin() + static_cast<std::ptrdiff_t>(axis));
    const auto id = add(std::move(value));
    Step step;
    step.node = &made("Select", node, static_cast<std::int64_t>(axis), index);
    step.type = step.node->type;
    step.inputs = {from};
    step.outputs = {id};
    step.scope = place.scope;
    program_.steps.push_back(std::move(step));
    return id;
  }

  void map_sequence(const Node& node, const std::vector<ValueId>& inputs, Place& place) {
    const auto& body = graph_of(node, "body");
    if (inputs.empty() || inputs[0] == kAbsent || !program_.values[inputs[0]].is_sequence)
      return unknown(node, inputs, place);
    const auto length = program_.values[inputs[0]].items.size();
    std::vector<std::vector<ValueId>> results(node.outputs.size());
    for (std::size_t i = 0; i < length; ++i) {
      std::vector<ValueId> arguments;
      for (const auto id : inputs) {
        const auto& value = program_.values.at(id);
        if (value.is_sequence && value.items.size() <= i) fail("sequences differ in length");
        arguments.push_back(value.is_sequence ? value.items[i] : id);
      }
      const auto outputs = run_graph(body, arguments, place);
      for (std::size_t k = 0; k < results.size() && k < outputs.size(); ++k)
        results[k].push_back(outputs[k]);
    }
    for (std::size_t k = 0; k < results.size(); ++k) {
      Value value;
      value.is_sequence = true;
      value.items = results[k];
      if (!node.outputs[k].empty()) place.names->own[node.outputs[k]] = add(std::move(value));
    }
  }

  // A node that cannot be followed: its outputs are what the file says of them.
  void unknown(const Node& node, const std::vector<ValueId>& inputs, Place& place) {
    Step step;
    step.node = &node;
    step.type = node.type;
    step.inputs = inputs;
    step.known = false;
    step.scope = place.scope;
    for (const auto name : node.outputs) {
      auto value = stated(name);
      value.name = name;
      const auto id = add(std::move(value));
      step.outputs.push_back(id);
      if (!name.empty()) place.names->own[name] = id;
    }
    program_.steps.push_back(std::move(step));
  }

  void finish_notes() {
    auto& notes = program_.notes;
    if (open_branches_ > 0)
      notes.push_back(fmt::format(
          "{} branches depend on data; of each the one with more multiply-accumulates is taken",
          open_branches_));
    if (open_loops_ > 0)
      notes.push_back(
          fmt::format("{} loops depend on data; {} turns are counted (a scalar input "
                      "that gives the number of turns is set with --dim NAME=N)",
                      open_loops_, open_trips_));
    const bool bounded = std::any_of(program_.values.begin(), program_.values.end(),
                                     [](const Value& v) { return v.bounded; });
    if (bounded)
      notes.emplace_back(
          "sizes that depend on data (boxes kept, elements that are not zero) are "
          "taken at their largest");
    if (unshaped_ > 0)
      notes.push_back(
          fmt::format("{} nodes have shapes that cannot be known before the model runs; they are "
                      "not counted",
                      unshaped_));
  }

  static constexpr std::int64_t kOpenTrips = std::numeric_limits<std::int64_t>::max();

  const Model& model_;
  std::shared_ptr<Made> made_;
  Program program_;
  std::unordered_map<std::string, const Function*> functions_;
  std::unordered_map<std::string_view, const ValueInfo*> stated_;
  std::size_t nodes_ = 0;
  std::size_t numbers_ = 0;
  std::size_t open_branches_ = 0;
  std::size_t open_loops_ = 0;
  std::size_t open_trips_ = 0;
  std::size_t unshaped_ = 0;
  bool named_ = false;
};

}  // namespace

Program expand(const Model& model, const Sizes& sizes) { return Expander(model, sizes).run(); }

}  // namespace vitals::onnx
