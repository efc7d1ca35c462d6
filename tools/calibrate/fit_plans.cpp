// Fits specs/plans.json to the step times of published training runs; `tools/dev fit-plans
// LAYOUTS.csv` runs it. Errors on models that a fit did not see go to standard error.
#include "core/error.h"
#include "frontends/devices/device_file.h"
#include "frontends/devices/plan_file.h"
#include "frontends/devices/price_file.h"
#include "frontends/spec/json_text.h"
#include "plan/layout_table.h"

#include <Eigen/Cholesky>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

namespace vitals::plan {
namespace {

constexpr double kHuber = 0.1;
constexpr std::uint64_t kFolds = 4;

struct Sample {
  std::string id;
  std::string framework;
  std::string device;
  std::string source;
  std::string group;
  StepWork work;
  double seconds = 0;
  double weight = 1;  // runs of one layout count as one
  std::uint64_t fold = 0;
};

std::vector<Sample> samples(const std::string& file) {
  const auto table = parse_csv(read_text(file, 64 << 20), file);
  const auto cell = [&](std::size_t row, const char* column) {
    return table.rows[row][table.column(column)];
  };
  std::vector<Sample> result;
  std::map<std::string, int> times;
  std::vector<std::string> keys;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const auto time =
        cell(row, "step_time_ms").empty() ? cell(row, "x_step_time_ms") : cell(row, "step_time_ms");
    if (time.empty() || cell(row, "outcome") != "ok" || cell(row, "group") == "ci" ||
        cell(row, "task") == "lora" || cell(row, "check").starts_with("INCONSISTENT"))
      continue;
    try {
      const auto run = planned_run(table, row);
      const auto* device = find_device(run.device);
      if (device == nullptr) fail("unknown device {}", run.device);
      Sample s;
      s.id = run.id;
      s.framework = run.layout.framework;
      s.device = run.device;
      s.source = cell(row, "source");
      s.group = cell(row, "group");
      s.work = step_work(run.model, run.layout, device->machine, device->name, prices::built_in());
      s.seconds = std::stod(time) / 1e3;
      s.fold = model_hash(run.model.name) % kFolds;
      std::string key;
      for (const char* column : {"model", "gpu", "num_gpus", "dp", "tp", "pp", "vpp", "cp", "ep",
                                 "micro_batch", "recompute", "seq_len"})
        key += cell(row, column) + ",";
      keys.push_back(key);
      ++times[key];
      result.push_back(s);
    } catch (const Error& error) {
      std::fprintf(stderr, "%s: %s\n", cell(row, "id").c_str(), error.what());
    }
  }
  for (std::size_t i = 0; i < result.size(); ++i) result[i].weight = 1.0 / times[keys[i]];
  return result;
}

using Of = std::vector<const Sample*>;

class PlanFit {
 public:
  PlanFit(const Of& samples, StepFactors usual, double pull)
      : samples_(samples), usual_(usual), pull_(pull) {}

  // The factors, and how well they fit.
  std::pair<StepFactors, double> run() const {
    Eigen::VectorXd x = Eigen::VectorXd::Zero(kSize);
    double cost = loss(x);
    double damping = 1e-2;
    for (int i = 0; i < 60 && damping < 1e8; ++i) {
      const Eigen::VectorXd y = x + step(x, damping);
      const double cy = loss(y);
      if (!(cy < cost)) {
        damping *= 4;
        continue;
      }
      const bool done = cost - cy < 1e-7 * cost;
      x = y;
      cost = cy;
      damping = std::max(damping / 5, 1e-9);
      if (done) break;
    }
    return {factors(x), cost};
  }

