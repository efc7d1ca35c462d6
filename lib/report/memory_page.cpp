#include "report/memory.h"
#include "report/op_list.h"
#include "report/text/units.h"
#include "report/text/wrap.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <numeric>

namespace vitals {
namespace {

// ---- the first line

std::string whose_memory(const MemoryAnswer& a) {
  if (a.capacity)
    return fmt::format("of {}'s {}", a.device, binary_bytes(a.capacity->bytes + a.reserve));
  if (a.device == "cpu") return "of the CPU's memory";
  return a.on_device().allocator ? "of a GPU" : "of tensors";
}

std::string which_device(const MemoryAnswer& a) {
  if (!a.share) return "";
  const auto devices = a.options.parallel.devices();
  if (a.options.parallel.pipeline == 1) return fmt::format(" on each of {} devices", devices);
  return fmt::format(" on the most loaded of {} devices (pipeline rank {})", devices,
                     a.share->pipeline_rank);
}

std::string verdict(const MemoryAnswer& a) {
  if (!a.capacity) return "";
  const bool fits = *a.fits();
  const auto distance = fits ? a.capacity->bytes - a.need() : a.need() - a.capacity->bytes;
  const auto left = binary_bytes(distance);
  return fits ? fmt::format(": it fits, {} are left", left)
              : fmt::format(": it does not fit, {} are missing", left);
}

std::string headline(const MemoryAnswer& a) {
  const auto title = title_of(a.graph);
  const auto* what = a.options.training ? "training" : "inference";
  const auto needs = fmt::format("{} needs {} {}{}", what, binary_bytes(a.total()), whose_memory(a),
                                 which_device(a));
  if (!a.fit) return fmt::format("{}: {}{}.\n", title, needs, verdict(a));
  const auto& fit = a.fit->fit;
  const auto left = a.fit->budget.bytes - std::min(a.fit->budget.bytes, fit.need);
  return fmt::format(
      "{}: batch {} is the largest that fits into {}.\n{}, {} are left; batch {} takes "
      "{} more.\n",
      title, fit.batch, a.capacity ? a.device : a.fit->budget.text,
      static_cast<char>(std::toupper(needs.front())) + needs.substr(1), binary_bytes(left),
      fit.batch + a.options.parallel.micro_batches,
      binary_bytes(fit.next_need - std::min(fit.need, fit.next_need)));
}

// ---- what the total is made of

Count of_kinds(const eager::ByKind& by_kind, std::initializer_list<eager::Kind> kinds) {
  Count bytes;
  for (const auto kind : kinds) bytes += by_kind[static_cast<std::size_t>(kind)];
  return bytes;
}

std::string weights_note(const MemoryAnswer& a) {
  const auto type =
      a.quantization.empty() ? std::string(to_string(a.options.precision.weights)) : a.quantization;
  return fmt::format("{}{} parameters in {}", a.share ? "its part of " : "",
                     si(parameters(a.graph).sum()), type);
}

Table parts_of_total(const MemoryAnswer& a) {
  using eager::Kind;
  const auto& e = a.on_device();
  const auto& kinds = e.peak.by_kind;
  const auto total = a.total();
  Table table{{{"at the highest moment"}, {"bytes", true}, kShareColumn, {""}}, {}, {}};
  const auto row = [&](std::string name, Count bytes, std::string note) {
    if (bytes > Count(0))
      table.rows.push_back(
          {std::move(name), binary_bytes(bytes), share_text(bytes, total), std::move(note)});
  };
  const bool training = a.options.training;
  row("weights", of_kinds(kinds, {Kind::weight, Kind::buffer}), weights_note(a));
  row("gradients", of_kinds(kinds, {Kind::weight_gradient}),
      fmt::format("of {} trained parameters", si(trainable_parameters(a.graph))));
  row("optimizer states", of_kinds(kinds, {Kind::optimizer}),
      fmt::format("{}{}", a.options.optimizer.name,
                  a.options.precision.master_weights ? ", with fp32 master weights" : ""));
  row("kv cache", of_kinds(kinds, {Kind::kv_cache}),
      fmt::format("{} tokens{}", grouped(a.cached_tokens()), a.batch > 1 ? " a sample" : ""));
  row("activations", of_kinds(kinds, {Kind::activation, Kind::input, Kind::weight_cast}),
      training ? "kept for the backward pass; batch" : "and the batch");
  row("temporaries", of_kinds(kinds, {Kind::activation_gradient, Kind::workspace}),
      training ? "their gradients, workspaces" : "workspaces");
  if (e.allocator)
    row(a.runtime.reserved_for, total - std::min(total, e.peak.bytes),
        "context, libraries, allocator's gaps");
  table.rows.push_back({"total", binary_bytes(total), "", ""});
  return table;
}

// ---- the facts beside it

std::string what_sets_it(const MemoryAnswer& a) {
  const auto& peak = a.on_device().peak;
  const auto where = peak.at.empty() ? a.graph.model : peak.at;
  if (where == "<loss>")
    return fmt::format("the loss, in the {} pass ({})", to_string(peak.phase), peak.op);
  if (peak.phase == eager::Phase::optimizer)
    return fmt::format("the optimizer's step, at {}", where);
  return fmt::format("the {} pass of {} ({})", to_string(peak.phase), where, peak.op);
}

std::string batch_note(const MemoryAnswer& a) {
  std::vector<std::string> shapes;
  for (const auto id : a.graph.inputs) shapes.push_back(to_string(a.graph.nodes[id].shape));
  const auto& p = a.options.parallel;
  auto text = fmt::format("{} on a device", a.batch);
  if (p.micro_batches > 1) text += fmt::format(" in {} micro-batches", p.micro_batches);
  text += fmt::format(", input {}", fmt::join(shapes, ", "));
  if (!a.options.training) return text;
  const auto all = Count(a.batch) * a.accumulate * p.data;
  text += fmt::format("; {} in a step", grouped(all));
  if (a.accumulate > 1) text += fmt::format(" of {} accumulated", a.accumulate);
  if (p.data > 1) text += fmt::format(", over {} data-parallel ranks", p.data);
  return text;
}

std::string assumed_note(const MemoryAnswer& a) {
  const auto& o = a.options;
  std::vector<std::string> parts = {o.precision.name.data()};
  if (o.training)
    parts.push_back(fmt::format("{} ({})", o.optimizer.name, name_of(o.optimizer_impl)));
  parts.push_back(
      fmt::format("{} attention", a.attention == AttentionKernel::eager ? "eager" : "fused"));
  if (o.training) {
    parts.push_back(o.loss == Loss::none ? "no loss" : fmt::format("loss {}", name_of(o.loss)));
    parts.push_back(o.checkpoint == ActivationCheckpointing::none
                        ? std::string("no checkpoints")
                        : fmt::format("{} checkpoints", name_of(o.checkpoint)));
  }
  const auto& off = o.offload;
  for (const auto& [there, name] : {std::pair{off.optimizer, "optimizer"},
                                    {off.weights, "weights"},
                                    {off.activations, "activations"}})
    if (there) parts.push_back(fmt::format("{} on the host", name));
  if (a.trained.lora_rank)
    parts.push_back(fmt::format("LoRA of rank {} beside {}", *a.trained.lora_rank,
                                fmt::join(a.trained.lora_targets, ", ")));
  if (!a.trained.frozen.empty())
    parts.push_back(fmt::format("{} frozen", fmt::join(a.trained.frozen, ", ")));
  parts.push_back(fmt::format("stack {}", o.stack.name));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string facts(const MemoryAnswer& a, bool markdown) {
  const std::pair<const char*, std::string> lines[] = {
      {"set by", what_sets_it(a)}, {"batch", batch_note(a)}, {"assumed", assumed_note(a)}};
  std::string text;
  for (const auto& [name, fact] : lines)
    text += markdown ? fmt::format("- {}: {}\n", name, fact) : fmt::format("{:<9}{}\n", name, fact);
  return text;
}

// ---- what would take less

Table types_table(const MemoryAnswer& a) {
  Table table{{{"weights in"}, {"weights", true}, {"needs", true}}, {}, {}};
  const auto more = a.total() - a.need();
  for (const auto& type : a.types)
    table.rows.push_back({type.name, binary_bytes(type.weights), binary_bytes(type.need + more)});
  return table;
}

// What a change is compared with: without a search, peaks with peaks.
Count compared_with(const MemoryAnswer& a) {
  return a.fit ? a.fit->fit.need : a.on_device().peak.bytes;
}

std::string outcome(const MemoryAnswer& a, const Advice& x) {
  if (a.fit) return x.largest > 0 ? fmt::format("{}", x.largest) : "none fits";
  return x.fits.value_or(false) ? "yes" : "no";
}

Table changes_table(const MemoryAnswer& a, const std::vector<Advice>& changes) {
  const bool decides = a.fit || a.capacity;
  Table table{{{"to save memory"}, {"saves", true}}, {}, {}};
  if (decides) table.columns.push_back({a.fit ? "batch" : "fits", true});
  table.columns.push_back({"costs"});
  const auto now = compared_with(a);
  for (const auto& x : changes) {
    auto& row = table.rows.emplace_back();
    row = {x.change, x.need < now ? binary_bytes(now - x.need) : "-"};
    if (decides) row.push_back(outcome(a, x));
    row.push_back(x.cost);
  }
  return table;
}

std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

constexpr std::size_t kScreenLines = 24;
constexpr std::size_t kScreenColumns = 80;

std::string table_text(const Table& table, const MemoryTextOptions& o) {
  return '\n' + (o.markdown ? to_markdown(table) : to_text(table, o.layout));
}

std::vector<Advice> chosen(const std::vector<Advice>& all, const std::vector<bool>& shown) {
  std::vector<Advice> changes;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (shown[i]) changes.push_back(all[i]);
  return changes;
}

// As many as a screen has lines for beside `used`: those that save most, in order of their cost.
std::vector<Advice> changes_on_screen(const MemoryAnswer& a, std::size_t used) {
  const auto& all = a.fit ? a.fit->advice : a.changes;
  std::vector<std::size_t> order(all.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto i, auto j) { return all[i].need < all[j].need; });
  std::vector<bool> shown(all.size());
  for (const auto i : order) {
    shown[i] = true;
    const auto text = to_text(changes_table(a, chosen(all, shown)), {kScreenColumns});
    shown[i] = used + 1 + line_count(text) <= kScreenLines;
  }
  return chosen(all, shown);
}

struct Page {
  std::string answer;
  std::string check;
};

Page page_without_changes(const MemoryAnswer& a, const MemoryTextOptions& o) {
  Page page;
  page.answer = wrapped(headline(a), o.layout.width) + table_text(parts_of_total(a), o) + '\n' +
                wrapped(facts(a, o.markdown), o.layout.width);
  if (!a.types.empty()) page.answer += table_text(types_table(a), o);
  if (a.fit && !a.fit->command.empty())
    page.check = '\n' + wrapped("Check it: " + a.fit->command + "\n", o.layout.width);
  return page;
}

}  // namespace

Table advice_table(const MemoryAnswer::FitResult& f) {
  const auto batch = std::max<std::uint64_t>(f.fit.batch, 1);
  Table table{{{"to save memory"},
               {fmt::format("batch {} needs", batch), true},
               {"saves", true},
               {"largest batch", true},
               {"costs"}},
              {},
              {}};
  for (const auto& x : f.advice)
    table.rows.push_back({x.change, binary_bytes(x.need),
                          x.need < f.fit.need ? binary_bytes(f.fit.need - x.need) : "-",
                          x.largest > 0 ? fmt::format("{}", x.largest) : "does not fit", x.cost});
  return table;
}

std::string nothing_fits(const MemoryAnswer::FitResult& f) {
  auto text = fmt::format("not even the smallest batch fits into {}: it needs {}", f.budget.text,
                          binary_bytes(f.fit.need));
  if (!f.command.empty()) text += fmt::format("\nThe least change that fits: {}", f.command);
  return text;
}

// What is shown does not depend on how wide or high the terminal is.
std::string memory_page(const MemoryAnswer& a, const MemoryTextOptions& o) {
  const auto page = page_without_changes(a, o);
  auto changes = a.fit ? a.fit->advice : a.changes;
  if (!o.details) {
    auto screen = o;
    screen.markdown = false;
    screen.layout = {kScreenColumns};
    const auto [answer, check] = page_without_changes(a, screen);
    constexpr std::size_t kClosing = 2;  // what --details adds
    changes = changes_on_screen(a, line_count(answer) + line_count(check) + kClosing);
  }
  if (changes.empty()) return page.answer + page.check;
  return page.answer + table_text(changes_table(a, changes), o) + page.check;
}

}  // namespace vitals
