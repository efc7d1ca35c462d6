#include "kernel_price.h"

#include "core/csv.h"
#include "core/error.h"
#include "core/file.h"
#include "core/suggest.h"
#include "frontends/devices/device_file.h"
#include "frontends/devices/price_file.h"
#include "frontends/spec/json_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitals::cli {
namespace {

using prices::Family;

struct Kernel {
  const char* name;
  const char* shape;
  std::size_t least;  // numbers of a shape
  std::size_t most;
};
constexpr Kernel kKernels[] = {{"gemm", "M,N,K", 3, 3},
                               {"attention", "BATCH,Q_HEADS,KV_HEADS,HEAD_DIM,Q_LEN,KV_LEN", 6, 6},
                               {"moe", "TOKENS,HIDDEN,INTER,EXPERTS,TOPK[,TP,EP]", 5, 7},
                               {"allreduce", "RANKS,BYTES", 2, 2}};

const Kernel& kernel_named(const std::string& name) {
  return *std::find_if(std::begin(kKernels), std::end(kKernels),
                       [&](const Kernel& k) { return k.name == name; });
}

struct Asked {
  std::string shape;
  std::string dtype;
  prices::Question question;
  prices::Price price;
};

std::vector<double> numbers(const Kernel& kernel, const std::string& shape, const std::string& at) {
  std::vector<double> result;
  for (const auto& part : split_commas(shape)) {
    std::string error;
    const auto n = parse_count(part, {1, std::uint64_t{1} << 40}, error);
    if (!n) fail("{}: shape '{}': {}", at, shape, error);
    result.push_back(static_cast<double>(*n));
  }
  if (result.size() < kernel.least || result.size() > kernel.most)
    fail("{}: shape '{}': expected {} of {}, got {} numbers", at, shape, kernel.shape, kernel.name,
         result.size());
  return result;
}

const prices::Format& format_of(const std::string& dtype, const std::string& at) {
  const auto name = dtype == "bfloat16"  ? std::string("bf16")
                    : dtype == "float16" ? std::string("fp16")
                                         : dtype;
  if (const auto* format = prices::find_format(name)) return *format;
  std::vector<std::string> known;
  for (const auto& format : prices::formats()) known.emplace_back(format.name);
  fail("{}: unknown dtype '{}'{}; known: {}", at, dtype, did_you_mean(dtype, known),
       fmt::join(known, ", "));
}

double kv_bytes(const std::string& kv_dtype, const prices::Format& format) {
  if (kv_dtype.empty()) return format.input_bytes < 2 ? 1 : 2;
  return kv_dtype == "fp8" ? 1 : 2;
}

prices::Question question(const KernelOptions& o, const std::string& shape,
                          const std::string& dtype, const std::string& kv_dtype,
                          const std::string& at) {
  const auto& kernel = kernel_named(o.kernel);
  const auto n = numbers(kernel, shape, at);
  prices::Question q;
  q.format = &format_of(dtype, at);
  std::copy(n.begin(), n.end(), q.sizes.begin());
  if (o.kernel == "gemm") return q;
  if (o.kernel == "attention") {
    q.family = n[4] > 1 ? Family::prefill : Family::decode;
    q.kv_bytes = kv_bytes(kv_dtype, *q.format);
    q.sizes[6] = static_cast<double>(o.window);
    if (n[2] > n[1]) fail("{}: shape '{}': more KV heads than query heads", at, shape);
    if (n[4] > n[5]) fail("{}: shape '{}': Q_LEN exceeds KV_LEN", at, shape);
  } else if (o.kernel == "moe") {
    q.family = Family::moe;
    for (std::size_t i = n.size(); i < 7; ++i) q.sizes[i] = 1;
    q.sizes[7] = o.skew;
    if (n[4] > n[3]) fail("{}: shape '{}': TOPK exceeds EXPERTS", at, shape);
    if (q.sizes[6] > n[3]) fail("{}: shape '{}': EP exceeds EXPERTS", at, shape);
  } else {
    q.family = Family::allreduce;
    if (n[0] < 2) fail("{}: shape '{}': an all-reduce has at least 2 ranks", at, shape);
  }
  return q;
}

std::vector<Asked> asked_in_file(const KernelOptions& o, const std::string& kv_dtype) {
  const auto table = parse_csv(read_text(o.shapes), o.shapes);
  const auto shape = table.column("shape");
  const auto dtype = table.column("dtype");
  if (shape == table.header.size()) fail("{}: line 1: there is no column 'shape'", o.shapes);
  std::vector<Asked> result;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    auto& one = result.emplace_back();
    one.shape = table.rows[i][shape];
    one.dtype = dtype < table.header.size() ? table.rows[i][dtype] : o.dtype;
    one.question = question(o, one.shape, one.dtype, kv_dtype,
                            fmt::format("{}: line {}", o.shapes, table.lines[i]));
  }
  return result;
}

nlohmann::ordered_json json_of(const Asked& a) {
  return {{"shape", a.shape},
          {"dtype", a.dtype},
          {"us", a.price.us},
          {"range", {a.price.low, a.price.high}},
          {"calibrated", a.price.measured},
          {"frameworks", a.price.frameworks}};
}

