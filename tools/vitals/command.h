// What the subcommands share: the MODEL argument with its overrides, output options, and how a
// command hands back its result. No arithmetic here.
#pragma once

#include "graph/graph.h"
#include "models/architecture.h"
#include "report/table.h"
#include "spec/spec.h"

#include <CLI/CLI.hpp>

#include <functional>
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

  // The model with all overrides applied: the options' own first, then --set in order.
  [[nodiscard]] Model load() const { return load(model); }
  [[nodiscard]] Model load(const std::string& name) const;
  [[nodiscard]] BuildOptions build_options() const;

  std::optional<std::uint64_t> num_classes;
  std::optional<std::string> img_size;
  std::optional<std::uint64_t> in_chans;
  std::vector<std::string> set;
};

struct OutputOptions {
  Format format = Format::table;
  std::string file;
  std::string color = "auto";
};

void add_model_options(CLI::App& app, ModelOptions& options, bool positional = true);
void add_output_options(CLI::App& app, OutputOptions& options);

// A text in the format that was asked for: raw numbers for CSV, readable ones elsewhere.
[[nodiscard]] std::string render(const Table& table, Format format);

// The same under a title: a line of its own in text, a heading in Markdown, nothing in CSV.
[[nodiscard]] std::string titled(const std::string& title, const Table& table, Format format);

// Writes the result: to standard output, or beside `file` and then renamed, so that nothing
// half-written is left. A reader that closes the pipe is no fault.
void deliver(const std::string& text, const OutputOptions& options);

// Each registers its subcommand; `run` is called after parsing, at most one of them.
struct Commands {
  CLI::App& app;
  std::function<void()> run;
};
void add_summary(Commands& commands);
void add_spec(Commands& commands);
void add_flops(Commands& commands);
void add_compare(Commands& commands);
void add_list(Commands& commands);
void add_memory(Commands& commands);

}  // namespace vitals::cli
