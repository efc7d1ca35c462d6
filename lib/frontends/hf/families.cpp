#include "frontends/hf/families.h"

#include "frontends/spec/builtin_specs.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace vitals {
namespace {

using nlohmann::json;

// Objects are merged key by key (null takes a key away), rules are added, the rest is replaced.
void take_over(json& family, const json& child) {
  for (const auto& [key, value] : child.items()) {
    auto& mine = family[key];
    if (key == "rules" || key == "ignored") {
      for (const auto& entry : value) mine.push_back(entry);
    } else if (value.is_object() && mine.is_object() && (key != "defaults" && key != "spec")) {
      mine.merge_patch(value);
    } else if (value.is_object() && mine.is_object()) {
      mine.update(value);
    } else {
      mine = value;
    }
  }
}

class Families {
 public:
  Families() {
    for (const auto& text : hf_family_texts()) {
      auto family = json::parse(text.json);
      stated_.emplace(std::string(text.name), std::move(family));
    }
    for (const auto& [name, family] : stated_) {
      if (name == "*" || family.contains("abstract")) continue;
      resolved_.emplace(name, resolve(name));
      for (const auto& other : entry_of(family, "model_types"))
        also_.emplace(other.get<std::string>(), name);
    }
  }

  const json* find(std::string_view name) const {
    const auto other = also_.find(std::string(name));
    const auto it = resolved_.find(other == also_.end() ? std::string(name) : other->second);
    return it == resolved_.end() ? nullptr : &it->second;
  }

  const std::map<std::string, json>& all() const { return resolved_; }

 private:
  json resolve(const std::string& name) const {
    const auto& own = stated_.at(name);
    json family = own.contains("like") ? resolve(own["like"].get<std::string>()) : json::object();
    // What names one family alone is not taken over.
    for (const auto* key : {"abstract", "classes", "model_types"}) family.erase(key);
    take_over(family, own);
    return family;
  }

  std::map<std::string, json> stated_;
  std::map<std::string, json> resolved_;
  std::map<std::string, std::string> also_;
};

const Families& families() {
  static const Families all;
  return all;
}

}  // namespace

const json& entry_of(const HfFamily& family, const char* key) {
  static const json none;
  const auto it = family.find(key);
  return it == family.end() ? none : *it;
}

const HfFamily* find_hf_family(std::string_view model_type) { return families().find(model_type); }

HfClass find_hf_class(std::string_view class_name) {
  for (const auto& [name, family] : families().all())
    for (const auto& prefix : entry_of(family, "classes")) {
      const auto text = prefix.get<std::string>();
      if (!class_name.starts_with(text)) continue;
      std::string head(class_name.substr(text.size()));
      if (family["heads"].contains(head)) return {&family, std::move(head)};
    }
  return {};
}

std::vector<std::string> hf_model_types() {
  std::vector<std::string> names;
  for (const auto& [name, family] : families().all())
    if (!family.contains("hidden")) names.push_back(name);
  return names;
}

}  // namespace vitals
