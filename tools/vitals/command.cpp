#include "command.h"

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"
#include "cost/rollup.h"
#include "frontends/spec/load.h"
#include "report/explain.h"
#include "report/text/paint.h"
#include "report/text/safe_text.h"
#include "report/text/units.h"
#include "report/text/wrap.h"
#include "streams.h"
#include "terminal.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals::cli {
namespace {

// "224", "224x160" -> the JSON of the field img_size.
std::string check_img_size(const std::string& text) {
  const auto x = text.find('x');
  auto is_count = [](const std::string& t) {
    return !t.empty() && t.size() < 10 && t.find_first_not_of("0123456789") == std::string::npos &&
           t.find_first_not_of('0') != std::string::npos;
  };
  const bool good = x == std::string::npos
                        ? is_count(text)
                        : is_count(text.substr(0, x)) && is_count(text.substr(x + 1));
  return good ? "" : "'" + text + "' is no image size; write 224 or 224x160 (height x width)";
}

std::string img_size_json(const std::string& text) {
  const auto x = text.find('x');
  if (x == std::string::npos) return text;
  return fmt::format("[{}, {}]", text.substr(0, x), text.substr(x + 1));
}

std::string check_set(const std::string& text) {
  const auto equals = text.find('=');
  if (equals != std::string::npos && equals > 0) return "";
  return "'" + text + "' is no KEY=VALUE";
}

ModelNotes& gathered_notes() {
  static ModelNotes notes;
  return notes;
}

void gather(std::vector<std::string>& all, const std::vector<std::string>& more) {
  for (const auto& note : more)
    if (std::find(all.begin(), all.end(), note) == all.end()) all.push_back(note);
}

// What PEFT's print_trainable_parameters() says (peft/peft_model.py): a copy that is trained and
// its frozen original are two.
std::string as_peft_prints(const Model& model) {
  const auto graph = model.build();
  const auto trained = trainable_parameters(graph);
  const auto all = parameters(graph).sum();
  const auto share = 100.0 * static_cast<double>(trained.value()) /
                     static_cast<double>(std::max<std::uint64_t>(all.value(), 1));
  return fmt::format("{}: trainable params: {} || all params: {} || trainable%: {:.4f}", model.name,
                     grouped(trained), grouped(all), share);
}

}  // namespace

const ModelNotes& model_notes() { return gathered_notes(); }
void forget_model_notes() { gathered_notes() = {}; }

Model ModelOptions::load(const std::string& name) const {
  // Once: standard input can be read no second time, and notes are told once.
  const auto known = loaded_.find(name);
  return known != loaded_.end() ? known->second : loaded_.emplace(name, read(name)).first->second;
}

Model ModelOptions::read(const std::string& name) const {
  std::vector<Override> overrides;
  auto add = [&](const char* key, const std::string& value, const char* origin) {
    overrides.push_back({key, value, origin});
  };
  if (num_classes) add("num_classes", std::to_string(*num_classes), "--num-classes");
  if (img_size) add("img_size", img_size_json(*img_size), "--img-size");
  if (in_chans) add("in_chans", std::to_string(*in_chans), "--in-chans");
  if (!dims.empty()) add("dims", nlohmann::json(dims).dump(), "--dim");
  for (const auto& text : set) {
    const auto equals = text.find('=');
    const auto key = text.substr(0, equals);
    overrides.push_back({key, text.substr(equals + 1), "--set " + key});
  }
  auto changed = with_overrides(load_model(name, as), overrides);
  if (seq_len && changed.reads_images())
    fail("--seq-len: {} reads images, which have no tokens to count", changed.name);
  if (changed.lora != nullptr) changed.notes.push_back(as_peft_prints(changed));
  for (const auto& note : changed.all_notes()) tell(printable_line(note));
  if (!changed.changes.empty()) gather(gathered_notes().all, {changed.title()});
  gather(gathered_notes().all, changed.all_notes());
  gather(gathered_notes().left_out, changed.left_out);
  return changed;
}

