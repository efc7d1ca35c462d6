#include "frontends/devices/calibration.h"

#include "core/error.h"
#include "core/suggest.h"
#include "frontends/spec/json_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

namespace vitals {

std::string_view calibration_table_json();  // written by tools/embed_text.py

namespace {

using nlohmann::json;

struct FactorField {
  const char* name = "";
  double Factors::*member = nullptr;
  bool exponent = false;  // of either sign; the others are positive
};
constexpr std::array<FactorField, 15> kFactors = {{{"product", &Factors::product},
                                                   {"width", &Factors::width, true},
                                                   {"convolution", &Factors::convolution},
                                                   {"attention", &Factors::attention},
                                                   {"score", &Factors::score},
                                                   {"bias", &Factors::bias},
                                                   {"bandwidth", &Factors::bandwidth},
                                                   {"strided", &Factors::strided},
                                                   {"launch", &Factors::launch},
                                                   {"backward", &Factors::backward},
                                                   {"rows", &Factors::rows, true},
                                                   {"pack", &Factors::pack},
                                                   {"aliasing", &Factors::aliasing, true},
                                                   {"cached", &Factors::cached},
                                                   {"rolled", &Factors::rolled}}};

// Reads the keys of one object; what nobody asked for is an error in the end.
class Reader {
 public:
  Reader(const json& value, std::string at) : value_(value), at_(std::move(at)) {
    if (!value.is_object()) fail("{}: must be an object", at_);
  }
  template <class T>
  void read(const char* key, T& to) {
    known_.emplace_back(key);
    if (!value_.contains(key)) fail("{}/{}: is missing", at_, key);
    try {
      to = value_.at(key).get<T>();
    } catch (const json::exception&) {
      fail("{}/{}: has the wrong type", at_, key);
    }
  }
  [[nodiscard]] Reader inner(const char* key) {
    known_.emplace_back(key);
    if (!value_.contains(key)) fail("{}/{}: is missing", at_, key);
    return {value_.at(key), at_ + "/" + key};
  }
  void finish() const {
    for (const auto& item : value_.items())
      if (std::find(known_.begin(), known_.end(), item.key()) == known_.end())
        fail("{}/{}: unknown key{}", at_, item.key(), did_you_mean(item.key(), known_));
  }

 private:
  const json& value_;
  std::string at_;
  std::vector<std::string> known_;
};

// In the order in which a file states them.
constexpr std::array<double Profile::*, 6> kProfile = {&Profile::tokens,      &Profile::width,
                                                       &Profile::batch,       &Profile::attention,
                                                       &Profile::elementwise, &Profile::strided};

ThroughputRange read_range(Reader& r, const char* key, const std::string& at) {
  std::pair<double, double> range;
  r.read(key, range);
  if (!(range.first > 0 && range.first <= range.second))
    fail("{}/{}: must be two positive numbers, the lower one first", at, key);
  return {range.first, range.second};
}

void read_neighbours(Reader& r, const std::string& at, std::vector<Neighbour>& neighbours) {
  json list;
  r.read("neighbours", list);
  if (!list.is_array()) fail("{}/neighbours: must be a list", at);
  for (std::size_t i = 0; i < list.size(); ++i) {
    Reader one(list[i], fmt::format("{}/neighbours/{}", at, i));
    auto& neighbour = neighbours.emplace_back();
    std::array<double, kProfile.size()> profile{};
    one.read("model", neighbour.model);
    one.read("profile", profile);
    one.read("log_error", neighbour.log_error);
    one.finish();
    for (std::size_t j = 0; j < kProfile.size(); ++j) neighbour.profile.*kProfile[j] = profile[j];
  }
}

void read_errors(Reader r, Calibration::Errors& errors) {
  r.read("fitted_models", errors.fitted_models);
  r.read("models", errors.models);
  r.read("median_percent", errors.median);
  r.read("p90_percent", errors.p90);
  r.read("flops_only_median_percent", errors.flops_only);
  r.finish();
}

}  // namespace

Calibration calibration_from(const json& value, const std::string& at) {
  Calibration c;
  Reader r(value, at);
  std::string mode;
  r.read("run", c.run);
  r.read("device", c.device);
  r.read("mode", mode);
  if (mode != "training" && mode != "inference")
    fail("{}/mode: must be \"training\" or \"inference\"", at);
  c.training = mode == "training";
  r.read("compiled", c.compiled);
  r.read("precision", c.precision);
  if (value.contains("vitals"))
    r.read("vitals", c.vitals);
  else
    r.read("pytorch", c.pytorch);
  r.read("channels_last", c.channels_last);
  r.read("fused_attention", c.fused_attention);
  r.read("low_norms", c.low_norms);
  r.read("batches", c.batches);
  auto factors = r.inner("factors");
  for (const auto& field : kFactors) {
    double& factor = c.factors.*field.member;
    factors.read(field.name, factor);
    if (!std::isfinite(factor) || (!(factor > 0) && !field.exponent))
      fail("{}/factors/{}: must be a {}number", at, field.name, field.exponent ? "" : "positive ");
  }
  factors.finish();
  read_errors(r.inner("held_out"), c.errors);
  c.range = c.near_range = read_range(r, "range", at);
  if (value.contains("near_range")) c.near_range = read_range(r, "near_range", at);
  if (value.contains("neighbours")) read_neighbours(r, at, c.neighbours);
  r.finish();
  return c;
}

namespace {

// No digits that no measurement tells: the file is for people, too.
double rounded(double x) { return std::round(x * 1e4) / 1e4; }

nlohmann::ordered_json neighbours_json(const std::vector<Neighbour>& neighbours) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& neighbour : neighbours) {
    auto profile = nlohmann::ordered_json::array();
    for (const auto member : kProfile) profile.push_back(rounded(neighbour.profile.*member));
    list.push_back({{"model", neighbour.model},
                    {"profile", std::move(profile)},
                    {"log_error", rounded(neighbour.log_error)}});
  }
  return list;
}

}  // namespace

