#include "memory/explain_memory.h"

namespace vitals {
namespace {

// "2304 x 768"
std::string product(const Shape& shape) {
  std::string text;
  for (std::size_t i = 0; i < shape.rank(); ++i)
    text += fmt::format("{}{}", i > 0 ? " x " : "", shape[i]);
  return text.empty() ? "1" : text;
}

class Explainer {
 public:
  Explainer(const Graph& graph, const MemoryOptions& options, const MemoryEstimate& estimate)
      : graph_(graph), options_(options), estimate_(estimate) {
    recipe_.precision = options.precision;
    recipe_.optimizer = options.optimizer;
    recipe_.packed = options.packed;
    recipe_.offload = options.offload;
  }

  Explanation module(ModuleId id) const {
    Explanation e{graph_.modules[id].path, graph_.modules[id].type, {}};
    e.quantities.push_back(of_params("weights", id, &Explainer::weight));
    if (!options_.training) return e;
    e.quantities.push_back(of_params("gradients", id, &Explainer::gradient));
    e.quantities.push_back(of_params("optimizer", id, &Explainer::states));
    e.quantities.push_back(kept(id));
    return e;
  }

  Explanation param(ParamId id) const {
    Explanation e{path_of(graph_, graph_.params[id]), "Parameter", {}};
    const auto add = [&](const char* name, ExplainedTerm term) {
      if (term.value > Count(0)) e.quantities.push_back({name, "bytes", term.value, {term}});
    };
    add("weights", weight(id));
    if (!options_.training) return e;
    add("gradients", gradient(id));
    add("optimizer", states(id));
    return e;
  }

 private:
  using Term = ExplainedTerm (Explainer::*)(ParamId) const;

  [[nodiscard]] ExplainedTerm each(ParamId id, Count bytes, std::string_view source) const {
    const auto& param = graph_.params[id];
    const auto n = numel(param);
    if (n == Count(0)) return {param.name, "", "", 0, ""};
    if (bytes / n * n != bytes)  // blocks with scales of their own
      return {param.name, "shape x bits each / 8",
              fmt::format("{} x {:.6g} / 8", product(param.shape),
                          8 * bytes.as_double() / n.as_double()),
              bytes, std::string(source)};
    return {param.name, "shape x bytes each",
            fmt::format("{} x {}", product(param.shape), bytes / n), bytes, std::string(source)};
  }

  [[nodiscard]] ExplainedTerm weight(ParamId id) const {
    return each(id, eager::weight_bytes(graph_, id, recipe_), options_.precision.source);
  }

  [[nodiscard]] ExplainedTerm gradient(ParamId id) const {
    const auto bytes =
        learns(graph_.params[id]) ? eager::gradient_bytes(graph_, id, recipe_) : Count(0);
    return each(id, bytes, options_.precision.source);
  }

  [[nodiscard]] ExplainedTerm states(ParamId id) const {
    const auto& param = graph_.params[id];
    ExplainedTerm term{param.name, "", "", 0, std::string(options_.optimizer.source)};
    if (!learns(param)) return term;
    const auto formula = eager::optimizer_formula(graph_, id, recipe_);
    term.formula = formula.symbols();
    term.numbers = formula.numbers();
    term.value = formula.value();
    return term;
  }

  ExplainedQuantity of_params(const char* name, ModuleId module, Term term) const {
    std::vector<Count> own(graph_.modules.size());
    std::vector<ExplainedTerm> terms;
    for (ModuleId m = 0; m < graph_.modules.size(); ++m)
      for (const auto id : graph_.modules[m].params) {
        if (graph_.params[id].buffer) continue;
        auto t = (this->*term)(id);
        own[m] += t.value;
        if (m == module && t.value > Count(0)) terms.push_back(std::move(t));
      }
    return explained_quantity(graph_, module, name, "bytes", std::move(terms),
                              roll_up_modules(graph_, std::move(own)));
  }

  [[nodiscard]] std::string maker(const eager::Saved& s) const {
    if (s.kind == eager::Kind::weight_cast) return "autocast's copy of a weight";
    if (s.kind == eager::Kind::input) return "the model's input";
    const auto& by = s.made_by;
    if (by.module == s.label.module)
      return by.op == s.label.op ? "made for it" : fmt::format("made by {}", by.op);
    return fmt::format("made by {} of {}", by.op, eager::path_of(graph_, by));
  }

  ExplainedQuantity kept(ModuleId module) const {
    std::vector<ExplainedTerm> terms;
    for (const auto& s : estimate_.kept) {
      if (s.label.module != module) continue;
      const auto size = size_of(s.meta.dtype);
      // A view keeps all of its base.
      const bool whole = numel(s.meta.shape) * size == s.bytes;
      terms.push_back(
          {fmt::format("{}: {}", s.label.op, maker(s)),
           whole ? "shape x bytes each" : "all of its storage x bytes each",
           fmt::format("{} x {}", whole ? product(s.meta.shape) : fmt::format("{}", s.bytes / size),
                       size),
           s.bytes, fmt::format("saved for the backward pass, {}", to_string(s.meta.dtype))});
    }
    return explained_quantity(graph_, module, "activations", "bytes", std::move(terms),
                              estimate_.activations.by_module);
  }

  const Graph& graph_;
  const MemoryOptions& options_;
  const MemoryEstimate& estimate_;
  eager::StepOptions recipe_;  // on one device
};

}  // namespace

Explanation explain_memory(const Graph& graph, const MemoryOptions& options,
                           const MemoryEstimate& estimate, const std::string& path) {
  const Explainer explainer(graph, options, estimate);
  const auto place = place_of(graph, path);
  return place.module != kNone ? explainer.module(place.module) : explainer.param(place.param);
}

}  // namespace vitals
