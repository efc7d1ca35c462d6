// Recorded forward calls: any text that may be a trace.
#include "frontends/spec/json_text.h"
#include "frontends/torch/model.h"
#include "fuzz/fuzz.h"

#include <nlohmann/json.hpp>

using namespace vitals;

void fuzz::target::trace(std::string_view text) {
  fuzz::accept_or_refuse([&] {
    const auto json = parse_json(text, "trace.json");
    fuzz::check_model(model_from_trace_json(json, "trace.json"));
  });
}
