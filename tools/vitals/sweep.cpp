#include "command.h"
#include "core/error.h"
#include "core/file.h"
#include "frontends/spec/json_text.h"
#include "report/text/units.h"
#include "streams.h"
#include "sweep_figures.h"
#include "sweep_run.h"
#include "terminal.h"
#include "yaml_document.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

namespace vitals::cli {
namespace {

namespace fs = std::filesystem;

struct SweepArguments {
  std::vector<std::string> files;
  OutputOptions output;
  std::optional<std::string> format;
  Shard shard;
  bool merge = false;
  std::size_t jobs = 0;
  std::vector<std::string> where;
  std::string pareto;
};

constexpr std::uint64_t kMostPoints = 10'000'000;  // of one run: hours
constexpr std::size_t kMostResultBytes = std::size_t{1} << 33U;

// JSON, or else YAML.
nlohmann::ordered_json document_of(const std::string& path, SweepPlaces& places) {
  const auto text = read_text(path);
  const auto source = path == "-" ? std::string("standard input") : path;
  const auto suffix = fs::path(path).extension();
  const auto first = text.find_first_not_of(" \t\r\n");
  const bool json = suffix == ".json" || (suffix != ".yaml" && suffix != ".yml" &&
                                          first != std::string::npos && text[first] == '{');
  if (json) {
    places.at = [source](const std::string& pointer) {
      return pointer.empty() ? source : source + ": " + pointer;
    };
    (void)parse_json(text, source);              // its faults, with line and column
    return nlohmann::ordered_json::parse(text);  // axes in the order that they are written in
  }
  auto known = std::make_shared<YamlPlaces>();
  auto value = yaml_document(text, source, *known);
  places.at = [source, known](const std::string& pointer) {
    const auto it = known->find(pointer);
    const auto at = it == known->end() ? source : source + ": " + it->second;
    return pointer.empty() ? at : at + ": " + pointer;
  };
  return value;
}

RowFormat format_of(const SweepArguments& o, const std::string& file) {
  if (o.format) return *o.format == "jsonl" ? RowFormat::jsonl : RowFormat::csv;
  const auto suffix = fs::path(file).extension();
  return suffix == ".jsonl" || suffix == ".ndjson" ? RowFormat::jsonl : RowFormat::csv;
}

// "latency" where only one device is asked for.
const SweepFigure& figure_called(const std::vector<SweepFigure>& figures, const std::string& name,
                                 const std::string& option) {
  const SweepFigure* found = nullptr;
  for (const auto& figure : figures) {
    if (figure.name == name) return figure;
    if (figure.kind != name) continue;
    if (found != nullptr) fail("{}: '{}' may be {} or {}", option, name, found->name, figure.name);
    found = &figure;
  }
  if (found != nullptr) return *found;
  std::vector<std::string> names;
  for (const auto& figure : figures) names.push_back(figure.name);
  fail("{}: '{}' is no figure of this sweep; there is {}", option, name, fmt::join(names, ", "));
}

double value_of(const SweepRow& row, std::size_t figure) {
  return row.figures[figure].empty() ? std::nan("") : std::stod(row.figures[figure]);
}

// --where and --pareto.
class Selection {
 public:
  Selection(const SweepArguments& o, const std::vector<SweepFigure>& figures) : figures_(figures) {
    for (const auto& figure : figures_) quantities_.push_back({figure.name, figure.unit});
    for (const auto& text : o.where) try {
        conditions_.push_back(parse_fail_condition(text, quantities_));
      } catch (const Error& error) {
        throw error.within("--where");
      }
    if (o.pareto.empty()) return;
    for (auto name : split_commas(o.pareto)) {
      const bool most = name.starts_with("max:");
      if (most || name.starts_with("min:")) name.erase(0, 4);
      const auto& figure = figure_called(figures_, name, "--pareto");
      goals_.push_back({static_cast<std::size_t>(&figure - figures_.data()),
                        most || figure.more_is_better ? -1.0 : 1.0});
    }
  }

  [[nodiscard]] bool any() const { return !conditions_.empty() || !goals_.empty(); }
  [[nodiscard]] bool pareto() const { return !goals_.empty(); }

