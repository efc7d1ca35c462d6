#include "report/flops.h"

#include "command.h"
#include "core/amount.h"
#include "core/error.h"
#include "report/language_model.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <memory>

namespace vitals::cli {
namespace {

struct FlopsArguments {
  ModelOptions model;
  OutputOptions output;
  std::string convention;
  std::optional<std::string> explain;
  std::string checkpoint = "none";
  std::string attention = "eager";
  std::optional<std::size_t> depth;
  bool no_fold = false;
  std::optional<std::uint64_t> new_tokens;
  std::string tokens;
  std::vector<FailCondition> fail_if;
};

std::vector<Quantity> known_figures() {
  auto known = kModelFigures;
  known.push_back({"training_flops"});
  return known;
}

std::vector<Quantity> flops_figures(const FlopsModel& model) {
  auto figures = model_figures(model.graph);
  const auto training = training_flops(model.training, model.checkpoint).total();
  figures.push_back({"training_flops", Unit::count, training.as_double()});
  return figures;
}

std::string check_count(const std::string& text) {
  const auto tokens = parse_amount(text, Unit::count);
  const bool good = tokens && tokens->value > 0 && tokens->value == std::floor(tokens->value);
  return good ? "" : "'" + text + "' is no whole number of tokens; write 300B or 3e11";
}

FlopsModel build(const FlopsArguments& o) {
  const auto model = o.model.load();
  auto options = o.model.build_options();
  options.attention = o.attention == "fused" ? AttentionKernel::fused : AttentionKernel::eager;
  FlopsModel result{model.build(options), {}, *checkpoint_named(o.checkpoint)};
  if (o.new_tokens) {
    const auto trace = [&](const BuildOptions& step) { return model.build(step); };
    if (result.graph.kv_caches.empty())
      fail("--new-tokens: {} generates no text, it keeps no keys and values", result.graph.model);
    result.generation = generation_macs(trace, options, *o.new_tokens);
  }
  options.training = true;
  result.training = model.build(options);
  if (!o.tokens.empty())
    result.compute = training_compute(result.training, result.checkpoint,
                                      parse_amount(o.tokens, Unit::count)->value);
  return result;
}

std::string headline(const Graph& graph) {
  std::vector<std::string> shapes;
  for (auto id : graph.inputs) shapes.push_back(to_string(graph.nodes[id].shape));
  return fmt::format("{}, input {}", title_of(graph), fmt::join(shapes, ", "));
}

std::string explain_text(const FlopsArguments& o, const FlopsModel& model) {
  std::vector<const Convention*> shown;
  for (const auto& convention : conventions()) {
    const bool usual = convention.name == "macs" || convention.name == "flops";
    const bool wanted = o.convention == convention.name;
    if (o.convention == "all" || wanted || (o.convention.empty() && usual))
      shown.push_back(&convention);
  }
  return explained(explain({model.graph, model.training, model.checkpoint}, *o.explain, shown),
                   model.graph, o.output);
}

nlohmann::ordered_json json_of(const FlopsModel& model, const Convention* convention) {
  auto json = flops_json(model);
  if (convention != nullptr) json["convention"] = convention_json(model.graph, *convention);
  return json;
}

Table numbers_of(const FlopsArguments& o, const FlopsModel& model, const Convention* convention) {
  if (o.convention == "all") return convention_numbers(model.graph);
  return convention != nullptr ? flops_modules(model.graph, *convention) : flops_modules(model);
}

// Levels of modules that fit on the first screen.
constexpr std::optional<std::size_t> kFirstLevels = 1;

std::string page_of(const FlopsArguments& o, const FlopsModel& model,
                    const Convention* convention) {
  const auto& graph = model.graph;
  const bool all = o.output.details;
  const bool whole_tree = all || o.no_fold || convention != nullptr;
  const TreeOptions tree{
      o.depth || whole_tree ? o.depth : kFirstLevels, !o.no_fold, {}, !whole_tree};
  if (o.convention == "all") return titled(headline(graph), flops_by_convention(graph), o.output);
  if (convention != nullptr)
    return titled(headline(graph), flops_tree(graph, *convention, tree), o.output);
  auto text = titled(headline(graph), flops_totals(model, all), o.output) + "\n";
  if (model.generation)
    text += titled("Generation", generation_table(*model.generation), o.output) + "\n";
  if (model.compute)
    text += titled("Training", training_compute_table(*model.compute), o.output) + "\n";
  if (all) text += titled("By kind of op", flops_by_op(graph), o.output) + "\n";
  text += titled("By module", flops_tree(graph, tree), o.output);
  return all ? text : text + more(o.output, "training by pass, kinds of op and every module");
}

std::string flops(const FlopsArguments& o, const FlopsModel& model) {
  if (o.explain) return explain_text(o, model);
  const auto* convention = find_convention(o.convention);
  if (convention != nullptr && !convention->applies(model.graph))
    fail("--convention {}: does not apply to {}: {}", o.convention, model.graph.model,
         convention->sentence);
  return written({.json = [&] { return json_of(model, convention); },
                  .numbers = [&] { return numbers_of(o, model, convention); },
                  .page = [&] { return page_of(o, model, convention); }},
                 o.output);
}

std::vector<std::string> convention_names() {
  std::vector<std::string> names;
  for (const auto& convention : conventions()) names.emplace_back(convention.name);
  names.emplace_back("all");
  return names;
}

std::string check_usage(const FlopsArguments& o, const Given& given) {
  if (o.convention != "all") return "";
  for (const char* name : {"--depth", "--no-fold"})
    if (given.has(name)) return fmt::format("{} changes nothing beside --convention all", name);
  return "";
}

}  // namespace

Command flops_command() {
  auto o = std::make_shared<FlopsArguments>();
  Command c{"flops", "MACs and FLOPs by module, op and convention"};
  add_model_options(c, o->model);
  c.choice("--convention", o->convention, convention_names(),
           fmt::format("What a tool counts: {}", fmt::join(convention_names(), ", ")));
  c.text("--explain", o->explain, "PATH",
         "Formulas, with their numbers, of the module or parameter PATH (.: the model)");
  c.choice("--checkpoint", o->checkpoint, {"none", "selective", "block"},
           "What training computes again: none, selective (attention's core) or block");
  c.choice("--attention", o->attention, {"eager", "fused"},
           "eager (written out) or fused (one op, which fvcore does not see)");
  c.count("--new-tokens", o->new_tokens,
          "Tokens that a language model writes after its input: prefill and decode");
  c.text("--tokens", o->tokens, "D", "Tokens of a whole training, 300B or 1.4e12: its compute",
         check_count);
  c.count("--depth", o->depth, "Levels of the tree to show", {0});
  c.flag("--no-fold", o->no_fold, "Show every block of the tree, not `0-11 (12x)`");
  add_fail_if(c, o->fail_if, known_figures());
  add_output_options(c, o->output);
  add_details(c, o->output);
  c.examples = {
      "vitals flops vit_base_patch16_224",
      "vitals flops vit_base_patch16_224 --convention all",
      "vitals flops vit_base_patch16_224 --explain blocks.0.attn.qkv",
      "vitals flops deit_tiny_patch16_224 --num-classes 2 --convention thop --depth 2",
      "vitals flops llama-3-8b --seq-len 1024 --new-tokens 256 --tokens 15T",
      "vitals flops my_vit.json --batch 8 --checkpoint block --format json | jq .training"};
  c.only("--explain", {"--tokens", "--new-tokens", "--depth", "--no-fold"});
  c.only("--convention", {"--tokens", "--new-tokens", "--checkpoint"});
  c.check = [o](const Given& given) { return check_usage(*o, given); };
  c.run = [o] {
    const auto model = build(*o);
    deliver(flops(*o, model), o->output);
    check_conditions(o->fail_if, [&] { return flops_figures(model); });
  };
  return c;
}

}  // namespace vitals::cli
