#include "checkpoint.h"
#include "command.h"
#include "compute_options.h"
#include "core/error.h"
#include "core/suggest.h"
#include "frontends/checkpoint/checkpoint_files.h"
#include "frontends/checkpoint/safetensors_write.h"
#include "frontends/spec/load.h"
#include "progress.h"
#include "runtime/forward.h"
#include "runtime/program/weights.h"
#include "terminal.h"

#include <fmt/format.h>

#include <memory>

namespace vitals::cli {
namespace {

struct RunArguments {
  ModelOptions model;
  ComputeOptions compute;
  int threads = 0;
  std::string weights;
  std::string input;
  std::string tensor = "input";
  OutputOptions output;
  bool all = false;
  bool allow_nonfinite = false;
};

std::string names_in(const Checkpoint& checkpoint) {
  std::vector<std::string_view> names;
  for (const auto& t : checkpoint.tensors) names.push_back(t.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

const StoredTensor& image_in(const Checkpoint& file, const std::string& name) {
  const auto* tensor = file.find(name);
  if (tensor == nullptr)
    fail("{}: holds no tensor '{}' (--tensor NAME takes another one); it holds {}", file.path, name,
         names_in(file));
  if (tensor->shape.size() != 4 || tensor->elements() == Count(0))
    fail("{}: the tensor '{}' has the shape [{}]; an image is [batch, channels, height, width]",
         file.path, name, fmt::join(tensor->shape, ", "));
  return *tensor;
}

// The options that would make a model for this image.
void require_shape(const Checkpoint& file, const StoredTensor& image, const Graph& graph) {
  const auto& wanted = graph.nodes[graph.inputs.at(0)].shape;
  if (std::equal(wanted.begin(), wanted.end(), image.shape.begin(), image.shape.end())) return;
  std::string mend;
  if (wanted.rank() == 4) {
    if (image.shape[1] != wanted[1]) mend += fmt::format(" --in-chans {}", image.shape[1]);
    if (image.shape[2] != wanted[2] || image.shape[3] != wanted[3])
      mend += fmt::format(" --img-size {}x{}", image.shape[2], image.shape[3]);
  }
  fail("{}: the tensor '{}' has the shape [{}], but {} takes {}{}{}", file.path, image.name,
       fmt::join(image.shape, ", "), graph.model, to_string(wanted),
       mend.empty() ? "" : "; a model for it, with weights made for it, is had with", mend);
}

std::vector<NamedTensor> computed(const Graph& graph, Engine& engine, const ParamSource& params,
                                  std::span<const float> input, const RunArguments& o) {
  Progress progress;
  progress.begin("forward pass");
  return forward(graph, engine, params, input,
                 {o.compute.precision, o.all, [&](double part) { progress.show(part); }});
}

// Whoever reads the file must not take a failed computation for a result.
void require_finite_outputs(const std::vector<NamedTensor>& tensors, Element precision) {
  for (const auto& t : tensors) {
    try {
      require_finite(t.values, t.shape);
    } catch (const Error& error) {
      fail(
          "the output '{}' is no result: {}. The weights or the input are too large for {}, or not "
          "those of this model; --allow-nonfinite writes the outputs all the same",
          t.name, error.what(), precision_name(precision));
    }
  }
}

std::string output_of(const RunArguments& o) {
  const auto images = read_checkpoint(o.input);
  const auto& image = image_in(images, o.tensor);
  const auto model = o.model.load(o.model.model);
  auto build = o.model.build_options();
  build.batch = image.shape[0];
  build.attention = AttentionKernel::fused;
  const auto graph = model.build(build);
  const auto checkpoint = read_checkpoint(o.weights);
  const auto fit = fit_of(model, graph, checkpoint);
  if (const auto advice = position_advice(graph, fit); !advice.empty())
    fail("{}: does not fit {}: {}", o.weights, model.name, advice);
  if (!fit.fits()) fail_misfit(checkpoint, model.name, fit);
  require_shape(images, image, graph);
  TensorReader reader(images);
  const auto values = read_values(reader, images, image);
  const auto engine = o.compute.open_engine(o.threads, false);
  for (const auto& sentence : cautions(*engine, o.compute.precision)) tell(sentence);
  const auto tensors = computed(graph, *engine, stored_params(checkpoint, fit), values, o);
  if (!o.allow_nonfinite) require_finite_outputs(tensors, o.compute.precision);
  std::vector<TensorToWrite> out;
  for (const auto& t : tensors) out.push_back({t.name, t.shape, t.values});
  tell(engine->description());
  return safetensors_of(out);
}

}  // namespace

Command run_command() {
  auto o = std::make_shared<RunArguments>();
  Command c{"run", "A forward pass on given weights and images, outputs as safetensors"};
  add_model_options(c, o->model, {.batch = false});
  c.group = "Running";
  c.text("--weights", o->weights, "FILE", "A safetensors file, an index of shards, or their folder")
      .required = true;
  c.options.back().reads = files_of_checkpoint;
  c.text("--input", o->input, "FILE", "A safetensors file with images, normalised as it should be")
      .required = true;
  c.options.back().reads = files_of_checkpoint;
  c.text("--tensor", o->tensor, "NAME", "Which of its tensors: [batch, channels, height, width]");
  c.flag("--all", o->all, "Write the output of every module by its path, and block_input, too");
  c.flag("--allow-nonfinite", o->allow_nonfinite,
         "Write outputs that are NaN or infinite, instead of exit code 1");
  auto& output = add_output_file(c, o->output);
  output.doc = "Where the tensors are written (-: standard output)";
  output.required = true;
  c.count("--threads", o->threads, "Threads, one a CPU if not given", kThreads);
  add_compute_options(c, o->compute);
  c.examples = {
      "vitals run vit_base_patch16_224 --weights model.safetensors --input images.safetensors -o "
      "logits.safetensors",
      "vitals run my_vit.json --weights w.safetensors --input in.safetensors --all -o "
      "out.safetensors --precision bf16"};
  c.run = [o] { deliver(output_of(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
