// What a Hugging Face config must not state, whatever it describes: shapes that are not supported,
// values of another type than the library's, names that contradict each other.
#pragma once

#include "frontends/hf/families.h"
#include "frontends/hf/values.h"

#include <string>
#include <vector>

namespace vitals {

// Throws Error "/field: ...".
void check_hf_values(const HfValues& values, const HfFamily& family);

// Throws where a size goes by a name that the family does not read while the family's own field is
// absent: {"model_type": "llama", "dim": 512} is not a Llama of the default width.
void refuse_other_sizes(const HfValues& values, const HfFamily& family);

// Sizes that the config leaves to its class, as sentences: width and depth.
[[nodiscard]] std::vector<std::string> absent_sizes(const HfValues& values, const HfFamily& family);

// Fields that nobody knows, each with the known one that it may have been meant for:
// "hidden_sise (did you mean 'hidden_size'?)".
[[nodiscard]] std::vector<std::string> with_near_names(const std::vector<std::string>& unknown,
                                                       const HfFamily& family);

}  // namespace vitals
