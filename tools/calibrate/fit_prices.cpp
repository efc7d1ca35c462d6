// Fits specs/prices.json to measured kernels; `tools/dev calibrate-prices FOLDER` runs it. FOLDER
// holds gemm.csv, attention_prefill.csv, attention_decode.csv, moe.csv and allreduce.csv. Errors on
// shapes that a fit did not see, and on devices that it did not see, go to standard error.
#include "core/error.h"
#include "frontends/devices/device_file.h"
#include "frontends/devices/price_file.h"
#include "frontends/spec/json_text.h"

#include <Eigen/Cholesky>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <sstream>

namespace vitals::prices {
namespace {

constexpr std::size_t kFolds = 5;
constexpr double kNoise = 0.03;        // variance of a measurement beside that of the correction
constexpr double kHuber = 0.1;         // errors above this count linearly
constexpr double kLargestError = 1.5;  // no single kernel bends its neighbours by more
constexpr double kNearSupport = 0.8;

struct Sample {
  Question question;
  std::string device;
  std::string framework;
  std::string dtype;
  std::size_t fold = 0;
  double us = 0;
};
using Samples = std::vector<const Sample*>;

using Row = std::map<std::string, std::string>;

std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> result;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) result.push_back(cell);
  return result;
}

std::vector<Row> read_csv(const std::string& path) {
  std::istringstream in(read_text(path));
  std::string line;
  std::getline(in, line);
  const auto header = cells(line);
  std::vector<Row> rows;
  while (std::getline(in, line)) {
    const auto values = cells(line);
    if (values.size() != header.size()) fail("{}: wrong number of cells: {}", path, line);
    auto& row = rows.emplace_back();
    for (std::size_t i = 0; i < header.size(); ++i) row[header[i]] = values[i];
  }
  return rows;
}

double number(const Row& row, const char* key) { return std::stod(row.at(key)); }

std::string format_name(const std::string& dtype) {
  if (dtype == "bfloat16") return "bf16";
  return dtype == "float16" ? "fp16" : dtype;
}

Question question(Family family, const Row& row) {
  Question q;
  q.family = family;
  q.format = find_format(format_name(row.at("dtype")));
  if (q.format == nullptr) fail("unknown dtype {}", row.at("dtype"));
  switch (family) {
    case Family::gemm:
      q.sizes = {number(row, "m"), number(row, "n"), number(row, "k")};
      break;
    case Family::prefill:
    case Family::decode: {
      const bool prompt = family == Family::prefill;
      const double keys = number(row, prompt ? "seq" : "kv_len");
      q.sizes = {number(row, "batch"),    number(row, "q_heads"), number(row, "kv_heads"),
                 number(row, "head_dim"), prompt ? keys : 1,      keys,
                 number(row, "window")};
      q.kv_bytes = row.at("kv_dtype") == "fp8" ? 1 : 2;
      break;
    }
    case Family::moe:
      q.sizes = {number(row, "tokens"), number(row, "hidden"),
                 number(row, "inter"),  number(row, "experts"),
                 number(row, "topk"),   number(row, "tp"),
                 number(row, "ep"),     row.at("routing") == "balanced" ? 0.0 : 1.2};
      break;
    case Family::allreduce:
      q.sizes = {number(row, "ranks"), number(row, "bytes"), row.at("mode") == "eager" ? 1.0 : 0.0};
  }
  return q;
}

// The same for all lines of one shape, so that a shape is held out on all devices at once; of
// experts, for all lines of one layer.
std::size_t fold_of(const Question& q) {
  std::string text;
  const std::size_t first = q.family == Family::moe ? 1 : 0;
  const std::size_t last = q.family == Family::moe ? 5 : kMaxSizes;
  for (auto i = first; i < last; ++i) text += fmt::format("{},", q.sizes[i]);
  return model_hash(text) % kFolds;
}

