#include "frontends/hf/keys.h"

#include <nlohmann/json.hpp>

namespace vitals {
namespace {

using nlohmann::json;

std::string with_base(const json& pattern, const std::string& base) {
  auto text = pattern.get<std::string>();
  return text.starts_with("~.") ? base + text.substr(2) : text;
}

KeyRule rule_of(const std::string& trace, const json& stored, const std::string& base) {
  KeyRule rule{trace, {}};
  if (stored.is_string())
    rule.stored.push_back(with_base(stored, base));
  else
    for (const auto& part : stored) rule.stored.push_back(with_base(part, base));
  return rule;
}

}  // namespace

std::shared_ptr<const CheckpointKeys> hf_checkpoint_keys(const HfFamily& family,
                                                         const std::string& head) {
  const bool bare = head.starts_with("Model");
  const auto base =
      bare || !family.contains("base") ? std::string() : family["base"].get<std::string>() + ".";
  auto rules = entry_of(family, "keys");
  if (const auto& heads = entry_of(family, "keys_of_head"); heads.contains(head))
    rules.update(heads[head]);
  auto keys = std::make_shared<CheckpointKeys>();
  for (const auto& [trace, stored] : rules.items())
    keys->rules.push_back(rule_of(trace, stored, base));
  for (const auto& pattern : entry_of(family, "keys_left_out"))
    keys->left_out.push_back(with_base(pattern, base));
  if (keys->rules.empty() && keys->left_out.empty()) return nullptr;
  return keys;
}

}  // namespace vitals
