// What a launcher is told of a layout: the keys of its configuration that the layout decides, and
// nothing else. One table of keys for each launcher; writing and reading go through it, so that
// what is written reads back as the same layout. Knows no file.
#pragma once

#include "plan/layout.h"

#include <string>
#include <string_view>
#include <vector>

namespace vitals::plan {

// A layout with the two sizes of the run that batches and stages are stated in.
struct LaunchedRun {
  Layout layout;
  double seq_len = 0;
  double layers = 0;
};

// "torchtitan", "megatron", "megatron-bridge", "deepspeed", "accelerate", "nanotron".
[[nodiscard]] std::vector<std::string> launchers();

// Why the launcher has no words for a layout, with the field that is missing; empty: it has them.
[[nodiscard]] std::string unexpressed(std::string_view launcher, const LaunchedRun& run);

// Its configuration. Throws Error where `unexpressed` is not empty.
[[nodiscard]] std::string launcher_config(std::string_view launcher, const LaunchedRun& run);

// The layout of such a text, of a model of so many layers. Keys that a layout does not decide are
// passed over. Throws Error that names the key.
[[nodiscard]] LaunchedRun launched_run(std::string_view launcher, const std::string& text,
                                       double layers);

}  // namespace vitals::plan