std::vector<Sample> samples(Family family, const std::string& folder) {
  std::vector<Sample> result;
  for (const auto& row : read_csv(fmt::format("{}/{}.csv", folder, spec_of(family).name))) {
    auto& s = result.emplace_back();
    s.question = question(family, row);
    s.device = row.at("gpu");
    s.framework = row.at("framework");
    s.dtype = family == Family::allreduce ? row.at("mode") : format_name(row.at("dtype"));
    s.fold = fold_of(s.question);
    s.us = number(row, "latency_us");
  }
  return result;
}

// --- factors: damped least squares on the logarithms (Levenberg 1944, Marquardt 1963)

class GroupFit {
 public:
  GroupFit(const Samples& samples, const Machine& machine)
      : samples_(samples), machine_(machine), spec_(spec_of(samples.front()->question.family)) {}

  Values run() const {
    Eigen::VectorXd x = Eigen::VectorXd::Zero(size());
    auto r = errors(x);
    double cost = loss(x, r);
    double damping = 1e-2;
    for (int i = 0; i < 40; ++i) {
      const Eigen::VectorXd y = x + step(x, r, damping);
      const auto ry = errors(y);
      const double cy = loss(y, ry);
      if (!(cy < cost)) {
        damping *= 4;
        if (damping > 1e6) break;
        continue;
      }
      const bool done = cost - cy < 1e-6 * cost;
      x = y;
      r = ry;
      cost = cy;
      damping = std::max(damping / 5, 1e-9);
      if (done) break;
    }
    return values(x);
  }

 private:
  [[nodiscard]] Eigen::Index size() const {
    return static_cast<Eigen::Index>(spec_.factors.size());
  }
  [[nodiscard]] Values values(const Eigen::VectorXd& x) const {
    Values result{};
    for (std::size_t i = 0; i < spec_.factors.size(); ++i)
      result[i] = spec_.factors[i].usual * std::exp(x(static_cast<Eigen::Index>(i)));
    return result;
  }
  [[nodiscard]] Eigen::VectorXd errors(const Eigen::VectorXd& x) const {
    const auto factors = values(x);
    Eigen::VectorXd r(static_cast<Eigen::Index>(samples_.size()));
    for (std::size_t i = 0; i < samples_.size(); ++i)
      r(static_cast<Eigen::Index>(i)) =
          std::log(physics_us(samples_[i]->question, machine_, factors) / samples_[i]->us);
    return r;
  }
  [[nodiscard]] double loss(const Eigen::VectorXd& x, const Eigen::VectorXd& r) const {
    double sum = 0;
    for (double e : r) {
      const double a = std::abs(e);
      sum += a < kHuber ? 0.5 * a * a : kHuber * (a - 0.5 * kHuber);
    }
    for (Eigen::Index i = 0; i < size(); ++i) sum += 0.5 * kPull * x(i) * x(i) / square_spread(i);
    return sum;
  }
  [[nodiscard]] Eigen::VectorXd step(const Eigen::VectorXd& x, const Eigen::VectorXd& r,
                                     double damping) const {
    constexpr double kSmall = 1e-3;
    Eigen::MatrixXd jacobian(r.size(), size());
    for (Eigen::Index i = 0; i < size(); ++i) {
      Eigen::VectorXd y = x;
      y(i) += kSmall;
      jacobian.col(i) = (errors(y) - r) / kSmall;
    }
    Eigen::VectorXd w(r.size());
    for (Eigen::Index s = 0; s < r.size(); ++s)
      w(s) = std::min(1.0, kHuber / std::max(std::abs(r(s)), 1e-12));
    Eigen::MatrixXd normal = jacobian.transpose() * w.asDiagonal() * jacobian;
    Eigen::VectorXd downhill = -(jacobian.transpose() * w.asDiagonal() * r);
    for (Eigen::Index i = 0; i < size(); ++i) {
      normal(i, i) += kPull / square_spread(i);
      downhill(i) -= kPull * x(i) / square_spread(i);
      normal(i, i) *= 1 + damping;
    }
    return normal.ldlt().solve(downhill);
  }
  [[nodiscard]] double square_spread(Eigen::Index i) const {
    const double spread = spec_.factors[static_cast<std::size_t>(i)].spread;
    return spread * spread;
  }

