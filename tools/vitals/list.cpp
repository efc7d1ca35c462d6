#include "command.h"
#include "core/error.h"
#include "core/suggest.h"
#include "report/model_list.h"
#include "spec/builtin.h"

#include <nlohmann/json.hpp>

#include <fnmatch.h>
#include <memory>

namespace vitals::cli {
namespace {

struct Options {
  std::string pattern;
  ListOrder order = ListOrder::name;
  bool reverse = false;
  bool names = false;
  OutputOptions output;
};

// A pattern without wildcards matches anywhere in the name.
bool matches(const std::string& pattern, const std::string& name) {
  const bool wild = pattern.find_first_of("*?[") != std::string::npos;
  return ::fnmatch((wild ? pattern : "*" + pattern + "*").c_str(), name.c_str(), 0) == 0;
}

std::vector<ListedModel> models(const Options& o) {
  std::vector<ListedModel> found;
  for (const auto& name : builtin_names()) {
    if (!matches(o.pattern, name)) continue;
    const auto model = builtin_model(name, "");
    found.push_back(listed(model.build(), model.architecture->name));
  }
  if (found.empty())
    fail("no built-in model matches '{}'{}", o.pattern, did_you_mean(o.pattern, builtin_names()));
  sort_models(found, o.order, o.reverse);
  return found;
}

std::string list(const Options& o) {
  const auto found = models(o);
  if (o.names) {
    std::string text;
    for (const auto& m : found) text += m.name + "\n";
    return text;
  }
  if (o.output.format == Format::json) return list_json(found).dump(2) + "\n";
  return render(o.output.format == Format::csv ? list_numbers(found) : list_table(found),
                o.output.format);
}

}  // namespace

Command list_command() {
  auto o = std::make_shared<Options>();
  Command c{"list", "The built-in models and their size"};
  c.text("pattern", o->pattern, "PATTERN", "Only names that match: 'deit*', or a part of the name");
  c.choice("--sort", o->order,
           {{"name", ListOrder::name},
            {"params", ListOrder::params},
            {"macs", ListOrder::macs},
            {"tokens", ListOrder::tokens},
            {"img-size", ListOrder::img_size}},
           "name, params, macs, tokens or img-size; smallest first");
  c.flag("--reverse", o->reverse, "Largest first");
  c.flag("--names", o->names, "Bare names, one a line");
  add_output_options(c, o->output);
  c.examples = {"vitals list", "vitals list 'deit*' --sort params",
                "vitals list dinov3 --format csv", "vitals list swin --names"};
  c.run = [o] { deliver(list(*o), o->output); };
  return c;
}

}  // namespace vitals::cli
