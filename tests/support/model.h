// Models as tests write them: a spec or a Hugging Face config as JSON.
#pragma once

#include "models/architecture.h"
#include "spec/hf_config.h"
#include "support/json.h"

namespace vitals::test {

[[nodiscard]] inline Model model(const nlohmann::json& description) {
  return model_from_json(description, "config.json", "test");
}

[[nodiscard]] inline Graph trace(const nlohmann::json& description,
                                 const BuildOptions& options = {}) {
  return model(description).build(options);
}

}  // namespace vitals::test