 private:
  static constexpr Eigen::Index kSize = 12;
  [[nodiscard]] StepFactors factors(const Eigen::VectorXd& x) const {
    StepFactors f = usual_;
    Eigen::Index i = 0;
    for (const auto& field : step_factor_fields())
      f.*field.member = usual_.*field.member * std::exp(std::clamp(x(i++), -4.0, 4.0));
    f.link = std::min(f.link, 1.0);  // no faster than the data sheet
    f.network = std::min(f.network, 1.0);
    return f;
  }
  [[nodiscard]] Eigen::VectorXd errors(const Eigen::VectorXd& x) const {
    const auto f = factors(x);
    Eigen::VectorXd r(static_cast<Eigen::Index>(samples_.size()));
    for (std::size_t i = 0; i < samples_.size(); ++i)
      r(static_cast<Eigen::Index>(i)) =
          std::log(step_time(samples_[i]->work, f).seconds() / samples_[i]->seconds);
    return r;
  }
  [[nodiscard]] double prior(const Eigen::VectorXd& x, Eigen::Index i) const {
    return x(i) / step_factor_fields()[static_cast<std::size_t>(i)].spread;
  }
  [[nodiscard]] double loss(const Eigen::VectorXd& x) const {
    const auto r = errors(x);
    double sum = 0;
    for (Eigen::Index i = 0; i < r.size(); ++i) {
      const double a = std::abs(r(i));
      sum += samples_[static_cast<std::size_t>(i)]->weight *
             (a < kHuber ? 0.5 * a * a : kHuber * (a - 0.5 * kHuber));
    }
    for (Eigen::Index i = 0; i < kSize; ++i) sum += 0.5 * pull_ * prior(x, i) * prior(x, i);
    return sum;
  }
  [[nodiscard]] Eigen::VectorXd step(const Eigen::VectorXd& x, double damping) const {
    constexpr double kSmall = 1e-3;
    const auto r = errors(x);
    Eigen::MatrixXd jacobian(r.size(), kSize);
    for (Eigen::Index i = 0; i < kSize; ++i) {
      Eigen::VectorXd y = x;
      y(i) += kSmall;
      jacobian.col(i) = (errors(y) - r) / kSmall;
    }
    Eigen::VectorXd w(r.size());
    for (Eigen::Index i = 0; i < r.size(); ++i)
      w(i) = samples_[static_cast<std::size_t>(i)]->weight *
             std::min(1.0, kHuber / std::max(std::abs(r(i)), 1e-12));
    Eigen::MatrixXd normal = jacobian.transpose() * w.asDiagonal() * jacobian;
    Eigen::VectorXd downhill = -(jacobian.transpose() * w.asDiagonal() * r);
    for (Eigen::Index i = 0; i < kSize; ++i) {
      const double spread = step_factor_fields()[static_cast<std::size_t>(i)].spread;
      normal(i, i) += pull_ / (spread * spread);
      downhill(i) -= pull_ * prior(x, i) / spread;
      normal(i, i) *= 1 + damping;
    }
    return normal.ldlt().solve(downhill);
  }