  static constexpr double kPull = 0.02;  // weight of what is usual, in measurements
  const Samples& samples_;
  const Machine& machine_;
  const FamilySpec& spec_;
};

// --- a device: factors by group, then the weights of the correction

void set_weights(DevicePrices& d, const Samples& of) {
  const auto n = static_cast<Eigen::Index>(of.size());
  Eigen::MatrixXd covariance(n, n);
  Eigen::VectorXd left(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto& a = d.points[static_cast<std::size_t>(i)];
    const auto& sample = *of[static_cast<std::size_t>(i)];
    left(i) = std::clamp(
        std::log(sample.us / physics_us(sample.question, d.machine, d.groups[a.group].factors)),
        -kLargestError, kLargestError);
    for (Eigen::Index j = 0; j <= i; ++j) {
      const auto& b = d.points[static_cast<std::size_t>(j)];
      covariance(i, j) = covariance(j, i) = similarity(
          d.family, a.sizes, d.groups[a.group], a.kv_bytes, b.sizes, d.groups[b.group], b.kv_bytes);
    }
    covariance(i, i) += kNoise;
  }
  const Eigen::VectorXd weights = covariance.llt().solve(left);
  for (Eigen::Index i = 0; i < n; ++i) d.points[static_cast<std::size_t>(i)].weight = weights(i);
}

DevicePrices fit_device(Family family, const std::string& device, const Samples& of) {
  DevicePrices d;
  d.family = family;
  d.device = device;
  d.machine = find_device(device)->machine;
  std::map<std::pair<std::string, std::string>, Samples> groups;
  for (const auto* s : of) groups[{s->framework, s->dtype}].push_back(s);
  Samples order;
  for (const auto& [key, members] : groups) {
    d.groups.push_back({key.first, key.second, GroupFit(members, d.machine).run()});
    for (const auto* s : members) {
      d.points.push_back({s->question.sizes, d.groups.size() - 1, s->question.kv_bytes, 0});
      order.push_back(s);
    }
  }
  set_weights(d, order);
  return d;
}

std::map<std::string, Samples> by_device(const std::vector<Sample>& all, std::size_t without_fold) {
  std::map<std::string, Samples> result;
  for (const auto& s : all)
    if (s.fold != without_fold) result[s.device].push_back(&s);
  return result;
}

// --- errors

struct Judged {
  const Sample* sample = nullptr;
  double log_error = 0;  // log(measured / predicted)
  double support = 0;
};

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

Spread spread_of(const std::vector<Judged>& judged) {
  std::vector<double> errors;
  for (const auto& j : judged) errors.push_back(j.log_error);
  return {quantile(errors, 0.1), quantile(errors, 0.9)};
}

void tell(const std::string& name, const std::vector<Judged>& judged) {
  std::map<std::string, std::vector<double>> errors;
  for (const auto& j : judged) {
    const double percent = 100 * std::abs(std::exp(-j.log_error) - 1);
    errors["all"].push_back(percent);
    errors[j.sample->framework + " " + j.sample->dtype].push_back(percent);
    if (j.sample->us > 20) errors["over 20 us"].push_back(percent);
  }
  std::fprintf(stderr, "%-40s", name.c_str());
  for (const auto& [key, list] : errors)
    std::fprintf(stderr, " | %s %zu: %.1f/%.1f", key.c_str(), list.size(), quantile(list, 0.5),
                 quantile(list, 0.9));
  std::fprintf(stderr, "\n");
}

std::size_t group_of(const DevicePrices& d, const Sample& s) {
  for (std::size_t g = 0; g < d.groups.size(); ++g)
    if (d.groups[g].framework == s.framework && d.groups[g].dtype == s.dtype) return g;
  return d.groups.size();
}

