// One field of a config, from and to JSON. The only place that knows how the types of fields are
// written.
#pragma once

#include "models/field.h"

#include <nlohmann/json_fwd.hpp>

namespace vitals {

// Sets the field from JSON; throws Error without context ("expected an integer, got \"x\"").
void read_field(const Field& field, const FieldRef& ref, const nlohmann::json& value);

[[nodiscard]] nlohmann::ordered_json write_field(const Field& field, const FieldRef& ref);

// The field's part of the JSON schema: type, limits, choices, description.
[[nodiscard]] nlohmann::ordered_json field_schema(const Field& field, const FieldRef& defaults);

}  // namespace vitals