nlohmann::ordered_json to_json(const Calibration& c) {
  nlohmann::ordered_json factors;
  for (const auto& field : kFactors) factors[field.name] = c.factors.*field.member;
  nlohmann::ordered_json result = {
      {"run", c.run},
      {"device", c.device},
      {"mode", c.training ? "training" : "inference"},
      {"compiled", c.compiled},
      {"precision", c.precision},
      {c.own_kernels() ? "vitals" : "pytorch", c.own_kernels() ? c.vitals : c.pytorch},
      {"channels_last", c.channels_last},
      {"fused_attention", c.fused_attention},
      {"low_norms", c.low_norms},
      {"batches", {c.batches.first, c.batches.second}},
      {"factors", factors},
      {"held_out",
       {{"fitted_models", c.errors.fitted_models},
        {"models", c.errors.models},
        {"median_percent", c.errors.median},
        {"p90_percent", c.errors.p90},
        {"flops_only_median_percent", c.errors.flops_only}}},
      {"range", {c.range.low, c.range.high}}};
  if (!c.neighbours.empty()) {
    result["near_range"] = {c.near_range.low, c.near_range.high};
    result["neighbours"] = neighbours_json(c.neighbours);
  }
  return result;
}

std::uint64_t model_hash(std::string_view model) {
  std::uint64_t hash = 14695981039346656037U;
  for (char c : model) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

const std::vector<Calibration>& calibrations() {
  static const std::vector<Calibration> all = [] {
    const std::string source = "built-in calibrations";
    std::vector<Calibration> table;
    const auto list = parse_json(calibration_table_json(), source);
    for (std::size_t i = 0; i < list.size(); ++i)
      table.push_back(calibration_from(list[i], fmt::format("{}: /{}", source, i)));
    return table;
  }();
  return all;
}

bool is_version(const std::string& full, const std::string& asked) {
  return full.compare(0, asked.size(), asked) == 0 &&
         (full.size() == asked.size() || full[asked.size()] == '.');
}

namespace {

std::vector<int> version(const std::string& text) {
  std::vector<int> parts(1, 0);
  for (char c : text) {
    if (c == '.')
      parts.push_back(0);
    else if (c >= '0' && c <= '9')
      parts.back() = parts.back() * 10 + (c - '0');
  }
  return parts;
}

// What products compute in on a GPU.
std::string_view product_type(std::string_view precision) {
  return precision == "amp" ? "fp16" : precision == "amp-bf16" ? "bf16" : precision;
}

// What counts first when no calibration is exact; larger is better.
auto rank(const Calibration& c, const RunQuestion& q, bool own) {
  return std::make_tuple(own && c.training == q.training && c.compiled == q.compiled, own,
                         c.training == q.training, c.compiled == q.compiled,
                         c.precision == q.precision,
                         product_type(c.precision) == product_type(q.precision),
                         !q.pytorch.empty() && is_version(c.pytorch, q.pytorch),
                         c.channels_last == q.channels_last, version(c.pytorch));
}

// Whether vitals' own kernels can answer: they run evaluations, in these precisions.
bool asks_own_kernels(const RunQuestion& q) {
  const bool has = q.precision == "fp32" || q.precision == "bf16";
  return has && !q.training && !q.compiled && !q.channels_last && q.pytorch.empty();
}

// What differs between the question and the run that is to answer it.
std::vector<std::string> differences(const Calibration& c, const RunQuestion& q) {
  std::vector<std::string> notes;
  auto note = [&](bool differs, const std::string& text) {
    if (differs) notes.push_back(text);
  };
  note(c.device != q.device,
       "nothing published about this device: the factors are those that its kind has in common");
  note(!q.images,
       "only models of images were measured, and this one is none: the range is wider, by "
       "judgement");
  if (c.device != q.device) return notes;
  if (c.own_kernels()) {
    note(!asks_own_kernels(q),
         "this device was measured with vitals' own kernels, and PyTorch's are others");
    note(c.precision != q.precision,
         fmt::format("measured in {}, asked in {}", c.precision, q.precision));
    return notes;
  }
  note(c.training != q.training || c.compiled != q.compiled,
       fmt::format("nothing published about this way to run on this device: the factors are those "
                   "of its {} {}",
                   c.compiled ? "compiled" : "eager", c.training ? "training" : "inference"));
  note(c.precision != q.precision,
       fmt::format("measured in {}, asked in {}", c.precision, q.precision));
  note(!q.pytorch.empty() && !is_version(c.pytorch, q.pytorch),
       fmt::format("measured with PyTorch {}", c.pytorch));
  note(c.channels_last != q.channels_last,
       c.channels_last ? "measured with channels_last" : "measured without channels_last");
  return notes;
}

// Half and twice the batches that were measured still count as measured.
bool beyond(const Calibration& c, std::uint64_t batch) {
  return 2 * batch < c.batches.first || batch > 2 * c.batches.second;
}

// How much wider the range becomes outside of what was measured: a judgement, not a measurement.
constexpr double kBeyondLow = 0.6;
constexpr double kBeyondHigh = 1.5;

void set_range(Match& match, const std::vector<Calibration>& known, const RunQuestion& q) {
  const auto& c = *match.calibration;
  match.range = c.range;
  match.near_range = c.near_range;
  if (!match.exact) {
    for (const auto& common : known)
      if (common.device == q.family)
        match.range = {std::min(match.range.low, common.range.low),
                       std::max(match.range.high, common.range.high)};
    match.near_range = match.range;
  }
  const bool far = beyond(c, q.batch);
  if (!far && q.images) return;  // differences() notes that only images were measured
  for (auto* range : {&match.range, &match.near_range})
    *range = {range->low * kBeyondLow, range->high * kBeyondHigh};
  if (!far) return;
  match.notes.push_back(
      c.batches.first == c.batches.second
          ? fmt::format("measured at batch {} alone: elsewhere the range is wider, by judgement",
                        c.batches.first)
          : fmt::format("measured at batches {}-{}: outside the range is wider, by judgement",
                        c.batches.first, c.batches.second));
}

}  // namespace

Match match(const std::vector<Calibration>& known, const RunQuestion& q) {
  Match best;
  for (const auto& c : known) {
    const bool own = c.device == q.device;
    if (!own && c.device != q.family) continue;
    if (best.calibration != nullptr) {
      const bool best_own = best.calibration->device == q.device;
      if (rank(c, q, own) <= rank(*best.calibration, q, best_own)) continue;
    }
    best.calibration = &c;
  }
  if (best.calibration == nullptr) return best;
  best.own_kernels = best.calibration->own_kernels() && asks_own_kernels(q);
  best.notes = differences(*best.calibration, q);
  best.exact = best.notes.empty();
  set_range(best, known, q);
  return best;
}

ThroughputRange between(const ThroughputRange& far, const ThroughputRange& near,
                        double confidence) {
  const auto mean = [&](double a, double b) {
    return std::pow(a, 1 - confidence) * std::pow(b, confidence);
  };
  return {mean(far.low, near.low), mean(far.high, near.high)};
}

}  // namespace vitals
