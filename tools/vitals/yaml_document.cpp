#include "yaml_document.h"

#include "core/error.h"

#include <nlohmann/json.hpp>

#ifdef VITALS_WITH_YAML
#include <yaml-cpp/yaml.h>
#endif

namespace vitals::cli {

#ifndef VITALS_WITH_YAML

nlohmann::ordered_json yaml_document(const std::string&, const std::string& source, YamlPlaces&) {
  fail("{}: is no JSON, and this vitals was built without yaml-cpp: write it as JSON", source);
}

#else

namespace {

using nlohmann::ordered_json;

// Anchors make small files large.
constexpr std::size_t kMostYamlValues = 1'000'000;
constexpr std::size_t kMostYamlLevels = 64;

std::string place_of(const YAML::Mark& mark) {
  return fmt::format("line {}, column {}", mark.line + 1, mark.column + 1);
}

// A plain scalar as JSON reads it: numbers that JSON has, and the words of the core schema.
ordered_json plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const auto number = ordered_json::parse(text, nullptr, false);
  return number.is_number() ? number : ordered_json(text);
}

class YamlReader {
 public:
  YamlReader(const std::string& source, YamlPlaces& places) : source_(source), places_(places) {}

  ordered_json read(const YAML::Node& node, const std::string& pointer, std::size_t level) {
    places_.emplace(pointer, place_of(node.Mark()));
    if (++values_ > kMostYamlValues) refuse(node, "has more than a million values");
    if (level > kMostYamlLevels) refuse(node, "is nested too deep");
    const auto& tag = node.Tag();
    if (!tag.empty() && tag != "?" && tag != "!") refuse(node, "the tag " + tag + " is not taken");
    if (node.IsMap()) return object(node, pointer, level);
    if (node.IsSequence()) {
      auto list = ordered_json::array();
      for (std::size_t i = 0; i < node.size(); ++i)
        list.push_back(read(node[i], fmt::format("{}/{}", pointer, i), level + 1));
      return list;
    }
    if (!node.IsScalar()) return nullptr;
    return tag == "!" ? ordered_json(node.Scalar()) : plain_scalar(node.Scalar());
  }

 private:
  ordered_json object(const YAML::Node& node, const std::string& pointer, std::size_t level) {
    auto object = ordered_json::object();
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) refuse(entry.first, "expected a name as key");
      const auto& key = entry.first.Scalar();
      if (object.contains(key)) refuse(entry.first, "the key '" + key + "' stands there twice");
      places_.emplace(pointer + "/" + key, place_of(entry.first.Mark()));
      object[key] = read(entry.second, pointer + "/" + key, level + 1);
    }
    return object;
  }

  [[noreturn]] void refuse(const YAML::Node& node, const std::string& what) const {
    fail("{}: {}: {}", source_, place_of(node.Mark()), what);
  }

  const std::string& source_;
  YamlPlaces& places_;
  std::size_t values_ = 0;
};

}  // namespace

ordered_json yaml_document(const std::string& text, const std::string& source, YamlPlaces& places) {
  try {
    const auto documents = YAML::LoadAll(text);
    if (documents.size() != 1)
      fail("{}: expected one YAML document, there are {}", source, documents.size());
    return YamlReader(source, places).read(documents.front(), "", 0);
  } catch (const YAML::Exception& error) {
    fail("{}: {}: {}", source, place_of(error.mark), error.msg);
  }
}

#endif

}  // namespace vitals::cli
