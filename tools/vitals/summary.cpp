#include "report/summary.h"

#include "checkpoint.h"
#include "command.h"
#include "core/error.h"
#include "cost/op_totals.h"
#include "frontends/checkpoint/checkpoint_files.h"
#include "frontends/gguf/model.h"
#include "frontends/spec/load.h"
#include "report/op_list.h"
#include "report/stored_weights.h"
#include "report/text/wrap.h"
#include "report/torchsummary.h"
#include "terminal.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>

namespace vitals::cli {
namespace {

struct SummaryArguments {
  ModelOptions model;
  OutputOptions output;
  std::string style;
  std::string weights;
  std::optional<std::size_t> depth;
  bool no_fold = false;
  std::vector<FailCondition> fail_if;
};

// A checkpoint that no config describes, or one that is named itself. A GGUF file describes its
// model, unless its architecture is not known.
bool sums_up_checkpoint(const SummaryArguments& o) {
  const auto& model = o.model.model;
  if (o.style == "tensors") return true;
  if (is_gguf(model)) return !knows_gguf_architecture(read_gguf(model));
  std::error_code code;
  const bool folder = std::filesystem::is_directory(model, code);
  return is_checkpoint(model) && !(folder && description_in(model));
}

constexpr std::optional<std::size_t> kFirstLevels = 3;  // of the tree: torchinfo's default, too

std::string page_of(const SummaryArguments& o, const Graph& graph, const StoredWeights* stored) {
  auto note = lower_bound_note(graph);
  if (o.style == "tree") {
    const bool all = o.output.details || o.depth || o.no_fold;
    auto table = summary_tree(graph, {all ? o.depth : kFirstLevels, !o.no_fold}, stored);
    add_lower_bound_note(table, graph);
    return render(table, o.output) + (all ? "" : more(o.output, "the modules below these"));
  }
  if (o.output.format == Format::markdown) return to_markdown(summary_layers(graph));
  if (stored != nullptr) note += (note.empty() ? "" : "\n") + stored_line(graph, *stored);
  // Folded, torchsummary's table would no longer be its own.
  return to_text(torch_summary(graph, o.model.batch)) +
         wrapped(left_out_by_torchsummary(graph), text_layout(o.output).width) +
         (note.empty() ? "" : wrapped(note + "\n", text_layout(o.output).width));
}

std::string summary(const SummaryArguments& o, const Graph& graph, const StoredWeights* stored) {
  return written({.json = [&] { return summary_json(graph, stored); },
                  .numbers = [&] { return summary_layers(graph); },
                  .page = [&] { return page_of(o, graph, stored); }},
                 o.output);
}

std::string check_usage(const SummaryArguments& o, const Given& given) {
  if (o.style == "tree" || is_gguf(o.model.model) || sums_up_checkpoint(o)) return "";
  for (const char* name : {"--depth", "--no-fold", "--exact", "--details"})
    if (given.has(name)) return fmt::format("{} is for --style tree", name);
  return "";
}

void run_checkpoint(const SummaryArguments& o) {
  const auto& path = o.model.model;
  if (!o.weights.empty()) fail("--weights: {} is a checkpoint itself", path);
  if (!o.fail_if.empty()) fail("--fail-if: {} is a checkpoint; name its config.json", path);
  if (o.style == "tensors" && !is_checkpoint(path))
    fail("--style tensors: {} is no checkpoint, there are no tensors to list", path);
  if (o.style == "torchsummary")
    fail("--style torchsummary: {} has no output shapes; name its config.json", path);
  if (is_gguf(path) && o.style != "tensors")
    tell(fmt::format("{}: its architecture '{}' is not known to vitals; its tensors are listed",
                     printable_line(path), printable_line(gguf_architecture(read_gguf(path)))));
  deliver(checkpoint_summary(o.model, o.output, {o.depth, !o.no_fold}), o.output);
}

void run_model(const SummaryArguments& o) {
  const auto model = o.model.load();
  const auto graph = model.build(o.model.build_options());
  if (o.weights.empty())
    check_weights_beside(o.model, model, graph);
  else
    check_weights(o.weights, model, graph);
  deliver(summary(o, graph, model.stored.get()), o.output);
  check_conditions(o.fail_if, [&] { return model_figures(graph); });
}

}  // namespace

Command summary_command() {
  auto o = std::make_shared<SummaryArguments>();
  Command c{"summary", "Layers, output shapes and parameters"};
  add_model_options(c, o->model);
  c.choice("--style", o->style, {"torchsummary", "tree", "tensors"},
           "torchsummary (its table, byte for byte), tree (nested), or tensors (what a checkpoint "
           "stores)")
      .environment = "VITALS_STYLE";
  c.text("--weights", o->weights, "FILE", "Check that this checkpoint fits the model").reads =
      files_of_checkpoint;
  c.count("--depth", o->depth, "Levels of the tree to show", {0});
  c.flag("--no-fold", o->no_fold, "Show every block of the tree, not `0-11 (12x)`");
  add_fail_if(c, o->fail_if, kModelFigures);
  add_output_options(c, o->output);
  add_details(c, o->output);
  c.examples = {"vitals summary vit_base_patch32",
                "vitals summary vit_base_patch16_224 --num-classes 5 --batch 8",
                "vitals summary vit_large_patch16_224 --style tree --depth 2",
                "vitals summary my_vit.json --fail-if 'params > 90M' --fail-if 'macs > 18G'",
                "vitals summary my_vit.json --format json | jq .totals",
                "vitals summary model.safetensors",
                "vitals summary model-Q4_K_M.gguf"};
  c.check = [o](const Given& given) { return check_usage(*o, given); };
  c.run = [o] { sums_up_checkpoint(*o) ? run_checkpoint(*o) : run_model(*o); };
  return c;
}

}  // namespace vitals::cli
