// Small derivations that a family states as data: ["/", "hidden_size", 2]. An expression is a
// number, true, false, null, the name of a field (dots reach inside), {"is": VALUE} for a literal,
// or [OPERATOR, EXPRESSION...]. Knows no family.
#pragma once

#include "frontends/hf/values.h"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace vitals {

// The operators:
//   + - * /        of numbers; / of integers rounds down
//   %              remainder of integers
//   ratio          of two numbers, never rounded
//   sqrt, floor
//   == < >=        of two values; not, and, or (of flags; null is false)
//   ?              [?, CONDITION, THEN, ELSE]
//   first          the first value that is not null
//   stated         whether the config itself has the field
//   length         of a list or string
//   at             [at, LIST, INDEX]; null behind its end; one value stands for every index
//   in             [in, VALUE, LIST]
//   mentions       [mentions, WORD, FIELD]: whether a text or a list of texts has the word
//   layers         [layers, COUNT, EXPRESSION]: its value for every "$i" from 0
//   where          [where, COUNT, CONDITION]: the "$i" for which it is true
//   map            [map, LIST or STRING, {"from": to, ...}] entry by entry
// Throws Error "/field: ..." where a field has a value of another type, std::out_of_range for an
// operator that does not exist: a fault in our own table.
[[nodiscard]] nlohmann::json derived(const nlohmann::json& expression, const HfValues& values);

}  // namespace vitals