  // A point without figures meets no condition.
  [[nodiscard]] bool takes(const SweepRow& row) const {
    if (!any()) return true;
    if (!row.error.empty()) return false;
    auto quantities = quantities_;
    for (std::size_t i = 0; i < quantities.size(); ++i) quantities[i].value = value_of(row, i);
    return std::all_of(conditions_.begin(), conditions_.end(),
                       [&](const FailCondition& c) { return holds(c, quantities); });
  }

  [[nodiscard]] std::vector<SweepRow> front(const std::vector<SweepRow>& rows) const {
    std::vector<std::vector<double>> costs;
    for (const auto& row : rows) {
      auto& cost = costs.emplace_back();
      for (const auto& goal : goals_) cost.push_back(goal.sign * value_of(row, goal.figure));
    }
    std::vector<SweepRow> front;
    for (const auto i : pareto_front(costs)) front.push_back(rows[i]);
    return front;
  }

 private:
  struct Goal {
    std::size_t figure;
    double sign;
  };
  const std::vector<SweepFigure>& figures_;
  std::vector<Quantity> quantities_;
  std::vector<FailCondition> conditions_;
  std::vector<Goal> goals_;
};

void check_size(const SweepArguments& o, const std::string& source, Count all) {
  const auto here = o.shard.points(all.value());
  if (here <= kMostPoints) return;
  fail(
      "{}: the grid has {} points, one run takes at most {}: give fewer values, or --shard K/N "
      "with N of {} or more",
      source, grouped(all), grouped(Count(kMostPoints)), (all.value() - 1) / kMostPoints + 1);
}

// Rows as they come: all to the file, or the selected ones to standard output.
class RowSink {
 public:
  RowSink(const SweepArguments& o, const SweepFigures& figures)
      : o_(o),
        sweep_(figures.sweep()),
        selection_(o, figures.figures()),
        format_(format_of(o, o.output.file)) {}

  [[nodiscard]] bool to_file() const { return !o_.output.file.empty(); }
  [[nodiscard]] bool prints() const { return !to_file() || selection_.any(); }
  [[nodiscard]] RowFormat format() const { return format_; }

  void begin() {
    if (prints()) write_out(header_text(sweep_, print_format()));
  }
  void take(const SweepRow& row) {
    if (!row.error.empty()) ++faults_;
    ++rows_;
    if (!prints() || !selection_.takes(row)) return;
    if (selection_.pareto())
      selected_.push_back(row);
    else
      write_out(row_text(sweep_, row, print_format()));
  }
  void end() {
    if (prints() && selection_.pareto())
      for (const auto& row : selection_.front(selected_))
        write_out(row_text(sweep_, row, print_format()));
    if (faults_ > 0)
      tell(fmt::format("{} of {} points have no figures: 'error' says why", faults_, rows_));
  }

 private:
  [[nodiscard]] RowFormat print_format() const { return format_; }