std::string microseconds(double us) {
  return fmt::format("{:.{}f}", us, us < 10 ? 2 : us < 1000 ? 1 : 0);
}

void add_notes(Table& table, const std::vector<Asked>& all, const DeviceSpec& device) {
  std::vector<std::string> notes;
  for (const auto& a : all) {
    auto note = fmt::format("The kernels of {}{}.", fmt::join(a.price.frameworks, ", "),
                            a.price.frameworks.size() > 1 ? ": the middle of their times" : "");
    if (!a.price.measured)
      note += fmt::format(
          " {} was not measured with {}: factors of the devices that resemble it, "
          "on its data sheet.",
          device.title, a.dtype);
    if (std::find(notes.begin(), notes.end(), note) == notes.end())
      notes.push_back(std::move(note));
  }
  table.notes.emplace_back(
      "range: 80 % of measured kernels; times of CUDA graphs, without the host.");
  table.notes.insert(table.notes.end(), notes.begin(), notes.end());
}

std::string page(const KernelOptions& o, const std::vector<Asked>& all, const DeviceSpec& device,
                 const OutputOptions& output) {
  Table table{{{"shape"}, {"dtype"}, {"us", true}, {"range", true}}, {}, {}};
  for (const auto& a : all)
    table.rows.push_back(
        {a.shape, a.dtype, microseconds(a.price.us),
         fmt::format("{} - {}", microseconds(a.price.low), microseconds(a.price.high))});
  add_notes(table, all, device);
  return titled(fmt::format("{} ({}) on {}", o.kernel, kernel_named(o.kernel).shape, device.title),
                table, output);
}

Table numbers_table(const std::vector<Asked>& all) {
  Table table{{{"shape"}, {"dtype"}, {"us"}, {"low"}, {"high"}, {"calibrated"}}, {}, {}};
  for (const auto& a : all)
    table.rows.push_back({a.shape, a.dtype, fmt::format("{:.4f}", a.price.us),
                          fmt::format("{:.4f}", a.price.low), fmt::format("{:.4f}", a.price.high),
                          a.price.measured ? "true" : "false"});
  return table;
}

}  // namespace

void add_kernel_options(Command& c, KernelOptions& o) {
  c.group = "Single kernels";
  std::vector<std::string> names;
  for (const auto& kernel : kKernels) names.emplace_back(kernel.name);
  c.choice("--kernel", o.kernel, names, "Price one kernel instead of a model");
  c.text("--shape", o.shape, "N,...",
         "gemm: M,N,K; attention: BATCH,Q_HEADS,KV_HEADS,HEAD_DIM,Q_LEN,KV_LEN; moe: "
         "TOKENS,HIDDEN,INTER,EXPERTS,TOPK[,TP,EP]; allreduce: RANKS,BYTES")
      .needs = "--kernel";
  auto& shapes = c.text("--shapes", o.shapes, "FILE",
                        "A CSV file with a column 'shape' and, where they differ, 'dtype'");
  shapes.needs = "--kernel";
  shapes.reads = itself;
  c.text("--dtype", o.dtype, "TYPE", "bf16, fp8, fp8_block, nvfp4, int4_wo, w4a16_mxfp4, ...")
      .needs = "--kernel";
  c.options.back().initial = "bf16";
  c.choice("--framework", o.framework, {"vllm", "sglang", "trtllm", "nccl"},
           "Whose kernels; else the middle of all measured ones");
  c.count("--window", o.window, "Sliding window of attention in tokens").needs = "--kernel";
}

std::string kernel_fault(const KernelOptions& o) {
  if (o.kernel.empty()) return "";
  if (o.shape.empty() == o.shapes.empty()) return "--kernel needs --shape or --shapes";
  return "";
}

void price_kernels(const KernelOptions& o, const DeviceChoice& choice, const std::string& kv_dtype,
                   const OutputOptions& output) {
  const auto device = chosen_device(choice);
  std::vector<Asked> all;
  if (o.shapes.empty())
    all.push_back({o.shape, o.dtype, question(o, o.shape, o.dtype, kv_dtype, "--shape"), {}});
  else
    all = asked_in_file(o, kv_dtype);
  for (auto& a : all)
    a.price =
        prices::price(prices::built_in(), a.question, device.machine, device.name, o.framework);
  const auto json = [&] {
    nlohmann::ordered_json result = {
        {"schema_version", 1}, {"kernel", o.kernel}, {"device", device.name}};
    if (!o.shape.empty()) {
      result.update(json_of(all.front()));
      return result;
    }
    auto& kernels = result["kernels"] = nlohmann::ordered_json::array();
    for (const auto& a : all) kernels.push_back(json_of(a));
    return result;
  };
  deliver(written({.json = json,
                   .numbers = [&] { return numbers_table(all); },
                   .page = [&] { return page(o, all, device, output); }},
                  output),
          output);
}

}  // namespace vitals::cli