BuildOptions ModelOptions::build_options() const {
  BuildOptions options;
  options.batch = batch.value_or(1);
  options.seq_len = seq_len.value_or(0);
  return options;
}

std::vector<std::string> itself(const std::string& file) { return {file}; }

void add_model_options(Command& c, ModelOptions& o, ModelParts parts) {
  if (parts.model)
    c.text("model", o.model, "MODEL",
           "A built-in name (vit_base_patch32), a spec file, a Hugging Face config.json or its "
           "folder, a GGUF file, a recorded trace or .pt2, or - for JSON on standard input")
        .required = true;
  if (parts.model) c.options.back().reads = files_of_model;
  c.group = "Model";
  if (parts.batch) c.count("--batch", o.batch, "Samples in a batch");
  c.text("--as", o.as, "TYPE",
         "Read a Hugging Face config as one of this model_type, in place of its own");
  c.count("--num-classes", o.num_classes, "Classes of the head (0: no head)", {0});
  c.text("--img-size", o.img_size, "N|HxW", "Image size in pixels", check_img_size);
  c.count("--in-chans", o.in_chans, "Image channels");
  if (parts.tokens) c.count("--seq-len", o.seq_len, "Tokens of a language model's input");
  c.texts("--dim", o.dims, "NAME=N",
          "Size of a dimension that an ONNX file leaves open (repeatable)", check_set);
  c.texts("--set", o.set, "KEY=VALUE",
          "Any field of the spec; VALUE is JSON, else a string (repeatable, applied last)",
          check_set);
  c.group = "Options";
}

Option& add_output_file(Command& c, OutputOptions& o) {
  auto& option = c.add("-o,--output", "FILE", "Write to FILE instead of standard output (-)",
                       [&o](const std::string& file) {
                         o.file = file == "-" ? "" : file;
                         return std::string(file.empty() ? "the file's name is empty" : "");
                       });
  option.writes = true;
  return option;
}

