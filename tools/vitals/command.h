// What the subcommands share: the MODEL argument with its overrides, output options, and how a
// command hands back its result. No arithmetic here.
#pragma once

#include "command_line.h"
#include "cost/explain.h"
#include "frontends/spec/spec.h"
#include "graph/graph.h"
#include "models/architecture.h"
#include "report/budget.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vitals::cli {

enum class Format { table, json, csv, markdown };

// MODEL and everything that changes what it means.
struct ModelOptions {
  std::string model;
  std::optional<std::uint64_t> batch;
  std::optional<std::uint64_t> seq_len;

  // The model with all overrides applied: the options' own first, then --set in order. It is read
  // the first time that it is asked for.
  [[nodiscard]] Model load() const { return load(model); }
  [[nodiscard]] Model load(const std::string& name) const;
  [[nodiscard]] BuildOptions build_options() const;

  std::string as;  // the model_type to read a Hugging Face config as
  std::optional<std::uint64_t> num_classes;
  std::optional<std::string> img_size;
  std::optional<std::uint64_t> in_chans;
  std::vector<std::string> set;
  std::vector<std::string> dims;  // "NAME=N" of an ONNX file's open dimensions

 private:
  [[nodiscard]] Model read(const std::string& name) const;
  mutable std::map<std::string, Model> loaded_ = {};
};

struct OutputOptions {
  Format format = Format::table;
  std::string file;
  std::string color = "auto";
  std::optional<std::size_t> width;  // of text; 0: no limit
  bool details = false;              // all that there is to say, not only the first screen
};

// What a command leaves to add_model_options: MODEL itself, the size of a batch, and the tokens of
// a text, of which only those commands take notice that build a model.
struct ModelParts {
  bool model = true;
  bool batch = true;
  bool tokens = true;
};

// Their options in a command's description. Where nothing is rounded, there is no --exact.
void add_model_options(Command& command, ModelOptions& options, ModelParts parts = {});
void add_output_options(Command& command, OutputOptions& options, bool rounds = true);
// --details: a page for people is a screen of 24 lines, and all that is known with it.
void add_details(Command& command, OutputOptions& options);
Option& add_output_file(Command& command, OutputOptions& options);

// The file that an option's value names, for Option::reads.
[[nodiscard]] std::vector<std::string> itself(const std::string& file);

// What every model can be held to: parameters, MACs, FLOPs, tokens.
extern const std::vector<Quantity> kModelFigures;
[[nodiscard]] std::vector<Quantity> model_figures(const Graph& graph);

// What is said of the models that the command has loaded, once each: JSON has it under "notes", and
// what a model leaves out stands below the table, too.
struct ModelNotes {
  std::vector<std::string> all;
  std::vector<std::string> left_out;
};
[[nodiscard]] const ModelNotes& model_notes();
// Before another command runs in the same process.
void forget_model_notes();

// --fail-if: conditions on the figures `known`, whose values do not matter here.
void add_fail_if(Command& command, std::vector<FailCondition>& conditions,
                 const std::vector<Quantity>& known);

// Throws ConditionFailed when any of them is true. The figures are asked for only if there are
// conditions.
void check_conditions(const std::vector<FailCondition>& conditions,
                      const std::function<std::vector<Quantity>()>& figures);

// What a command answers, in the forms that all formats are made of. Only the one that a format
// asks for is made.
struct Answer {
  std::function<nlohmann::ordered_json()> json;  // everything, for programs
  std::function<Table()> numbers;                // one flat table of raw numbers
  std::function<std::string()> page;             // for people: by `render` and `titled`
};

// JSON as it leaves the program: nothing in it moves a terminal's cursor.
[[nodiscard]] std::string json_text(const nlohmann::ordered_json& json);

// The answer in the format that was asked for. A new format is a case here, and one more word of
// --format.
[[nodiscard]] std::string written(const Answer& answer, const OutputOptions& options);

// A table for people, as text or Markdown.
[[nodiscard]] std::string render(const Table& table, const OutputOptions& options);

// The same under a title: a line of its own in text, a heading in Markdown.
[[nodiscard]] std::string titled(const std::string& title, const Table& table,
                                 const OutputOptions& options);

// The last line of a page that is not all: what --details would add to it.
[[nodiscard]] std::string more(const OutputOptions& options, const std::string& what);

// The formulas behind a number, of the model or of the part that the user named.
[[nodiscard]] std::string explained(const Explanation& explanation, const Graph& graph,
                                    const OutputOptions& options);

// Writes the result: to standard output, or to the file as write_file does. A reader that closes
// the pipe is no fault.
void deliver(const std::string& text, const OutputOptions& options);

// The subcommands, each in a file of its name.
[[nodiscard]] Command bench_command();
[[nodiscard]] Command compare_command();
[[nodiscard]] Command devices_command();
[[nodiscard]] Command flops_command();
[[nodiscard]] Command list_command();
[[nodiscard]] Command list_ops_command();
[[nodiscard]] Command memory_command();
[[nodiscard]] Command plan_command();
[[nodiscard]] Command predict_command();
[[nodiscard]] Command report_command();
[[nodiscard]] Command rules_command();
[[nodiscard]] Command run_command();
[[nodiscard]] Command spec_command();
[[nodiscard]] Command summary_command();
[[nodiscard]] Command sweep_command();

// About the program itself.
[[nodiscard]] Command completions_command(const Program& program);
[[nodiscard]] Command manual_command(const Program& program);

}  // namespace vitals::cli
