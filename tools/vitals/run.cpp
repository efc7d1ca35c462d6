#include "checkpoint.h"
#include "command.h"
#include "compute_options.h"
#include "core/error.h"
#include "core/suggest.h"
#include "runtime/forward.h"
#include "runtime/weights.h"
#include "spec/safetensors_write.h"

#include <cstdio>
#include <memory>

namespace vitals::cli {
namespace {

struct Options {
  ModelOptions model;
  ComputeOptions compute;
  int threads = 0;
  std::string weights;
  std::string input;
  std::string tensor = "input";
  std::string output;
  bool all = false;
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

std::string output_of(const Options& o) {
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
  const auto engine = open_engine({o.compute.backend, o.compute.precision, o.threads, false});
  for (const auto& sentence : cautions(*engine, o.compute.precision))
    std::fprintf(stderr, "vitals: %s\n", sentence.c_str());
  const auto tensors = forward(graph, *engine, stored_params(graph, checkpoint, fit), values,
                               {o.compute.precision, o.all});
  std::vector<TensorToWrite> out;
  for (const auto& t : tensors) out.push_back({t.name, t.shape, t.values});
  std::fprintf(stderr, "vitals: %s\n", engine->description().c_str());
  return safetensors_of(out);
}

}  // namespace

void add_run(Commands& commands) {
  auto* app = commands.app.add_subcommand(
      "run", "A forward on given weights and input tensors, outputs as safetensors");
  auto o = std::make_shared<Options>();
  add_model_options(*app, o->model, true, false);
  const char* group = "Running";
  app->add_option("--weights", o->weights,
                  "The weights: a safetensors file, an index of shards, or a folder of them")
      ->type_name("FILE")
      ->required()
      ->group(group);
  app->add_option("--input", o->input, "A safetensors file with the images")
      ->type_name("FILE")
      ->required()
      ->group(group);
  app->add_option("--tensor", o->tensor,
                  "Which of its tensors: [batch, channels, height, width] (default: input)")
      ->type_name("NAME")
      ->group(group);
  app->add_flag("--all", o->all, "Write the output of every module by its path, and block_input")
      ->group(group);
  app->add_option("-o,--output", o->output, "Where the tensors are written, as safetensors")
      ->type_name("FILE")
      ->required()
      ->group(group);
  app->add_option("--threads", o->threads, "Threads (default: one a CPU)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N")
      ->group(group);
  add_compute_options(*app, o->compute);
  app->footer(
      "Examples:\n"
      "  vitals run vit_base_patch16_224 --weights model.safetensors --input images.safetensors -o "
      "logits.safetensors\n"
      "  vitals run my_vit.json --weights w.safetensors --input in.safetensors --all -o "
      "out.safetensors --backend eigen\n"
      "Images are taken as they are: normalise them as the weights expect.");
  app->callback(
      [&commands, o] { commands.run = [o] { deliver(output_of(*o), {.file = o->output}); }; });
}

}  // namespace vitals::cli