  const SweepArguments& o_;
  const Sweep& sweep_;
  Selection selection_;
  RowFormat format_;
  std::vector<SweepRow> selected_;
  std::size_t rows_ = 0;
  std::size_t faults_ = 0;
};

void merge(const SweepArguments& o, const SweepFigures& figures) {
  const auto& sweep = figures.sweep();
  std::vector<SweepRow> rows;
  for (auto file = o.files.begin() + 1; file != o.files.end(); ++file) {
    auto part = read_rows(read_text(*file, kMostResultBytes), sweep, format_of(o, *file), *file);
    rows.insert(rows.end(), part.rows.begin(), part.rows.end());
  }
  rows = merged_rows(std::move(rows), sweep);
  RowSink sink(o, figures);
  auto text = header_text(sweep, sink.format());
  if (sink.to_file()) {
    for (const auto& row : rows) text += row_text(sweep, row, sink.format());
    write_file(o.output.file, text);
  }
  sink.begin();
  for (const auto& row : rows) sink.take(row);
  sink.end();
}

// The rows that an earlier run has left in the file: this one goes on after them.
std::vector<SweepRow> rows_before(const SweepArguments& o, const Sweep& sweep, RowFormat format) {
  const auto& file = o.output.file;
  if (!fs::is_regular_file(file)) return {};
  auto before = read_rows(read_text(file, kMostResultBytes), sweep, format, file);
  for (std::size_t i = 0; i < before.rows.size(); ++i)
    if (before.rows[i].point != o.shard.point(i))
      fail("{}: row {} is point {}, where --shard {}/{} has point {}: it is of another shard", file,
           i + 1, before.rows[i].point, o.shard.number, o.shard.of, o.shard.point(i));
  if (before.bytes < fs::file_size(file)) fs::resize_file(file, before.bytes);
  return before.rows;
}

void compute(const SweepArguments& o, const SweepFigures& figures) {
  const auto& sweep = figures.sweep();
  RowSink sink(o, figures);
  std::unique_ptr<AppendedFile> file;
  std::vector<SweepRow> before;
  if (sink.to_file()) {
    before = rows_before(o, sweep, sink.format());
    file = std::make_unique<AppendedFile>(o.output.file);
    if (file->empty()) file->append(header_text(sweep, sink.format()));
  }
  sink.begin();
  for (const auto& row : before) sink.take(row);
  const auto all = o.shard.points(sweep.points().value());
  if (!before.empty() && before.size() < all)
    tell(fmt::format("{}: goes on after {} of {} points", o.output.file, before.size(), all));
  const bool whole = run_in_order(
      {before.size(), all, o.jobs}, [&](std::uint64_t i) { return figures.row(o.shard.point(i)); },
      [&](const SweepRow& row) {
        if (file) file->append(row_text(sweep, row, sink.format()));
        sink.take(row);
      });
  sink.end();
  if (!whole)
    fail("interrupted{}",
         file ? ": the same command goes on after the points in " + o.output.file : std::string());
}

void sweep(const SweepArguments& o) {
  SweepPlaces places;
  const auto document = document_of(o.files.front(), places);
  auto file = sweep_from(document, places);
  check_size(o, places.at("/grid"), file.sweep.points());
  const SweepFigures figures(std::move(file), places);
  o.merge ? merge(o, figures) : compute(o, figures);
}

std::string check_usage(const SweepArguments& o, const Given& given) {
  if (!o.merge && o.files.size() > 1) return "one sweep at a time; results to merge need --merge";
  if (o.merge && o.files.size() < 2) return "--merge needs the files of results";
  if (o.merge && given.has("--shard")) return "--shard is not for --merge";
  return "";
}

}  // namespace

Command sweep_command() {
  auto o = std::make_shared<SweepArguments>();
  Command c{"sweep", "Many models and options at once"};
  auto& files = c.texts("files", o->files, "FILE",
                        "What to sweep, YAML or JSON (-: standard input); with --merge, the files "
                        "of results after it");
  files.required = true;
  files.most = 10'000;
  files.reads = [](const std::string& file) {
    return file == "-" ? std::vector<std::string>() : itself(file);
  };
  c.add("--shard", "K/N", "Only every N-th point, from the K-th on: one machine's part of N",
        [o](const std::string& text) {
          try {
            o->shard = parse_shard(text);
            return std::string();
          } catch (const Error& error) {
            return std::string(error.what());
          }
        });
  c.flag("--merge", o->merge, "Join the results of all shards; each point must be there");
  c.count("--jobs", o->jobs, "Points at a time (default: the CPU's threads)", {1, 1024});
  c.texts("--where", o->where, "CONDITION",
          "Print the points of which it is true, as in 'params < 30M' (repeatable)");
  c.text("--pareto", o->pareto, "NAME,...",
         "Print the points that no other beats in these figures; max:NAME where more is better");
  c.group = "Output";
  c.add("--format", "NAME", "csv or jsonl (default: by FILE's name, else csv)",
        [o](const std::string& text) {
          o->format = text;
          return std::string();
        })
      .choices = {"csv", "jsonl"};
  add_output_file(c, o->output).doc =
      "Write every point to FILE as it comes; a file that is there is gone on with";
  c.group = "Options";
  c.examples = {
      "vitals sweep grid.yaml", "vitals sweep grid.yaml -o results.csv",
      "vitals sweep grid.yaml -o results.csv --where 'params < 30M' --pareto macs,latency",
      "vitals sweep grid.yaml --shard 2/8 -o part-2.csv",
      "vitals sweep grid.yaml --merge part-*.csv -o results.csv"};
  c.check = [o](const Given& given) { return check_usage(*o, given); };
  c.run = [o] { sweep(*o); };
  return c;
}

}  // namespace vitals::cli