  const Of& samples_;
  StepFactors usual_;
  double pull_;
};

double quantile(std::vector<std::pair<double, double>> values, double share) {  // value, weight
  std::sort(values.begin(), values.end());
  double all = 0;
  for (const auto& [value, weight] : values) all += weight;
  double sum = 0;
  for (const auto& [value, weight] : values) {
    sum += weight;
    if (sum >= share * all) return value;
  }
  return values.empty() ? 0 : values.back().first;
}

// The middle of what is left over on each device, drawn to nothing where few layouts tell it.
void set_devices(FrameworkFactors& one, const Of& of) {
  constexpr double kDoubt = 3;
  std::map<std::string, std::vector<std::pair<double, double>>> left;
  for (const auto* s : of)
    left[s->device].emplace_back(std::log(s->seconds / step_time(s->work, one.factors).seconds()),
                                 s->weight);
  for (const auto& [device, errors] : left) {
    const auto n = static_cast<double>(errors.size());
    one.devices[device] = std::exp(quantile(errors, 0.5) * n / (n + kDoubt));
  }
}

// All frameworks together, then each beside them.
std::vector<FrameworkFactors> fit(const Of& of) {
  constexpr double kPull = 0.02;
  constexpr std::size_t kEnough = 3;
  std::map<std::string, Of> by_framework;
  for (const auto* s : of) by_framework[s->framework].push_back(s);
  std::vector<FrameworkFactors> all(1);
  // Every framework counts alike where nothing is known of the next one.
  std::vector<Sample> balanced;
  for (const auto* s : of) {
    balanced.push_back(*s);
    balanced.back().weight *= 40.0 / static_cast<double>(by_framework[s->framework].size());
  }
  Of pooled;
  for (const auto& s : balanced) pooled.push_back(&s);
  all[0].factors = PlanFit(pooled, {}, kPull).run().first;
  all[0].factors.scale_gpus = StepFactors().scale_gpus;
  all[0].layouts = of.size();
  for (const auto& [framework, members] : by_framework) {
    if (members.size() < kEnough) continue;
    auto& one = all.emplace_back();
    one.framework = framework;
    // Stragglers begin at so many GPUs that others tell nothing of: two beginnings, the better one.
    auto crowded = all[0].factors;
    crowded.scale_gpus = 600;
    const auto as_others = PlanFit(members, all[0].factors, kPull).run();
    const auto as_crowded = PlanFit(members, crowded, kPull).run();
    constexpr double kClearly = 0.85;
    const bool crowds = as_crowded.second < kClearly * as_others.second;
    one.factors = (crowds ? as_crowded : as_others).first;
    one.layouts = members.size();
  }
  for (auto& one : all) set_devices(one, one.framework.empty() ? of : by_framework[one.framework]);
  return all;
}

using Judged = std::vector<std::pair<const Sample*, double>>;  // measured / predicted

void tell(const std::string& name, const Judged& judged) {
  std::vector<std::pair<double, double>> errors;
  for (const auto& [s, ratio] : judged)
    errors.emplace_back(100 * std::abs(1 / ratio - 1), s->weight);
  std::fprintf(stderr, "%-34s %5zu  median %5.1f  p90 %6.1f\n", name.c_str(), judged.size(),
               quantile(errors, 0.5), quantile(errors, 0.9));
}

void tell_all(const std::string& title, const Judged& judged) {
  std::fprintf(stderr, "%s\n", title.c_str());
  std::map<std::string, Judged> parts;
  for (const auto& one : judged) {
    parts["source " + one.first->source].push_back(one);
    parts[one.first->group == "moe" ? "moe" : "not moe"].push_back(one);
    parts["all"].push_back(one);
  }
  for (const auto& [name, part] : parts) tell("  " + name, part);
}

Judged judged(const Of& of, const std::vector<FrameworkFactors>& all) {
  Judged result;
  for (const auto* s : of)
    result.emplace_back(
        s, s->seconds / factors_of(all, s->framework).step_time(s->work, s->device).seconds());
  return result;
}

void set_ranges(std::vector<FrameworkFactors>& all, const Judged& unseen) {
  for (auto& one : all) {
    std::vector<std::pair<double, double>> ratios;
    for (const auto& [s, ratio] : unseen)
      if (one.framework.empty() || s->framework == one.framework)
        ratios.emplace_back(ratio, s->weight);
    if (ratios.empty()) continue;
    one.low = quantile(ratios, 0.1);
    one.high = quantile(ratios, 0.9);
  }
}

void run(const char* file) {
  const auto all = samples(file);
  Of everything;
  for (const auto& s : all) everything.push_back(&s);
  Judged unseen;
  for (std::uint64_t fold = 0; fold < kFolds; ++fold) {
    Of seen;
    Of rest;
    for (const auto& s : all) (s.fold == fold ? rest : seen).push_back(&s);
    const auto part = judged(rest, fit(seen));
    unseen.insert(unseen.end(), part.begin(), part.end());
  }
  auto factors = fit(everything);
  tell_all("fitted", judged(everything, factors));
  tell_all("unseen models", unseen);
  set_ranges(factors, unseen);
  std::string text = "[\n";
  const auto json = to_json(factors);
  for (std::size_t i = 0; i < json.size(); ++i)
    text += json[i].dump() + (i + 1 < json.size() ? ",\n" : "\n");
  std::printf("%s]\n", text.c_str());
}

}  // namespace
}  // namespace vitals::plan

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: fit_plans LAYOUTS.csv > specs/plans.json\n", stderr);
    return 2;
  }
  try {
    vitals::plan::run(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fit_plans: %s\n", error.what());
    return 1;
  }
}
