#include "core/block_format.h"

#include "core/error.h"
#include "core/text.h"

namespace vitals {
namespace {

// Bytes of a block are those of ggml's structs: scales, minima and packed elements (ggml-common.h).
constexpr BlockFormat kFormats[] = {
    {"F64", 1, 8},
    {"F32", 1, 4},
    {"F16", 1, 2},
    {"BF16", 1, 2},
    {"I8", 1, 1},
    {"I16", 1, 2},
    {"I32", 1, 4},
    {"I64", 1, 8},
    {"Q1_0", 128, 2 + 16},
    {"Q4_0", 32, 2 + 16},
    {"Q4_1", 32, 2 + 2 + 16},
    {"Q5_0", 32, 2 + 4 + 16},
    {"Q5_1", 32, 2 + 2 + 4 + 16},
    {"Q8_0", 32, 2 + 32},
    {"Q8_1", 32, 2 + 2 + 32},
    {"Q2_K", 256, 16 + 64 + 2 + 2, "Q4_0"},
    {"Q3_K", 256, 32 + 64 + 12 + 2, "Q4_0"},
    {"Q4_K", 256, 2 + 2 + 12 + 128, "Q5_0"},
    {"Q5_K", 256, 2 + 2 + 12 + 32 + 128, "Q5_1"},
    {"Q6_K", 256, 128 + 64 + 16 + 2, "Q8_0"},
    {"Q8_K", 256, 4 + 256 + 32},
    {"IQ1_S", 256, 2 + 32 + 16, "IQ4_NL"},
    {"IQ1_M", 256, 32 + 16 + 8, "IQ4_NL"},
    {"IQ2_XXS", 256, 2 + 64, "IQ4_NL"},
    {"IQ2_XS", 256, 2 + 64 + 8, "IQ4_NL"},
    {"IQ2_S", 256, 2 + 64 + 8 + 8, "IQ4_NL"},
    {"IQ3_XXS", 256, 2 + 96, "IQ4_NL"},
    {"IQ3_S", 256, 2 + 64 + 8 + 32 + 4, "IQ4_NL"},
    {"IQ4_NL", 32, 2 + 16},
    {"IQ4_XS", 256, 2 + 2 + 4 + 128, "IQ4_NL"},
    {"TQ1_0", 256, 48 + 4 + 2, "Q4_0"},
    {"TQ2_0", 256, 64 + 2, "Q4_0"},
    {"MXFP4", 32, 1 + 16},
    {"NVFP4", 64, 4 + 32},
};

}  // namespace

std::span<const BlockFormat> block_formats() { return kFormats; }

const BlockFormat* find_block_format(std::string_view name) {
  for (const auto& format : kFormats)
    if (same_name(format.name, name)) return &format;
  return nullptr;
}

const BlockFormat& block_format(std::string_view name) {
  if (const auto* format = find_block_format(name)) return *format;
  fail("unknown block format '{}'", name);
}

}  // namespace vitals
