#include "compute_options.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

namespace vitals::cli {

void add_compute_options(Command& c, ComputeOptions& o) {
  c.group = "Computing";
  std::vector<std::pair<std::string, const Backend*>> choices = {{"auto", nullptr}};
  std::string text = "auto (the fastest here)";
  for (const auto& backend : backends()) {
    choices.emplace_back(backend.name, &backend);
    text += fmt::format(", {} ({})", backend.name, backend.doc);
  }
  c.choice("--backend", o.backend, choices, text);
  c.choice<Element>("--precision", o.precision, {{"fp32", Element::kF32}, {"bf16", Element::kBf16}},
                    "fp32 or bf16: of weights and activations");
  c.group = "Options";
}

}  // namespace vitals::cli
