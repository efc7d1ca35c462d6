#include "frontends/checkpoint/match.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace vitals {
namespace {

// What libraries store beside the parameters: tables that they can compute again.
constexpr std::string_view kKnownBuffers[] = {
    "*.inv_freq",  "*.attn.masked_bias",        "*.attention.masked_bias",
    "*.attn_mask", "*.relative_position_index", "final_logits_bias",
};
// Causal masks [1, 1, length, length] have the name of a bias.
constexpr std::string_view kKnownMasks[] = {"*.attn.bias", "*.attention.bias"};

// A star at the beginning stands for any number of parts.
bool matches_end(std::string_view pattern, std::string_view text) {
  if (!pattern.starts_with("*.")) return pattern == text;
  const auto end = pattern.substr(1);
  return text == pattern.substr(2) || text.ends_with(end);
}

// The stored tensors that one parameter should be made of.
struct Wanted {
  ParamId param = kNone;
  std::vector<std::string> names;
  Shape part_shape;     // of each of them
  bool summed = false;  // their sizes are not known one by one: their elements must sum up
};

Shape without_first(const Shape& shape) {
  Shape rest;
  for (std::size_t i = 1; i < shape.rank(); ++i) rest.push_back(shape[i]);
  return rest;
}

// One tensor for each index of the first dimension.
Wanted stack_of(const Graph& graph, Wanted w) {
  const auto& param = graph.params[w.param];
  const auto& module = graph.modules[param.module].path;
  w.names.clear();
  w.part_shape = without_first(param.shape);
  for (std::uint64_t i = 0; i < param.shape[0]; ++i)
    w.names.push_back(fmt::format("{}.{}.{}", module, i, param.name));
  return w;
}

// The names of the first rule whose tensors are all there, else of the first that matches; empty:
// none does.
std::vector<std::string> ruled_names(const CheckpointKeys& keys, const std::string& path,
                                     std::uint64_t count, const Checkpoint& checkpoint) {
  std::vector<std::string> first;
  for (const auto& rule : keys.rules) {
    auto names = stored_names(rule, path, count);
    if (names.empty()) continue;
    const bool all = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      return checkpoint.find(name) != nullptr;
    });
    if (all) return names;
    if (first.empty()) first = std::move(names);
  }
  return first;
}

Wanted wanted(const Graph& graph, ParamId id, const CheckpointKeys& keys,
              const Checkpoint& checkpoint) {
  const auto& param = graph.params[id];
  Wanted w{id, {path_of(graph, param)}, param.shape};
  if (param.stacked && !keys.any_layout) return stack_of(graph, w);
  const auto count = param.shape.rank() > 0 ? param.shape[0] : 1;
  auto names = ruled_names(keys, w.names.front(), count, checkpoint);
  if (names.empty()) return w;
  w.summed = keys.any_layout && names.size() > 1;
  if (names.size() > 1 && !w.summed) {
    assert(w.part_shape[0] % names.size() == 0);
    w.part_shape[0] /= names.size();
  }
  w.names = std::move(names);
  return w;
}

