#include "checkpoint.h"

#include "core/error.h"
#include "core/text.h"
#include "frontends/checkpoint/checkpoint_files.h"
#include "frontends/gguf/gguf.h"
#include "frontends/spec/load.h"
#include "report/checkpoint.h"
#include "report/text/wrap.h"
#include "terminal.h"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace vitals::cli {
CheckpointFit fit_of(const Model& model, const Graph& graph, const Checkpoint& checkpoint) {
  return fit(graph, checkpoint,
             model.checkpoint_keys != nullptr ? *model.checkpoint_keys : CheckpointKeys{});
}

void fail_misfit(const Checkpoint& checkpoint, const std::string& model, const CheckpointFit& fit) {
  // The text is a list of lines.
  throw Error(fmt::format("{}: does not fit {}: {}", printable_line(checkpoint.path), model,
                          misfit_text(fit)));
}

namespace {

// The comparison with the config beside the checkpoint. A config that vitals cannot make a model of
// is no fault of the checkpoint; it is said, and the checkpoint summed up without it.
std::optional<CheckpointFit> compared(const ModelOptions& options, const std::string& config,
                                      const Checkpoint& checkpoint) {
  try {
    (void)load_model(config);
  } catch (const Error& error) {
    tell(fmt::format("the tensors are not compared with a model: {}", error.what()));
    return std::nullopt;
  }
  const auto model = options.load(config);
  auto result = fit_of(model, model.build(options.build_options()), checkpoint);
  if (!result.fits()) fail_misfit(checkpoint, config, result);
  return result;
}

bool changes_model(const ModelOptions& o) {
  return o.num_classes || o.img_size || o.in_chans || !o.set.empty();
}

void refuse_model_options(const ModelOptions& o) {
  if (o.batch || o.seq_len || changes_model(o))
    fail("{}: {}, so there is no model that the options could change", o.model,
         is_gguf(o.model) ? "its tensors are listed" : "has no config.json beside it");
}

std::string page_of(const CheckpointReport& report, const OutputOptions& output,
                    const TreeOptions& tree) {
  auto page = render(checkpoint_tree_table(report, tree), output);
  if (output.format == Format::table)
    page += wrapped(checkpoint_totals(report), text_layout(output).width);
  return page;
}

}  // namespace

std::string checkpoint_summary(const ModelOptions& options, const OutputOptions& output,
                               const TreeOptions& tree) {
  const auto checkpoint = read_checkpoint(options.model);
  const auto modules = tree_of(checkpoint);
  // A GGUF file's names are not those of the config's model.
  const auto config = is_gguf(options.model) ? std::nullopt : config_beside(options.model);
  std::optional<CheckpointFit> fit;
  if (config)
    fit = compared(options, *config, checkpoint);
  else
    refuse_model_options(options);
  const CheckpointReport report{&checkpoint, &modules, fit ? &*fit : nullptr, config.value_or("")};
  return written({.json = [&] { return checkpoint_json(report); },
                  .numbers = [&] { return checkpoint_tensors(checkpoint); },
                  .page = [&] { return page_of(report, output, tree); }},
                 output);
}

void check_weights(const std::string& path, const Model& model, const Graph& graph) {
  const auto checkpoint = read_checkpoint(path);
  const auto result = fit_of(model, graph, checkpoint);
  if (!result.fits()) fail_misfit(checkpoint, model.name, result);
  tell(fmt::format("{} fits the model: {} tensors", checkpoint.path, result.matched));
}

void check_weights_beside(const ModelOptions& options, const Model& model, const Graph& graph) {
  std::error_code code;
  if (!std::filesystem::is_directory(options.model, code) || !is_checkpoint(options.model)) return;
  const auto description = description_in(options.model);
  if (description && !description->ends_with("/config.json")) {
    tell(fmt::format(
        "the weights of {} are not compared: their names are not those of a config.json",
        options.model));
    return;
  }
  if (changes_model(options)) {
    tell(fmt::format("the weights of {} are not compared with the changed model", options.model));
    return;
  }
  check_weights(options.model, model, graph);
}

}  // namespace vitals::cli
