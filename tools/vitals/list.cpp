#include "command.h"
#include "core/error.h"
#include "core/suggest.h"
#include "spec/builtin.h"

#include <fnmatch.h>
#include <memory>

namespace vitals::cli {
namespace {

struct Options {
  std::string pattern;
  OutputOptions output;
};

// A pattern without wildcards matches anywhere in the name.
bool matches(const std::string& pattern, const std::string& name) {
  const bool wild = pattern.find_first_of("*?[") != std::string::npos;
  return ::fnmatch((wild ? pattern : "*" + pattern + "*").c_str(), name.c_str(), 0) == 0;
}

std::string list(const Options& o) {
  std::string text;
  for (const auto& name : builtin_names())
    if (matches(o.pattern, name)) text += name + "\n";
  if (text.empty())
    fail("no built-in model matches '{}'{}", o.pattern, did_you_mean(o.pattern, builtin_names()));
  return text;
}

}  // namespace

void add_list(Commands& commands) {
  auto* app = commands.app.add_subcommand("list", "The built-in models");
  auto o = std::make_shared<Options>();
  app->add_option("pattern", o->pattern, "Only names that match: 'deit*', or a part of the name")
      ->type_name("PATTERN");
  add_output_options(*app, o->output);
  app->callback([&commands, o] { commands.run = [o] { deliver(list(*o), o->output); }; });
}

}  // namespace vitals::cli
