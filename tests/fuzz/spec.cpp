// Specs: any text.
#include "frontends/spec/spec.h"

#include "frontends/spec/json_text.h"
#include "fuzz/fuzz.h"

#include <nlohmann/json.hpp>

using namespace vitals;

void fuzz::target::spec(std::string_view text) {
  fuzz::accept_or_refuse([&] {
    const auto json = parse_json(text, "spec.json");
    fuzz::check_model(model_from_spec(json, "spec.json", "spec"));
  });
}
