#include "core/block_format.h"
#include "core/error.h"
#include "frontends/gguf/gguf.h"

#include <algorithm>
#include <array>

namespace vitals {
namespace {

// enum ggml_type (ggml.h). Numbers that are missing belong to types that were removed (4, 5, 31 to
// 33, 36 to 38: rows repacked for one processor).
struct GgmlType {
  std::uint32_t id;
  std::string_view name;
};
constexpr GgmlType kTypes[] = {
    {0, "F32"},     {1, "F16"},    {2, "Q4_0"},     {3, "Q4_1"},    {6, "Q5_0"},     {7, "Q5_1"},
    {8, "Q8_0"},    {9, "Q8_1"},   {10, "Q2_K"},    {11, "Q3_K"},   {12, "Q4_K"},    {13, "Q5_K"},
    {14, "Q6_K"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {20, "IQ4_NL"}, {21, "IQ3_S"}, {22, "IQ2_S"},   {23, "IQ4_XS"}, {24, "I8"},      {25, "I16"},
    {26, "I32"},    {27, "I64"},   {28, "F64"},     {29, "IQ1_M"},  {30, "BF16"},    {34, "TQ1_0"},
    {35, "TQ2_0"},  {39, "MXFP4"}, {40, "NVFP4"},   {41, "Q1_0"},
};

std::optional<DType> plain_type(std::string_view name) {
  if (name == "F64") return DType::f64;
  if (name == "F32") return DType::f32;
  if (name == "F16") return DType::f16;
  if (name == "BF16") return DType::bf16;
  if (name == "I8") return DType::i8;
  if (name == "I16") return DType::i16;
  if (name == "I32") return DType::i32;
  if (name == "I64") return DType::i64;
  return std::nullopt;
}

struct NumberedType {
  std::uint32_t id;
  ElementType type;
};

const std::vector<NumberedType>& numbered_types() {
  static const std::vector<NumberedType> all = [] {
    std::vector<NumberedType> made;
    for (const auto& t : kTypes) {
      const auto& format = block_format(t.name);
      ElementType type;
      type.name = format.name;
      type.bits = static_cast<unsigned>(8 * format.bytes);
      type.dtype = plain_type(t.name);
      type.floating = !type.dtype || is_floating(*type.dtype);
      type.block = static_cast<unsigned>(format.block);
      made.push_back({t.id, type});
    }
    return made;
  }();
  return all;
}

// enum llama_ftype (llama.h), without the ones that were removed.
struct FileType {
  std::uint64_t number;
  std::string_view name;
};
constexpr FileType kFileTypes[] = {
    {0, "F32"},      {1, "F16"},      {2, "Q4_0"},       {3, "Q4_1"},    {7, "Q8_0"},
    {8, "Q5_0"},     {9, "Q5_1"},     {10, "Q2_K"},      {11, "Q3_K_S"}, {12, "Q3_K_M"},
    {13, "Q3_K_L"},  {14, "Q4_K_S"},  {15, "Q4_K_M"},    {16, "Q5_K_S"}, {17, "Q5_K_M"},
    {18, "Q6_K"},    {19, "IQ2_XXS"}, {20, "IQ2_XS"},    {21, "Q2_K_S"}, {22, "IQ3_XS"},
    {23, "IQ3_XXS"}, {24, "IQ1_S"},   {25, "IQ4_NL"},    {26, "IQ3_S"},  {27, "IQ3_M"},
    {28, "IQ2_S"},   {29, "IQ2_M"},   {30, "IQ4_XS"},    {31, "IQ1_M"},  {32, "BF16"},
    {36, "TQ1_0"},   {37, "TQ2_0"},   {38, "MXFP4_MOE"}, {39, "NVFP4"},  {40, "Q1_0"},
};

}  // namespace

const ElementType* ggml_type(std::uint32_t id) {
  for (const auto& entry : numbered_types())
    if (entry.id == id) return &entry.type;
  return nullptr;
}

std::uint32_t ggml_type_id(std::string_view name) {
  for (const auto& entry : numbered_types())
    if (entry.type.name == name) return entry.id;
  fail("ggml has no type '{}'", name);
}

std::string_view gguf_file_type(std::uint64_t file_type) {
  for (const auto& type : kFileTypes)
    if (type.number == file_type) return type.name;
  return "";
}

}  // namespace vitals
