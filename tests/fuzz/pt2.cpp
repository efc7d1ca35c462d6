// Exported programs: any bytes as an archive; and any JSON as the program in it.
#include "frontends/torch/pt2.h"

#include "frontends/spec/json_text.h"
#include "frontends/torch/model.h"
#include "fuzz/fuzz.h"
#include "fuzz/memory_file.h"

#include <nlohmann/json.hpp>

using namespace vitals;

void fuzz::target::pt2(std::string_view text) {
  static const MemoryFile file;
  fuzz::accept_or_refuse([&] {
    if (!text.starts_with('{')) {
      file.write(text);
      return fuzz::check_model(model_from_pt2(file.path(), "fuzz"));
    }
    std::vector<std::string> notes;
    const auto trace = torch::trace_from_exported(parse_json(text, "model.json"), notes);
    fuzz::check_model(model_from_trace(trace, "model.json"));
  });
}
