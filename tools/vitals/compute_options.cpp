#include "compute_options.h"

namespace vitals::cli {

void add_compute_options(Command& c, ComputeOptions& o) {
  c.group = "Computing";
  c.choice<std::optional<Backend>>(
      "--backend", o.backend,
      {{"auto", std::nullopt}, {"eigen", Backend::kEigen}, {"onednn", Backend::kOnednn}},
      "auto (the fastest here), eigen (vitals' own kernels) or onednn");
  c.choice<Element>("--precision", o.precision, {{"fp32", Element::kF32}, {"bf16", Element::kBf16}},
                    "fp32 or bf16: of weights and activations");
  c.group = "Options";
}

}  // namespace vitals::cli
