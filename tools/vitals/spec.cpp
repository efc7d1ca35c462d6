#include "command.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct SpecArguments {
  ModelOptions model;
  OutputOptions output;
  bool schema = false;
};

std::string spec(const SpecArguments& o) {
  return json_text(o.schema ? spec_schema() : spec_of(o.model.load()));
}

}  // namespace

Command spec_command() {
  auto o = std::make_shared<SpecArguments>();
  Command c{"spec", "The resolved spec as JSON: what MODEL really means"};
  add_model_options(c, o->model, {.batch = false, .tokens = false});
  c.options.front().required = false;
  c.flag("--schema", o->schema, "Print the JSON schema of specs instead");
  c.only("--schema", {"model", "--num-classes", "--img-size", "--in-chans", "--set"});
  add_output_file(c, o->output);
  c.examples = {"vitals spec vit_base_patch32",
                "vitals spec deit_tiny_patch16_224 --set depth=6 > my_vit.json",
                "vitals spec --schema"};
  c.check = [o](const Given& given) {
    return o->schema || given.has("model") ? "" : "MODEL is required";
  };
  c.run = [o] { deliver(spec(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