// Without dimensions of size 1, in the order of their sizes.
template <class Dims>
std::vector<std::uint64_t> sorted_sizes(const Dims& dims) {
  std::vector<std::uint64_t> sizes;
  for (const std::uint64_t d : dims)
    if (d != 1) sizes.push_back(d);
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

bool same_shape(const Shape& expected, const std::vector<std::uint64_t>& found, bool any_layout) {
  if (any_layout) return sorted_sizes(expected) == sorted_sizes(found);
  return std::equal(expected.begin(), expected.end(), found.begin(), found.end());
}

// LayerNorm's parameters as checkpoints that come from TensorFlow spell them.
std::string modern(std::string_view name) {
  if (name.ends_with(".LayerNorm.gamma"))
    return std::string(name.substr(0, name.size() - 5)) + "weight";
  if (name.ends_with(".LayerNorm.beta"))
    return std::string(name.substr(0, name.size() - 4)) + "bias";
  return std::string(name);
}

// Other names of parameters: a module that uses a weight that it does not own (a tied head) may
// have it stored under its own name.
std::multimap<ParamId, std::string> tied_names(const Graph& graph, const CheckpointKeys& keys) {
  std::multimap<ParamId, std::string> names;
  std::set<std::pair<ParamId, ModuleId>> seen;
  for (const auto& node : graph.nodes) {
    const auto module = graph.calls[node.call].module;
    for (std::size_t i = 0; i < node.params.size(); ++i) {
      const auto id = node.params[i];
      if (id == kNone || graph.params[id].module == module || !seen.insert({id, module}).second)
        continue;
      const auto& path = graph.modules[module].path;
      const std::string own = (path.empty() ? "" : path + ".") + (i == 0 ? "weight" : "bias");
      const auto stored = stored_names(keys, own);
      names.emplace(id, stored.size() == 1 ? stored.front() : own);
    }
  }
  return names;
}

class Fitter {
 public:
  Fitter(const Graph& graph, const Checkpoint& checkpoint, const CheckpointKeys& keys)
      : graph_(graph), checkpoint_(checkpoint), keys_(keys), tied_(tied_names(graph, keys)) {
    for (ParamId id = 0; id < graph.params.size(); ++id)
      wanted_.push_back(wanted(graph, id, keys, checkpoint));
    for (const auto& w : wanted_) names_.insert(w.names.begin(), w.names.end());
    for (const auto& [id, name] : tied_) names_.insert(name);
  }

  CheckpointFit fit() {
    choose_prefix();
    for (const auto& tensor : checkpoint_.tensors)
      by_name_.try_emplace(known_as(tensor.name), &tensor);
    for (const auto& [name, stored] : checkpoint_.shared)
      if (const auto* tensor = checkpoint_.find(name)) by_name_.try_emplace(known_as(name), tensor);
    result_.parts.resize(graph_.params.size());
    for (const auto& w : wanted_) place(w);
    for (const auto& [tensor, taken] : joint_)
      if (taken.first == tensor->elements())
        ++result_.matched;
      else
        result_.mismatched.push_back({{tensor->name, taken.second->part_shape}, tensor});
    place_the_rest();
    return std::move(result_);
  }

 private:
  // The name by which the model knows a stored tensor, under the chosen prefixes.
  std::string known_as(std::string_view stored) const {
    auto name = modern(stored);
    if (names_.contains(name)) return name;
    if (!result_.added_prefix.empty() && names_.contains(result_.added_prefix + name))
      return result_.added_prefix + name;
    const auto& prefix = result_.dropped_prefix;
    if (!prefix.empty() && name.starts_with(prefix)) return name.substr(prefix.size());
    return name;
  }

  // A checkpoint of the model without its head lacks the prefix that the model has inside one, and
  // the other way round. The prefix that makes most names known is the right one.
  void choose_prefix() {
    std::set<std::string> to_add;
    for (const auto& name : names_)
      if (const auto dot = name.find('.'); dot != std::string::npos)
        to_add.insert(name.substr(0, dot + 1));
    std::map<std::string, std::size_t> added;
    std::map<std::string, std::size_t> dropped;
    std::size_t direct = 0;
    for (const auto& tensor : checkpoint_.tensors) {
      const auto name = modern(tensor.name);
      if (names_.contains(name)) {
        ++direct;
        continue;
      }
      for (const auto& prefix : to_add)
        if (names_.contains(prefix + name)) ++added[prefix];
      const auto dot = name.find('.');
      if (dot != std::string::npos && names_.contains(name.substr(dot + 1)))
        ++dropped[name.substr(0, dot + 1)];
    }
    auto most = [](const auto& counts) {
      return std::max_element(counts.begin(), counts.end(),
                              [](const auto& a, const auto& b) { return a.second < b.second; });
    };
    const auto add = most(added);
    const auto drop = most(dropped);
    const auto adds = add == added.end() ? 0 : add->second;
    const auto drops = drop == dropped.end() ? 0 : drop->second;
    if (adds > direct && adds >= drops) result_.added_prefix = add->first;
    if (drops > direct && drops > adds) result_.dropped_prefix = drop->first;
  }

  const StoredTensor* take(const std::string& name) {
    const auto it = by_name_.find(name);
    if (it == by_name_.end()) return nullptr;
    used_.insert(it->second);
    return it->second;
  }

  // The name that a person will look for in the checkpoint.
  std::string as_stored(const std::string& name) const {
    if (!result_.added_prefix.empty() && name.starts_with(result_.added_prefix))
      return name.substr(result_.added_prefix.size());
    return result_.dropped_prefix + name;
  }

  void compare(const Wanted& w, const std::string& name, const StoredTensor* tensor) {
    // A joint projection that the model has as several: what they take of it must be all.
    if (keys_.any_layout && tensor->elements() > numel(w.part_shape)) {
      auto& taken = joint_[tensor];
      taken.first += numel(w.part_shape);
      taken.second = &w;
    } else if (same_shape(w.part_shape, tensor->shape, keys_.any_layout))
      ++result_.matched;
    else
      result_.mismatched.push_back({{name, w.part_shape}, tensor});
  }

  void place(const Wanted& w) {
    const auto& param = graph_.params[w.param];
    Count elements;
    for (const auto& name : w.names) {
      const auto* tensor = take(name);
      if (tensor == nullptr && w.names.size() == 1) tensor = take_tied(w.param);
      if (tensor != nullptr) {
        if (!w.summed) compare(w, as_stored(name), tensor);
        elements += tensor->elements();
        result_.parts[w.param].push_back(tensor);
      } else if (!param.buffer) {
        result_.missing.push_back({as_stored(name), w.part_shape});
      }
    }
    if (result_.parts[w.param].size() != w.names.size()) return result_.parts[w.param].clear();
    if (w.summed) compare_sum(w, elements);
  }

  void compare_sum(const Wanted& w, Count elements) {
    if (elements == numel(w.part_shape))
      result_.matched += w.names.size();
    else
      result_.mismatched.push_back(
          {{as_stored(w.names.front()), w.part_shape}, result_.parts[w.param].front()});
  }

  const StoredTensor* take_tied(ParamId id) {
    for (auto [it, end] = tied_.equal_range(id); it != end; ++it)
      if (const auto* tensor = take(it->second)) return tensor;
    return nullptr;
  }

  // What no parameter has taken: other copies of tied weights, buffers, or tensors too many.
  void place_the_rest() {
    std::unordered_map<std::string_view, const Wanted*> copies;
    for (const auto& [id, name] : tied_) copies[name] = &wanted_[id];
    for (const auto& tensor : checkpoint_.tensors) {
      if (used_.contains(&tensor)) continue;
      const auto name = known_as(tensor.name);
      if (const auto copy = copies.find(name); copy != copies.end())
        compare(*copy->second, tensor.name, &tensor);
      else if (left_out(tensor, name))
        result_.left_out.push_back(&tensor);
      else
        result_.unexpected.push_back(&tensor);
    }
  }

  // Integers and truth values are no weights of a model that computes with real numbers.
  bool left_out(const StoredTensor& tensor, std::string_view name) const {
    if (!tensor.type->floating) return true;
    for (auto pattern : kKnownBuffers)
      if (matches_end(pattern, name)) return true;
    for (auto pattern : kKnownMasks)
      if (tensor.shape.size() == 4 && matches_end(pattern, name)) return true;
    return std::any_of(keys_.left_out.begin(), keys_.left_out.end(), [&](std::string_view pattern) {
      return key_matches(pattern, name) || key_matches(pattern, tensor.name);
    });
  }

  const Graph& graph_;
  const Checkpoint& checkpoint_;
  const CheckpointKeys& keys_;
  std::multimap<ParamId, std::string> tied_;
  std::vector<Wanted> wanted_;
  std::unordered_set<std::string> names_;
  std::unordered_map<std::string, const StoredTensor*> by_name_;
  std::unordered_set<const StoredTensor*> used_;
  std::map<const StoredTensor*, std::pair<Count, const Wanted*>> joint_;
  CheckpointFit result_;
};

}  // namespace

CheckpointFit fit(const Graph& graph, const Checkpoint& checkpoint, const CheckpointKeys& keys) {
  return Fitter(graph, checkpoint, keys).fit();
}

}  // namespace vitals
