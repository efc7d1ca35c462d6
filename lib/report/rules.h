// `vitals rules`: the field's rules of thumb beside the exact figures. Formatting only.
#pragma once

#include "report/text/table.h"
#include "rules/field_rules.h"

#include <nlohmann/json_fwd.hpp>

namespace vitals {

// A formula as papers write it: "12lh^2 + 13lh" for 12 x l x h x h + 13 x l x h.
[[nodiscard]] std::string as_in_papers(const Formula& formula);

// The rules of parameters, FLOPs, memory and compute; and the types of layers.
[[nodiscard]] Table field_rules_table(const FieldRules& rules);
[[nodiscard]] Table layer_types_table(const FieldRules& rules);
[[nodiscard]] Table field_rules_numbers(const FieldRules& rules);
[[nodiscard]] nlohmann::ordered_json field_rules_json(const FieldRules& rules,
                                                      const std::string& model);

}  // namespace vitals
