// A diffusion pipeline: the models that a folder's model_index.json names, each in a folder of its
// own, as one model whose parts are modules. A part is described once, whatever the number of
// denoising steps.
#pragma once

#include "models/architecture.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

inline constexpr const char* kPipelineFile = "model_index.json";

// An object like {"_class_name": "FluxPipeline", "vae": ["diffusers", "AutoencoderKL"], ...}.
[[nodiscard]] bool is_pipeline(const nlohmann::json& description);

// `file` is the path of a model_index.json. Schedulers, tokenizers and processors are no models; a
// part whose type is unknown is told as left out. Throws Error naming the file and the place.
[[nodiscard]] Model model_from_pipeline(const nlohmann::json& index, const std::string& file,
                                        const std::string& name);

// What `vitals spec` writes of a pipeline: {"architecture": "pipeline", "parts": {NAME: spec}}.
[[nodiscard]] bool is_pipeline_spec(const nlohmann::json& description);
[[nodiscard]] Model model_from_pipeline_spec(const nlohmann::json& spec, const std::string& source,
                                             const std::string& fallback_name);

}  // namespace vitals
