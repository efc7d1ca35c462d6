// Fits specs/calibration.json to published measurements; `tools/dev calibrate` runs it.
// A third of the models never enters a fit; the errors are those on this third. The table of errors
// and the worst models go to standard error.
#include "core/error.h"
#include "published.h"
#include "runtime/measure/statistics.h"

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

Neighbour neighbour(const Sample& sample, const Factors& factors) {
  return latency::neighbour(sample.observed(), factors, sample.model->model, sample.model->batch);
}

Factors fit(const std::vector<Sample>& samples, latency::Kernels kernels) {
  std::vector<latency::Sample> observed;
  for (const auto& sample : samples) observed.push_back(sample.observed());
  return latency::fit(observed, kernels);
}

std::vector<Neighbour> neighbours(const std::vector<Sample>& samples, const Factors& factors) {
  std::vector<Neighbour> result;
  for (const auto& sample : samples) result.push_back(neighbour(sample, factors));
  return result;
}

// A sample that is predicted with the factors and neighbours of others.
struct Judged {
  std::string model;
  double log_error = 0;  // log(predicted / measured time)
  double confidence = 0;

  // Of the predicted samples per second.
  [[nodiscard]] double percent() const { return 100 * (std::exp(-log_error) - 1); }
};
Judged judge(const Sample& sample, const Factors& factors,
             const std::vector<Neighbour>& neighbours) {
  const auto own = neighbour(sample, factors);
  const auto adjusted = latency::adjustment(own.profile, neighbours);
  return {own.model, own.log_error - adjusted.log_error, adjusted.confidence};
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

// Models that a fit on the others did not see: once with their families among the others, once
// without, for who asks may have a model of either kind.
std::vector<Judged> judged_by_others(const Run& run) {
  std::vector<Judged> result;
  for (const Fold fold : {by_name, by_family})
    for (std::uint64_t f = 0; f < kFolds; ++f) {
      const auto part = [&](bool seen) {
        return samples(run, [&, seen](const Measured& m) {
          return !held_out(m.model) && (fold(m.model) != f) == seen;
        });
      };
      const auto factors = fit(part(true), kernels_of(run));
      const auto known = neighbours(part(true), factors);
      for (const auto& sample : part(false)) result.push_back(judge(sample, factors, known));
    }
  return result;
}

double quantile_of_errors(const std::vector<Judged>& cases, double share) {
  std::vector<double> errors;
  for (const auto& one : cases) errors.push_back(std::abs(one.percent()));
  return quantile(errors, share);
}

// Where 80 % of measured / predicted samples per second lie.
ThroughputRange range_of(const std::vector<Judged>& cases) {
  std::vector<double> ratios;
  for (const auto& one : cases) ratios.push_back(std::exp(one.log_error));
  return {quantile(ratios, 0.1), quantile(ratios, 0.9)};
}

// The ranges far from neighbours and among them. Each wants enough cases to tell it by.
void set_ranges(Calibration& c, const std::vector<Judged>& cases) {
  constexpr std::size_t kEnough = 20;
  std::vector<Judged> far;
  std::vector<Judged> near;
  for (const auto& one : cases) (one.confidence < 0.5 ? far : near).push_back(one);
  c.range = range_of(far.size() < kEnough ? cases : far);
  c.near_range = range_of(near.size() < kEnough ? cases : near);
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

void tell(const Calibration& c, std::vector<Judged> unseen) {
  std::fprintf(stderr,
               "%-52s %3zu/%3zu median %5.2f p90 %5.2f flops %5.2f range %.3f-%.3f near "
               "%.3f-%.3f\n",
               c.run.c_str(), c.errors.fitted_models, c.errors.models, c.errors.median,
               c.errors.p90, c.errors.flops_only, c.range.low, c.range.high, c.near_range.low,
               c.near_range.high);
  std::sort(unseen.begin(), unseen.end(), [](const Judged& a, const Judged& b) {
    return std::abs(a.percent()) > std::abs(b.percent());
  });
  unseen.resize(std::min<std::size_t>(unseen.size(), 5));
  for (const auto& one : unseen)
    std::fprintf(stderr, "    %+5.1f %% %s\n", one.percent(), one.model.c_str());
}

// Errors and ranges from samples that no fit has seen, and from those that say how far to trust it.
void set_errors(Calibration& c, std::size_t fitted, const std::vector<Sample>& unseen,
                const std::vector<Judged>& judged, const std::vector<Judged>& for_range) {
  c.errors = {fitted, unseen.size(), quantile_of_errors(judged, 0.5),
              quantile_of_errors(judged, 0.9), flops_only(unseen)};
  set_ranges(c, for_range);
  tell(c, judged);
}

void calibrate(Run& run) {
  auto& c = run.calibration;
  const auto seen = samples(run, [](const Measured& m) { return !held_out(m.model); });
  const auto unseen = samples(run, [](const Measured& m) { return held_out(m.model); });
  c.factors = fit(seen, kernels_of(run));
  c.neighbours = neighbours(seen, c.factors);
  std::vector<Judged> judged;
  for (const auto& sample : unseen) judged.push_back(judge(sample, c.factors, c.neighbours));
  set_errors(c, seen.size(), unseen, judged, judged_by_others(run));
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
  std::vector<Sample> unseen;
  std::vector<Judged> judged;
  std::vector<Judged> for_range;
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
    for (const auto& s : pick(device, true, false)) for_range.push_back(judge(s, factors, {}));
    for (const auto& s : pick(device, true, true)) {
      unseen.push_back(s);
      judged.push_back(judge(s, factors, {}));
    }
  }
  auto c = family.front()->calibration;
  c.pytorch = "2.9.1";
  c.low_norms.clear();
  c.neighbours.clear();
  for (const auto* run : wider)
    c.batches = {std::min(c.batches.first, run->calibration.batches.first),
                 std::max(c.batches.second, run->calibration.batches.second)};
  c.run = name;
  c.device = name;
  for (const auto* run : family)
    for (const auto& s : samples(*run, [](const Measured& m) { return !held_out(m.model); }))
      all.push_back(s);
  c.factors = fit(all, kernels);
  set_errors(c, all.size(), unseen, judged, for_range);
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
