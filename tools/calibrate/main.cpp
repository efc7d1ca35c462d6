// Fits specs/calibration.json to published measurements; `tools/dev calibrate` runs it.
// A third of the models never enters a fit; the errors are those on this third. The table of errors
// and the worst models go to standard error.
#include "core/error.h"
#include "published.h"
#include "runtime/statistics.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <set>

namespace vitals::calibrate {
namespace {

// A model on the machine of its run.
struct Sample {
  const Measured* model = nullptr;
  const latency::Setup* setup = nullptr;

  [[nodiscard]] latency::Sample observed() const { return {&model->observation, setup}; }
};

// Whose kernels the runs of one device had.
latency::Kernels kernels_of(const Run& run) {
  return run.setup.machine.kind == MachineKind::cpu ? latency::Kernels::cpu : latency::Kernels::gpu;
}

double log_error(const Sample& sample, const Factors& factors) {
  return latency::log_error(sample.observed(), factors);
}

Factors fit(const std::vector<Sample>& samples, latency::Kernels kernels) {
  std::vector<latency::Sample> observed;
  for (const auto& sample : samples) observed.push_back(sample.observed());
  return latency::fit(observed, kernels);
}

constexpr std::uint64_t kFolds = 5;

// The fold of a model within the fitted two thirds.
using Fold = std::uint64_t (*)(const std::string& model);
std::uint64_t by_name(const std::string& model) { return model_hash(model) / 3 % kFolds; }
// The same for all models whose names begin with one word: vit, deit3, swin.
std::uint64_t by_family(const std::string& model) {
  return by_name(model.substr(0, model.find('_')));
}

std::vector<Sample> samples(const Run& run, const std::function<bool(const Measured&)>& wanted) {
  std::vector<Sample> result;
  for (const auto& model : run.models)
    if (wanted(model)) result.push_back({&model, &run.setup});
  return result;
}

// measured / predicted samples per second of models that a fit on the others did not see: once with
// their families among the others, once without, for who asks may have a model of either kind.
std::vector<double> unseen_ratios(const Run& run) {
  std::vector<double> ratios;
  for (const Fold fold : {by_name, by_family})
    for (std::uint64_t f = 0; f < kFolds; ++f) {
      const auto part = [&](bool seen) {
        return samples(run, [&, seen](const Measured& m) {
          return !held_out(m.model) && (fold(m.model) != f) == seen;
        });
      };
      const auto factors = fit(part(true), kernels_of(run));
      for (const auto& sample : part(false)) ratios.push_back(std::exp(log_error(sample, factors)));
    }
  return ratios;
}

std::vector<double> percent_errors(const std::vector<Sample>& of, const Factors& factors) {
  std::vector<double> errors;
  for (const auto& sample : of)
    errors.push_back(100 * std::abs(std::exp(-log_error(sample, factors)) - 1));
  return errors;
}

// FLOPs alone, with the one efficiency that is best for these very models.
double flops_only(const std::vector<Sample>& of) {
  std::vector<double> rates;
  for (const auto& s : of) rates.push_back(s.model->flops / s.model->observation.seconds);
  const double rate = quantile(rates, 0.5);
  std::vector<double> errors;
  for (double r : rates) errors.push_back(100 * std::abs(rate / r - 1));
  return quantile(errors, 0.5);
}

void tell(const Calibration& c, const std::vector<Sample>& unseen) {
  std::fprintf(stderr, "%-52s %3zu/%3zu median %5.2f p90 %5.2f flops %5.2f range %.3f-%.3f\n",
               c.run.c_str(), c.errors.fitted_models, c.errors.models, c.errors.median,
               c.errors.p90, c.errors.flops_only, c.low, c.high);
  std::vector<std::pair<double, std::string>> worst;
  for (const auto& s : unseen) {
    const double e = std::exp(-log_error(s, c.factors)) - 1;
    worst.emplace_back(e, s.model->model);
  }
  std::sort(worst.begin(), worst.end(),
            [](const auto& a, const auto& b) { return std::abs(a.first) > std::abs(b.first); });
  for (std::size_t i = 0; i < std::min<std::size_t>(worst.size(), 5); ++i)
    std::fprintf(stderr, "    %+5.1f %% %s\n", 100 * worst[i].first, worst[i].second.c_str());
}

void calibrate(Run& run) {
  auto& c = run.calibration;
  const auto seen = samples(run, [](const Measured& m) { return !held_out(m.model); });
  const auto unseen = samples(run, [](const Measured& m) { return held_out(m.model); });
  c.factors = fit(seen, kernels_of(run));
  const auto errors = percent_errors(unseen, c.factors);
  c.errors = {seen.size(), unseen.size(), quantile(errors, 0.5), quantile(errors, 0.9),
              flops_only(unseen)};
  const auto ratios = unseen_ratios(run);
  c.low = quantile(ratios, 0.1);
  c.high = quantile(ratios, 0.9);
  tell(c, unseen);
}

// What devices of a kind have in common: one fit over the runs of all of them. Its errors are those
// on a device that no part of the fit saw.
// A family of one device borrows that part from `wider`.
Calibration common(const std::vector<const Run*>& family, const std::vector<const Run*>& wider,
                   const std::string& name) {
  const bool alone = std::all_of(family.begin(), family.end(), [&](const Run* run) {
    return run->calibration.device == family.front()->calibration.device;
  });
  const auto& runs = alone ? wider : family;
  const auto kernels = kernels_of(*runs.front()) == latency::Kernels::gpu
                           ? latency::Kernels::gpu
                           : latency::Kernels::any_cpu;
  std::set<std::string> devices;
  for (const auto* run : runs) devices.insert(run->calibration.device);
  std::vector<Sample> all;
  std::vector<double> ratios;
  std::vector<Sample> unseen;
  std::vector<double> errors;
  auto pick = [&](const std::string& device, bool of_device, bool held) {
    std::vector<Sample> result;
    for (const auto* run : runs)
      if ((run->calibration.device == device) == of_device)
        for (const auto& s :
             samples(*run, [&](const Measured& m) { return held_out(m.model) == held; }))
          result.push_back(s);
    return result;
  };
  for (const auto& device : devices) {
    const auto factors = fit(pick(device, false, false), kernels);
    for (const auto& s : pick(device, true, false))
      ratios.push_back(std::exp(log_error(s, factors)));
    for (const auto& s : pick(device, true, true)) {
      unseen.push_back(s);
      errors.push_back(100 * std::abs(std::exp(-log_error(s, factors)) - 1));
    }
  }
  auto c = family.front()->calibration;
  c.pytorch = "2.9.1";
  c.low_norms.clear();
  for (const auto* run : wider)
    c.batches = {std::min(c.batches.first, run->calibration.batches.first),
                 std::max(c.batches.second, run->calibration.batches.second)};
  c.run = name;
  c.device = name;
  for (const auto* run : family)
    for (const auto& s : samples(*run, [](const Measured& m) { return !held_out(m.model); }))
      all.push_back(s);
  c.factors = fit(all, kernels);
  c.errors = {all.size(), unseen.size(), quantile(errors, 0.5), quantile(errors, 0.9),
              flops_only(unseen)};
  c.low = quantile(ratios, 0.1);
  c.high = quantile(ratios, 0.9);
  tell(c, unseen);
  return c;
}

nlohmann::ordered_json all(std::vector<Run> runs) {
  auto table = nlohmann::ordered_json::array();
  for (auto& run : runs) {
    calibrate(run);
    table.push_back(to_json(run.calibration));
  }
  for (const char* name : {"gpu-half-rate", "gpu", "cpu"}) {
    std::vector<const Run*> family;
    std::vector<const Run*> wider;
    for (const auto& run : runs) {
      const auto of = family_of(run.setup.machine);
      if (run.calibration.training || run.calibration.channels_last) continue;
      if (of == name) family.push_back(&run);
      if ((of == "cpu") == (std::string_view(name) == "cpu")) wider.push_back(&run);
    }
    table.push_back(to_json(common(family, wider, name)));
  }
  return table;
}

}  // namespace
}  // namespace vitals::calibrate

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: calibrate RUNS.json LATENCY.csv > specs/calibration.json\n", stderr);
    return 2;
  }
  try {
    const auto table = vitals::calibrate::all(vitals::calibrate::load_runs(argv[1], argv[2]));
    std::string text = "[\n";
    for (std::size_t i = 0; i < table.size(); ++i)
      text += table[i].dump() + (i + 1 < table.size() ? ",\n" : "\n");
    std::printf("%s]\n", text.c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "calibrate: %s\n", error.what());
    return 1;
  }
}
