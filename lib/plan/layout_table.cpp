#include "plan/layout_table.h"

#include "core/error.h"
#include "core/number.h"

#include <algorithm>
#include <cmath>

namespace vitals::plan {
namespace {

class Cells {
 public:
  Cells(const CsvTable& table, std::size_t row) : table_(table), row_(row) {}

  [[nodiscard]] std::string text(std::string_view column) const {
    const auto place = table_.column(column);
    return place < table_.header.size() ? table_.rows[row_][place] : std::string();
  }
  [[nodiscard]] double number(std::string_view column, double otherwise = 0) const {
    const auto cell = text(column);
    if (cell.empty()) return otherwise;
    const auto value = parse_number(cell);
    if (!value || *value < 0 || *value > 1e15)
      fail("{}: expected a number, got '{}'", column, cell);
    return *value;
  }
  // Of degrees: at least 1.
  [[nodiscard]] double degree(std::string_view column) const {
    return std::max(1.0, number(column, 1));
  }
  [[nodiscard]] bool flag(std::string_view column) const { return number(column) > 0; }

 private:
  const CsvTable& table_;
  std::size_t row_;
};

TrainedModel model_of(const Cells& c) {
  TrainedModel m;
  m.name = c.text("model");
  m.layers = c.number("layers");
  m.hidden = c.number("hidden");
  m.heads = c.number("heads");
  m.kv_heads = c.number("kv_heads");
  m.head_dim = c.number("head_dim");
  m.ffn = c.number("ffn");
  m.gated = c.flag("gated");
  m.vocab = c.number("vocab");
  m.tied = c.flag("tied");
  m.experts = c.number("experts");
  m.topk = c.number("topk");
  m.moe_ffn = c.number("moe_ffn", m.ffn);
  m.shared_ffn = c.number("shared_ffn");
  m.dense_layers = c.number("dense_layers");
  m.q_lora = c.number("q_lora");
  m.kv_lora = c.number("kv_lora");
  m.nope_dim = c.number("nope_dim");
  m.rope_dim = c.number("rope_dim");
  m.v_dim = c.number("v_dim");
  m.mtp = c.number("mtp");
  m.window = c.number("window");
  m.seq_len = c.number("seq_len");
  return m;
}

// Bytes a second of one GPU to other nodes, from how the interconnect is called: "800G" are
// gigabits of a node; else what nodes of such GPUs usually have.
double network_of(const std::string& interconnect, const std::string& device, double of_node) {
  const auto digits = interconnect.find_first_of("0123456789", interconnect.find('+'));
  if (interconnect.find('+') != std::string::npos && digits != std::string::npos) {
    const auto rate = std::string_view(interconnect).substr(digits);
    const auto gigabits = number_at_start(rate);
    if (gigabits && rate.substr(gigabits->length).starts_with('G') && gigabits->value >= 400)
      return gigabits->value * 1e9 / 8 / (gigabits->value > 400 ? of_node : 1);
  }
  constexpr double kA100 = 25e9;  // one port of 200 Gb/s for each GPU, since then 400
  constexpr double kLater = 50e9;
  return device.starts_with("a100") ? kA100 : kLater;
}

Layout layout_of(const Cells& c, const std::string& device) {
  Layout l;
  l.gpus = c.degree("num_gpus");
  l.gpus_per_node = std::max(1.0, c.number("gpus_per_node", 8));
  l.tp = c.degree("tp");
  l.pp = c.degree("pp");
  l.vpp = c.degree("vpp");
  l.cp = c.degree("cp");
  l.ep = c.degree("ep");
  l.etp = c.degree("etp");
  l.dp = std::max(1.0, c.number("dp", l.gpus / (l.tp * l.pp * l.cp)));
  l.zero = static_cast<unsigned>(c.number("zero"));
  l.sp = c.flag("sp");
  l.micro_batch = c.degree("micro_batch");
  const double global = c.number("global_batch");
  l.micro_batches = std::max(
      1.0, c.number("micro_batches", global > 0 ? std::ceil(global / (l.dp * l.micro_batch)) : 1));
  const auto recompute = c.text("recompute");
  l.recompute = recompute == "full"        ? Recompute::full
                : recompute == "selective" ? Recompute::selective
                                           : Recompute::none;
  const auto precision = c.text("precision");
  if (!precision.empty()) l.precision = precision;
  l.framework = c.text("framework");
  l.flash = !c.text("attention").starts_with("eager");
  l.compiled = c.flag("compile");
  const auto interconnect = c.text("interconnect");
  l.network = network_of(interconnect, device, l.gpus_per_node);
  l.domain = interconnect.find("nvl72") != std::string::npos ? 72 : l.gpus_per_node;
  return l;
}

}  // namespace

PlannedRun planned_run(const CsvTable& table, std::size_t row) {
  const Cells c(table, row);
  PlannedRun run;
  run.id = c.text("id");
  run.device = c.text("gpu");
  run.model = model_of(c);
  run.layout = layout_of(c, run.device);
  return run;
}

}  // namespace vitals::plan
