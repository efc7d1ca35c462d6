// Which family and which head a Hugging Face config describes: by its model_type, else by its
// class, else by the text part that it holds. Knows no fields of families.
#pragma once

#include "frontends/hf/families.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace vitals {

struct HfKind {
  const HfFamily* family = nullptr;
  std::string head;                        // "ForCausalLM"
  std::vector<std::string> notes = {};     // what was assumed
  std::vector<std::string> left_out = {};  // what no count contains
};

// `path` is where the config stands in its file, for messages: "" or "/text_config". Throws Error
// "/model_type: ..." or "/architectures: ..." with what would work.
[[nodiscard]] HfKind kind_of_config(const nlohmann::json& config, const std::string& path);

// The config as one of another model_type, with its class where that type has it.
[[nodiscard]] nlohmann::json read_as(nlohmann::json config, const std::string& model_type);

// The first of the fields that hold the text part of a config of several parts; empty: none.
[[nodiscard]] std::string text_part_of(const nlohmann::json& config);

}  // namespace vitals
