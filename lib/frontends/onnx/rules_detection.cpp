// Ops of detectors and of text, whose results depend on data.
#include "frontends/onnx/rules.h"

#include <algorithm>
#include <array>

namespace vitals::onnx {
namespace {

// boxes [batch, n, 4], scores [batch, classes, n]: [kept, 3]. At most max_output_boxes_per_class
// of every class of every image.
Inferred non_max_suppression(const OpContext& c) {
  const auto& scores = c.dims(1);
  if (scores.size() != 3) fail("scores {} are not [batch, classes, boxes]", to_string(scores));
  std::int64_t each = scores[2];
  // Without the input, none: exporters always state it.
  if (c.has(2)) {
    const auto* stated = c.numbers(2);
    if (stated != nullptr && stated->integers.size() == 1)
      each = std::clamp<std::int64_t>(stated->integers[0], 0, each);
  } else {
    each = 0;
  }
  const auto kept = numel({scores[0], scores[1], each}).value();
  auto value = tensor(DataType::int64, {static_cast<std::int64_t>(kept), 3});
  value.bounded = true;
  return one(std::move(value));
}

Inferred string_normalizer(const OpContext& c) {
  auto r = same_as(c);
  r.outputs[0].bounded = true;
  return r;
}

Inferred tfidf(const OpContext& c) {
  Extents to = c.dims(0);
  const auto indexes = c.list("ngram_indexes");
  if (indexes.empty()) fail("ngram_indexes are missing");
  const auto width = *std::max_element(indexes.begin(), indexes.end()) + 1;
  if (to.empty()) to.push_back(1);
  to.back() = width;
  return one(tensor(DataType::float32, std::move(to)));
}

constexpr auto kRules = std::to_array<RuleEntry>({
    {"NonMaxSuppression", non_max_suppression},
    {"StringNormalizer", string_normalizer},
    {"TfIdfVectorizer", tfidf},
});

}  // namespace

RuleTable detection_rules() { return kRules; }

}  // namespace vitals::onnx
