// The built-in factors of training steps by framework (specs/plans.json, written by
// tools/calibrate/fit_plans and embedded in the program). Knows no formula.
#pragma once

#include "plan/step.h"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <vector>

namespace vitals::plan {

struct FrameworkFactors {
  std::string framework;  // empty: all frameworks together, for those that were not measured
  StepFactors factors;
  std::map<std::string, double> devices;  // time in that of the factors; 1 where nothing is stated
  double low = 0.7;                       // 80 % of measured / predicted times lie between these
  double high = 1.4;
  std::size_t layouts = 0;  // that it was fitted on

  [[nodiscard]] StepTime step_time(const StepWork& work, const std::string& device) const {
    const auto known = devices.find(device);
    return plan::step_time(work, factors, known == devices.end() ? 1 : known->second);
  }
};

[[nodiscard]] const std::vector<FrameworkFactors>& built_in_factors();
// Those of the framework, or of all together. One stands for all in an empty name.
[[nodiscard]] const FrameworkFactors& factors_of(const std::vector<FrameworkFactors>& all,
                                                 const std::string& framework);
[[nodiscard]] std::vector<FrameworkFactors> framework_factors_from(const nlohmann::json& value);
[[nodiscard]] nlohmann::ordered_json to_json(const std::vector<FrameworkFactors>& all);

}  // namespace vitals::plan
