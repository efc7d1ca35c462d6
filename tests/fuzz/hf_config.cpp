// Hugging Face configs: any text.
#include "frontends/hf/config.h"
#include "frontends/spec/json_text.h"
#include "fuzz/fuzz.h"

#include <nlohmann/json.hpp>

using namespace vitals;

void fuzz::target::hf_config(std::string_view text) {
  fuzz::accept_or_refuse([&] {
    const auto json = parse_json(text, "config.json");
    fuzz::check_model(model_from_hf_config(json, "config.json", "config", nullptr));
  });
}
