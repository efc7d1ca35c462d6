// Hugging Face configs: any text.
#include "spec/hf_config.h"

#include "fuzz/fuzz.h"
#include "spec/json_text.h"

#include <nlohmann/json.hpp>

using namespace vitals;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accept_or_refuse([&] {
    const auto json = parse_json(fuzz::text_of(data, size), "config.json");
    fuzz::check_model(model_from_hf_config(json, "config.json", "config", nullptr));
  });
  return 0;
}
