#include "frontends/hf/values.h"

#include "core/error.h"
#include "frontends/spec/json_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitals {
namespace {

using nlohmann::json;

const json& null_value() {
  static const json null;
  return null;
}

}  // namespace

HfValues::HfValues(json fields, json defaults, std::string path)
    : fields_(std::make_shared<const json>(std::move(fields))),
      defaults_(std::make_shared<const json>(std::move(defaults))),
      path_(std::move(path)) {
  if (!fields_->is_object()) fail("{}: expected an object, got {}", path_, brief(*fields_));
}

namespace {

// The value under a name with dots, "attn_config.kv_n_heads"; null when there is none.
const json* inside(const json& fields, const std::string& key) {
  if (const auto it = fields.find(key); it != fields.end()) return &*it;
  const auto dot = key.find('.');
  if (dot == std::string::npos) return nullptr;
  const auto outer = fields.find(key.substr(0, dot));
  if (outer == fields.end() || !outer->is_object()) return nullptr;
  return inside(*outer, key.substr(dot + 1));
}

}  // namespace

void HfValues::know(const std::string& key) const { asked_.insert(key.substr(0, key.find('.'))); }

const json& HfValues::at(const std::string& key) const {
  know(key);
  if (const auto* stated = inside(*fields_, key)) return *stated;
  if (const auto it = defaults_->find(key); it != defaults_->end()) return *it;
  return null_value();
}

bool HfValues::has(const std::string& key) const { return !at(key).is_null(); }

bool HfValues::stated(const std::string& key) const {
  know(key);
  return inside(*fields_, key) != nullptr;
}

void HfValues::refuse(const std::string& key, const std::string& why) const {
  auto pointer = key;
  std::replace(pointer.begin(), pointer.end(), '.', '/');
  fail("{}/{}: {}", path_, pointer, why);
}

std::uint64_t HfValues::integer(const std::string& key) const {
  const auto x = number(key);
  if (x < 0 || x != std::floor(x) || x > 1e15)
    refuse(key, "expected a count, got " + brief(at(key)));
  return static_cast<std::uint64_t>(x);
}

double HfValues::number(const std::string& key) const {
  const auto& value = at(key);
  if (!value.is_number()) refuse(key, "expected a number, got " + brief(value));
  return value.get<double>();
}

bool HfValues::flag(const std::string& key) const {
  const auto& value = at(key);
  if (value.is_null()) return false;
  if (!value.is_boolean()) refuse(key, "expected true or false, got " + brief(value));
  return value.get<bool>();
}

HfValues HfValues::part(const std::string& key) const {
  const auto& value = at(key);
  if (!value.is_object()) refuse(key, "expected an object, got " + brief(value));
  return {value, json::object(), path_ + "/" + key};
}

std::vector<std::string> HfValues::unknown() const {
  std::vector<std::string> names;
  for (const auto& field : fields_->items())
    if (!asked_.contains(field.key())) names.push_back(field.key());
  return names;
}

}  // namespace vitals
