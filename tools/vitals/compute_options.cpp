#include "compute_options.h"

#include "core/error.h"

#include <fmt/core.h>

#include <utility>
#include <vector>

namespace vitals::cli {

std::unique_ptr<Engine> ComputeOptions::open_engine(int threads, bool pin) const {
  try {
    if (isa) cap_isa(*isa);
  } catch (const Error& error) {
    throw error.within(fmt::format("--isa {}", isa_name(*isa)));
  }
  return vitals::open_engine({backend, precision, threads, pin});
}

void add_compute_options(Command& c, ComputeOptions& o) {
  c.group = "Computing";
  std::vector<std::pair<std::string, const Backend*>> choices = {{"auto", nullptr}};
  std::string text = "auto (the fastest here)";
  for (const auto& backend : backends()) {
    choices.emplace_back(backend.name, &backend);
    text += fmt::format(", {} ({})", backend.name, backend.doc);
  }
  choices.emplace_back("eigen", &backends().front());
  text += fmt::format(", eigen (the former name of {})", backends().front().name);
  c.choice("--backend", o.backend, choices, text);
  c.choice<Element>("--precision", o.precision, {{"fp32", Element::kF32}, {"bf16", Element::kBf16}},
                    "fp32 or bf16: of weights and activations");
  std::vector<std::pair<std::string, std::optional<Isa>>> levels;
  for (const auto& set : instruction_sets()) levels.emplace_back(set.name, set.isa);
  c.choice<std::optional<Isa>>(
      "--isa", o.isa, levels,
      "Use no wider vector instructions than these, in oneDNN neither (all that the CPU has; "
      "VITALS_ISA in the environment does the same)");
  c.group = "Options";
}

}  // namespace vitals::cli
