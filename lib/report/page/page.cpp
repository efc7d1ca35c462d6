#include "report/page/page.h"

#include "cost/arithmetic.h"
#include "cost/traffic.h"
#include "graph/op_traits.h"
#include "report/compare.h"
#include "report/page/html.h"
#include "report/page/page_assets.h"
#include "report/summary.h"
#include "report/text/units.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <map>
#include <set>

namespace vitals {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kNoCharts =
    "<p class=\"quiet\">Charts are missing: this vitals was built without Chart.js. Install it "
    "(on Debian the package libjs-chart.js), then configure and build vitals anew.</p>\n";

// Names need not be UTF-8.
std::string safe_dump(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

// Every op with all the arithmetic it does, as the roofline takes it.
ordered_json ops_json(const Graph& graph) {
  auto ops = ordered_json::array();
  for (const auto& node : graph.nodes) {
    const auto moved = bytes_moved(graph, node);
    if (moved == Count(0)) continue;
    const auto flops = operations(arithmetic(graph, node));
    ops.push_back({{"path", graph.module_of(node).path},
                   {"kind", name_of(node.op)},
                   {"flops", flops.value()},
                   {"bytes", moved.value()},
                   {"intensity", arithmetic_intensity(flops, moved)}});
  }
  return ops;
}

ordered_json data_json(const std::vector<PageModel>& models, const PageOptions& o) {
  ordered_json data = {{"version", o.version},
                       {"device",
                        {{"name", o.device.name},
                         {"title", o.device.title},
                         {"precision", "fp32"},
                         {"peak_flops", o.device.machine.fp32.value()},
                         {"bandwidth", o.device.machine.bandwidth}}}};
  auto& array = data["models"] = ordered_json::array();
  for (const auto& m : models) {
    const auto& graph = m.flops.graph;
    array.push_back({{"model", graph.model},
                     {"summary", summary_json(graph)},
                     {"flops", flops_json(m.flops)},
                     {"memory", memory_json(m.training)},
                     {"inference", memory_json(m.inference)},
                     {"ops", ops_json(graph)},
                     {"spec", m.spec}});
    if (m.measured != nullptr) array.back()["bench"] = m.measured->json;
  }
  return data;
}

struct Figure {
  std::string name;
  std::string shown;
  std::string exact;
};

std::string figures(const std::vector<Figure>& all) {
  std::string text = "<dl class=\"vitals\">\n";
  for (const auto& f : all)
    text += fmt::format(
        "<div><dt>{}</dt><dd class=\"figure\">{}</dd><dd class=\"exact\">{}</dd></div>\n",
        html_text(f.name), html_text(f.shown), html_text(f.exact));
  return text + "</dl>\n";
}

std::string bytes_figure(Count bytes) { return binary_bytes(bytes); }

std::string headline(const PageModel& m) {
  const auto& graph = m.flops.graph;
  const auto params = parameters(graph).sum();
  const auto macs = macs_by_module(graph).sum();
  const auto& training = m.training.whole.peak;
  const auto& inference = m.inference.whole.peak;
  return figures({
      {"Parameters", si(params), grouped(params)},
      {"FLOPs of a sample", si(macs * 2), grouped(macs) + " MACs, twice"},
      {fmt::format("Memory of a training step, batch {}", m.training.batch),
       bytes_figure(training.bytes), grouped(training.bytes) + " bytes at the peak"},
      {fmt::format("Memory of inference, batch {}", m.inference.batch),
       bytes_figure(inference.bytes), grouped(inference.bytes) + " bytes at the peak"},
      {"Tokens", grouped(graph.num_tokens), "the length of the sequence"},
  });
}

std::string chart(std::string_view kind, std::size_t index, const std::string& label) {
  if (chart_js().empty()) return std::string(kNoCharts);
  return fmt::format(
      "<figure><div class=\"canvas\"><canvas data-chart=\"{}\" data-model=\"{}\" "
      "role=\"img\" aria-label=\"{}\"></canvas></div></figure>\n",
      kind, index, html_text(label));
}

std::string treemap(std::size_t index) {
  return fmt::format(
      "<figure>\n<div class=\"choices\" role=\"group\" aria-label=\"What the areas show\">\n"
      "<button type=\"button\" data-quantity=\"params\" aria-pressed=\"true\">Parameters</button>\n"
      "<button type=\"button\" data-quantity=\"flops\" aria-pressed=\"false\">FLOPs</button>\n"
      "<button type=\"button\" data-up>Up</button>\n</div>\n"
      "<div class=\"treemap\" data-model=\"{}\"></div>\n<figcaption></figcaption>\n</figure>\n",
      index);
}

std::string memory_section(const PageModel& m, std::size_t index) {
  const auto& a = m.training;
  const auto& peak = a.whole.peak;
  const auto place = peak.at.empty() ? a.graph.model : peak.at;
  const auto label = fmt::format("{} at most, in the {} phase, at {}", bytes_figure(peak.bytes),
                                 to_string(peak.phase), place);
  auto text = fmt::format(
      "<h3>Memory of a training step</h3>\n<p>Batch {}, {}, {}, attention {}: {}. PyTorch eager is "
      "what is predicted.</p>\n",
      a.batch, html_text(a.options.precision.name), html_text(a.options.optimizer.name),
      a.attention == AttentionKernel::fused ? "fused" : "written out", html_text(label));
  text += chart("timeline", index, "Allocated bytes over a training step: " + label);
  text += chart("breakdown", index, "What is live at the peak");
  return text +
         to_html(memory_modules(a, {2, true}), {fmt::format("memory-{}", index),
                                                "Weights, and what autograd keeps", false, false});
}

std::string measured_section(const PageModel& m, std::size_t index) {
  if (m.measured == nullptr) return "";
  return "<h3>Measured on this machine</h3>\n<pre>" + html_text(m.measured->heading) + "</pre>\n" +
         chart("measured", index, "Measured time and roofline, by module") +
         to_html(m.measured->ops, {fmt::format("measured-{}", index), "", true, false});
}

std::string layers_section(const Graph& graph, std::size_t index) {
  const auto id = fmt::format("layers-{}", index);
  return "<h3>Layers</h3>\n<p>Each module's own parameters and MACs: they sum to the totals. A "
         "column's title sorts by it.</p>\n" +
         fmt::format(
             "<div class=\"choices\"><label>Search <input type=\"search\" "
             "data-search=\"{0}\"></label> <output class=\"quiet\" "
             "data-found=\"{0}\"></output></div>\n",
             id) +
         to_html(summary_layers(graph), {id, "", true, true});
}

// One line a kind of op in the trace: what it computes, and where that is defined.
std::string counted_section(const Graph& graph) {
  std::map<std::string, OpDefinition> kinds;
  for (const auto& node : graph.nodes)
    kinds.emplace(std::string(name_of(node.op)), definition(node.op));
  std::string text = "<h3>How the numbers are counted</h3>\n<dl class=\"counted\">\n";
  for (const auto& [kind, d] : kinds)
    text += fmt::format("<dt>{}</dt><dd>{}{}</dd>\n", html_text(kind), html_text(d.formula),
                        d.source.empty() ? "" : ". " + html_text(d.source));
  return text + "</dl>\n";
}

std::string model_section(const PageModel& m, const PageOptions& o, std::size_t index,
                          const std::string& title) {
  const auto& graph = m.flops.graph;
  const auto id = [&](std::string_view name) { return fmt::format("{}-{}", name, index); };
  auto text = fmt::format("<section id=\"model-{}\">\n<h2>{}</h2>\n", index, html_text(title));
  text += headline(m);
  text += "<h3>Where parameters and FLOPs are</h3>\n" + treemap(index);
  text += memory_section(m, index);
  text += fmt::format(
      "<h3>Roofline</h3>\n<p>Each op of one sample in float32 under the roof of {}: right of the "
      "bend it is bound by compute, left of it by memory. The FLOPs are all arithmetic of the op, "
      "not its MACs alone.</p>\n",
      html_text(o.device.title));
  text += chart("roofline", index, "Arithmetic intensity of every op under the device's roof");
  text += measured_section(m, index);
  text += "<h3>FLOPs</h3>\n" +
          to_html(flops_totals(m.flops, true), {id("totals"), "", false, false}) +
          to_html(flops_by_op(graph), {id("kinds"), "By kind of op", true, false}) +
          to_html(flops_by_convention(graph),
                  {id("conventions"), "What each tool counts", false, false});
  text += layers_section(graph, index);
  text += counted_section(graph);
  text += "<h3>Spec</h3>\n<pre tabindex=\"0\">" + html_text(safe_dump(m.spec, 2)) + "</pre>\n";
  return text + "</section>\n";
}

std::string comparison(const std::vector<PageModel>& models) {
  if (models.size() < 2) return "";
  std::vector<Graph> graphs;
  for (const auto& m : models) graphs.push_back(m.flops.graph);
  return "<h2>Side by side</h2>\n" +
         to_html(quantities_table(compare(graphs, 1)), {"comparison", "", false, false});
}

std::string navigation(const std::vector<PageModel>& models) {
  if (models.size() < 2) return "";
  std::string text = "<nav aria-label=\"Models\"><ul>\n";
  for (std::size_t i = 0; i < models.size(); ++i)
    text += fmt::format("<li><a href=\"#model-{}\">{}</a></li>\n", i,
                        html_text(title_of(models[i].flops.graph)));
  return text + "</ul></nav>\n";
}

}  // namespace

std::string report_page(const std::vector<PageModel>& models, const PageOptions& options) {
  std::vector<std::string> names;
  for (const auto& m : models) names.push_back(title_of(m.flops.graph));
  const auto title = html_text(fmt::format("{}", fmt::join(names, ", ")));
  std::string text =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      // The browser itself sees to it that nothing is fetched.
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src "
      "'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>" +
      title +
      ": vital signs</title>\n"
      "<link rel=\"icon\" href=\"data:,\">\n<style>\n";
  text += page_css();
  text +=
      "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n"
      "<header>\n<h1>" +
      title + "</h1>\n<p class=\"quiet\">Vital signs of " +
      (models.size() == 1 ? "a transformer" : "transformers") +
      ", from the description alone.</p>\n" + navigation(models) +
      "</header>\n<main id=\"content\">\n";
  text += comparison(models);
  for (std::size_t i = 0; i < models.size(); ++i)
    text += model_section(models[i], options, i, models.size() == 1 ? "At a glance" : names[i]);
  text += "</main>\n<footer class=\"quiet\"><p>" + html_text(options.version) + ".";
  if (!chart_js().empty())
    text += " Charts: Chart.js (https://www.chartjs.org), (c) Chart.js Contributors, MIT License.";
  text += "</p></footer>\n<script type=\"application/json\" id=\"data\">";
  text += json_in_script(safe_dump(data_json(models, options), -1));
  text += "</script>\n<script>";
  text += chart_js();
  text += "</script>\n<script>\n";
  text += page_js();
  return text + "</script>\n</body>\n</html>\n";
}

}  // namespace vitals