void add_output_options(Command& c, OutputOptions& o, bool rounds) {
  c.group = "Output";
  c.choice("--format", o.format,
           {{"table", Format::table},
            {"json", Format::json},
            {"csv", Format::csv},
            {"markdown", Format::markdown}},
           "table, json, csv or markdown");
  add_output_file(c, o);
  if (rounds)
    c.add("--exact", "", "All digits instead of 86.6 M or 330.2 MiB", [](const std::string&) {
      show_all_digits();
      return std::string();
    });
  c.choice("--color", o.color, {"auto", "always", "never"},
           "Colour, and bars beside shares: auto (on a terminal), always or never");
  c.add("--width", "N", "Columns that text is folded to, 0: no limit (default: a terminal's width)",
        [&o](const std::string& text) {
          std::string error;
          o.width = parse_count(text, {0, 10'000}, error);
          if (!o.width || *o.width == 0 || *o.width >= kLeastWidth) return error;
          return fmt::format("{} columns are too few; {} are the least", text, kLeastWidth);
        });
  c.group = "Options";
}

void add_details(Command& c, OutputOptions& o) {
  c.group = "Output";
  c.flag("--details", o.details, "Everything, not only what fits on one screen");
  c.group = "Options";
}

const std::vector<Quantity> kModelFigures = {{"params"}, {"macs"}, {"flops"}, {"tokens"}};

std::vector<Quantity> model_figures(const Graph& graph) {
  const auto macs = macs_by_module(graph).sum();
  return {{"params", Unit::count, parameters(graph).sum().as_double()},
          {"macs", Unit::count, macs.as_double()},
          {"flops", Unit::count, (macs * 2).as_double()},
          {"tokens", Unit::count, static_cast<double>(graph.num_tokens)}};
}

namespace {

std::string_view example_amount(Unit unit) {
  switch (unit) {
    case Unit::bytes:
      return "16GiB";
    case Unit::seconds:
      return "20ms";
    case Unit::count:
      break;
  }
  return "90M";
}

}  // namespace

void add_fail_if(Command& c, std::vector<FailCondition>& conditions,
                 const std::vector<Quantity>& known) {
  std::vector<std::string> names;
  for (const auto& quantity : known) names.push_back(quantity.name);
  c.add("--fail-if", "CONDITION",
        fmt::format("Exit with code 3 if it is true, as in '{} > {}' (repeatable). Figures: {}",
                    names.front(), example_amount(known.front().unit), fmt::join(names, ", ")),
        [&conditions, known](const std::string& text) {
          try {
            conditions.push_back(parse_fail_condition(text, known));
            return std::string();
          } catch (const Error& error) {
            return std::string(error.what());
          }
        })
      .repeatable = true;
}

void check_conditions(const std::vector<FailCondition>& conditions,
                      const std::function<std::vector<Quantity>()>& figures) {
  if (conditions.empty()) return;
  const auto known = figures();
  std::string failed;
  for (const auto& condition : conditions)
    if (holds(condition, known))
      failed += (failed.empty() ? "" : "; ") + describe(condition, known);
  if (failed.empty()) return;
  for (const auto& part : model_notes().left_out) failed += "; " + part;
  throw ConditionFailed(failed);
}

std::string json_text(const nlohmann::ordered_json& json) {
  // Names from strangers' files need not be UTF-8. What `printable` spells out stands in strings
  // alone, where "\u202e" is the same character.
  return printable(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace)) + "\n";
}

namespace {

nlohmann::ordered_json with_notes(nlohmann::ordered_json answer) {
  const auto& notes = model_notes().all;
  if (notes.empty() || !answer.is_object()) return answer;
  auto all = nlohmann::ordered_json(notes);
  for (const auto& note : answer.value("notes", nlohmann::ordered_json::array()))
    all.push_back(note);
  answer["notes"] = std::move(all);
  return answer;
}

// What is not in the numbers stands below them.
std::string with_foot(std::string page, const OutputOptions& options) {
  if (model_notes().left_out.empty()) return page;
  for (const auto& part : model_notes().left_out) {
    const auto line = "Not counted: " + part;
    page += "\n" + (options.format == Format::markdown
                        ? line + "\n"
                        : wrapped(line + "\n", text_layout(options).width));
  }
  return page;
}

}  // namespace

std::string written(const Answer& answer, const OutputOptions& options) {
  switch (options.format) {
    case Format::json:
      return json_text(with_notes(answer.json()));
    case Format::csv:
      return to_csv(answer.numbers());
    case Format::markdown:
      return printable(safe_markdown(with_foot(answer.page(), options)));
    case Format::table:
      break;
  }
  return printable(with_foot(answer.page(), options));
}

std::string render(const Table& table, const OutputOptions& options) {
  if (options.format == Format::markdown) return to_markdown(table);
  return to_text(table, text_layout(options));
}

std::string titled(const std::string& title, const Table& table, const OutputOptions& options) {
  const auto line = printable_line(title);
  if (options.format == Format::markdown) return "### " + line + "\n\n" + to_markdown(table);
  const auto layout = text_layout(options);
  return wrapped(line, layout.width) + "\n\n" + to_text(table, layout);
}

std::string more(const OutputOptions& options, const std::string& what) {
  const auto line = "\n--details adds " + what + ".\n";
  return options.format == Format::markdown ? line : wrapped(line, text_layout(options).width);
}

std::string explained(const Explanation& e, const Graph& graph, const OutputOptions& options) {
  const auto title = e.path.empty() ? title_of(graph) : e.path + " (" + e.type + ")";
  return written({.json = [&] { return explain_json(e); },
                  .numbers = [&] { return explain_rows(e); },
                  .page = [&] { return titled(title, explain_table(e), options); }},
                 options);
}

void deliver(const std::string& text, const OutputOptions& options) {
  if (options.file.empty())
    write_out(options.format == Format::table && colour(options) ? painted(text) : text);
  else
    write_file(options.file, text);
}

}  // namespace vitals::cli