// Shapes that a fit on the others did not see, by device.
std::map<std::string, std::vector<Judged>> cross_validate(Family family,
                                                          const std::vector<Sample>& all) {
  std::map<std::string, std::vector<Judged>> result;
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    std::map<std::string, DevicePrices> fitted;
    for (const auto& [device, of] : by_device(all, fold))
      fitted[device] = fit_device(family, device, of);
    for (const auto& s : all) {
      if (s.fold != fold || fitted.count(s.device) == 0) continue;
      const auto& d = fitted[s.device];
      const auto group = group_of(d, s);
      if (group == d.groups.size()) continue;
      const auto e = estimate(d, group, s.question, d.machine, d.groups[group].factors);
      result[s.device].push_back({&s, std::log(s.us) - e.log_us, e.support});
    }
  }
  return result;
}

void set_spreads(DevicePrices& d, const std::vector<Judged>& judged) {
  constexpr std::size_t kEnough = 20;
  std::vector<Judged> near;
  std::vector<Judged> far;
  for (const auto& j : judged) (j.support >= kNearSupport ? near : far).push_back(j);
  d.near = spread_of(near.size() < kEnough ? judged : near);
  d.far = spread_of(far.size() < kEnough ? judged : far);
}

// Devices that a fit on the others did not see.
std::vector<Judged> unseen_devices(Family family, const std::vector<Sample>& all,
                                   const PriceList& list) {
  std::vector<Judged> result;
  for (const auto& [device, of] : by_device(all, kFolds)) {
    PriceList others;
    for (const auto& d : list.devices)
      if (d.family != family || d.device != device) others.devices.push_back(d);
    const auto machine = find_device(device)->machine;
    std::vector<Judged> judged;
    for (const auto* s : of) {
      const bool known =
          std::any_of(others.devices.begin(), others.devices.end(), [&](const DevicePrices& d) {
            if (d.family != family) return false;
            return std::any_of(d.groups.begin(), d.groups.end(), [&](const Group& g) {
              return g.framework == s->framework && g.dtype == s->dtype;
            });
          });
      if (!known || machine.link <= 0) continue;
      const auto p = price(others, s->question, machine, device, s->framework);
      judged.push_back({s, std::log(s->us / p.us), 0});
    }
    tell(fmt::format("{} unseen {}", spec_of(family).name, device), judged);
    if (device != "arc-b60") result.insert(result.end(), judged.begin(), judged.end());
  }
  return result;
}

void add_family(PriceList& list, Family family, const std::string& folder) {
  const auto all = samples(family, folder);
  auto judged = cross_validate(family, all);
  std::vector<Judged> pooled;
  for (const auto& [device, errors] : judged)
    pooled.insert(pooled.end(), errors.begin(), errors.end());
  for (const auto& [device, of] : by_device(all, kFolds)) {
    auto& d = list.devices.emplace_back(fit_device(family, device, of));
    // Where all of a device's shapes are held out together, those of all devices tell.
    const auto& errors = judged[device].empty() ? pooled : judged[device];
    set_spreads(d, errors);
    tell(fmt::format("{} {}", spec_of(family).name, device), errors);
  }
  tell(fmt::format("{} all", spec_of(family).name), pooled);
}

void set_unseen(PriceList& list, Family family, const std::string& folder) {
  const auto all = samples(family, folder);
  const auto unseen = unseen_devices(family, all, list);
  tell(fmt::format("{} unseen all", spec_of(family).name), unseen);
  list.unseen[static_cast<std::size_t>(family)] = spread_of(unseen);
}

}  // namespace
}  // namespace vitals::prices

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: fit_prices FOLDER [KERNEL...] > specs/prices.json\n", stderr);
    return 2;
  }
  try {
    vitals::prices::PriceList list;
    const std::vector<std::string> wanted(argv + 2, argv + argc);
    for (const auto family : vitals::prices::kFamilies) {
      const std::string name(vitals::prices::spec_of(family).name);
      if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end())
        vitals::prices::add_family(list, family, argv[1]);
    }
    for (const auto family : vitals::prices::kFamilies)
      vitals::prices::set_unseen(list, family, argv[1]);
    std::printf("%s\n", vitals::prices::to_json(list).dump().c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fit_prices: %s\n", error.what());
    return 1;
  }
}
