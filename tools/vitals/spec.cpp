#include "command.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct Options {
  ModelOptions model;
  OutputOptions output;
  bool schema = false;
};

std::string spec(const Options& o) {
  return (o.schema ? spec_schema() : spec_of(o.model.load())).dump(2) + "\n";
}

}  // namespace

void add_spec(Commands& commands) {
  auto* app =
      commands.app.add_subcommand("spec", "The resolved spec as JSON: what MODEL really means");
  auto o = std::make_shared<Options>();
  add_model_options(*app, o->model);
  auto* model = app->get_option("model");
  model->required(false);
  app->add_flag("--schema", o->schema, "Print the JSON schema of specs instead");
  app->add_option("-o,--output", o->output.file, "Write to FILE instead of standard output")
      ->type_name("FILE");
  app->footer(
      "Examples:\n  vitals spec vit_base_patch32\n  vitals spec deit_tiny_patch16_224 --set "
      "depth=6 > my_vit.json\n"
      "  vitals spec --schema");
  app->callback([&commands, o, model] {
    if (!o->schema && model->count() == 0) throw CLI::RequiredError("MODEL");
    commands.run = [o] { deliver(spec(*o), o->output); };
  });
}

}  // namespace vitals::cli
