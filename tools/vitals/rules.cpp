#include "report/rules.h"

#include "command.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct RulesArguments {
  ModelOptions model;
  OutputOptions output;
  RuleOptions rules;
};

std::string headline(const Graph& graph, const ModelSizes& z) {
  auto text = fmt::format("{}: l = {} layers, h = {}, a = {} heads, s = {} tokens, b = {}",
                          graph.model, z.layers, z.hidden, z.heads, z.tokens, z.batch);
  if (z.vocab > 0) text += fmt::format(", V = {}", z.vocab);
  return text;
}

std::string rules_text(const RulesArguments& o) {
  const auto model = o.model.load();
  auto options = o.model.build_options();
  options.attention = AttentionKernel::eager;
  const auto graph = model.build(options);
  options.training = true;
  const auto training = model.build(options);
  const auto rules = field_rules({graph, training}, o.rules);
  return written({.json = [&] { return field_rules_json(rules, graph.model); },
                  .numbers = [&] { return field_rules_numbers(rules); },
                  .page =
                      [&] {
                        return titled(headline(graph, rules.sizes), field_rules_table(rules),
                                      o.output) +
                               "\n" +
                               titled("Layer types, after \"Attention Is All You Need\", table 1",
                                      layer_types_table(rules), o.output);
                      }},
                 o.output);
}

}  // namespace

Command rules_command() {
  auto o = std::make_shared<RulesArguments>();
  Command c{"rules", "The field's rules of thumb beside the exact figures"};
  add_model_options(c, o->model);
  c.count("--kernel", o->rules.kernel, "Width k of the convolutional layer that is compared");
  c.count("--window", o->rules.window, "Positions r that restricted self-attention looks at");
  add_output_options(c, o->output);
  c.examples = {"vitals rules vit_base_patch16_224", "vitals rules gpt2 --batch 8 --seq-len 1024",
                "vitals rules llama-3-8b --seq-len 4096 --format markdown"};
  c.run = [o] { deliver(rules_text(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
