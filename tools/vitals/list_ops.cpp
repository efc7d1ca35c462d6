#include "command.h"
#include "report/op_list.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace vitals::cli {
namespace {

struct ListOpsArguments {
  ModelOptions model;
  OutputOptions output;
};

}  // namespace

Command list_ops_command() {
  auto o = std::make_shared<ListOpsArguments>();
  Command c{"list-ops", "The kinds of ops of a model, with their share of MACs and bytes"};
  add_model_options(c, o->model);
  add_output_options(c, o->output);
  c.examples = {"vitals list-ops vit_base_patch16_224",
                "vitals list-ops convnext_tiny --format csv"};
  c.run = [o] {
    const auto graph = o->model.load().build(o->model.build_options());
    deliver(written({.json = [&] { return op_list_json(graph); },
                     .numbers = [&] { return op_list_numbers(graph); },
                     .page = [&] { return titled(graph.model, op_list(graph), o->output); }},
                    o->output),
            o->output);
  };
  return c;
}

}  // namespace vitals::cli
