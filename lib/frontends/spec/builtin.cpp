#include "frontends/spec/builtin.h"

#include "core/suggest.h"
#include "core/text.h"
#include "frontends/hf/config.h"
#include "frontends/spec/builtin_specs.h"
#include "frontends/spec/json_text.h"
#include "frontends/spec/spec.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace vitals {
namespace {

const BuiltinSpec* find(std::string_view name) {
  const auto specs = builtin_specs();
  const auto it = std::lower_bound(specs.begin(), specs.end(), name,
                                   [](const BuiltinSpec& s, auto n) { return s.name < n; });
  return it != specs.end() && it->name == name ? &*it : nullptr;
}

}  // namespace

const std::vector<std::string>& builtin_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto& spec : builtin_specs()) all.emplace_back(spec.name);
    return all;
  }();
  return names;
}

namespace {

// "vit_base_patch32" means the 224 pixel one.
std::string listed_name(const std::string& name) {
  if (find(name) != nullptr) return name;
  const auto with_resolution = name + "_224";
  return find(with_resolution) != nullptr ? with_resolution : std::string();
}

// The same for a folded name: language models are listed with hyphens, "gpt2-xl".
std::string listed_as_folded(const std::string& name) {
  if (auto listed = listed_name(name); !listed.empty()) return listed;
  for (const auto& listed : builtin_names())
    if (folded_name(listed) == name) return listed;
  return "";
}

// torchvision's models that are timm's layer by layer, under names of their own.
struct TorchvisionName {
  std::string_view name;
  std::string_view listed;
  Library library;
};
constexpr TorchvisionName kTorchvision[] = {
    {"vit_b_16", "vit_base_patch16_224", Library::torchvision_mha},
    {"vit_b_32", "vit_base_patch32_224", Library::torchvision_mha},
    {"vit_l_16", "vit_large_patch16_224", Library::torchvision_mha},
    {"vit_l_32", "vit_large_patch32_224", Library::torchvision_mha},
    {"vit_h_14", "vit_huge_patch14_224", Library::torchvision_mha},
    {"swin_t", "swin_tiny_patch4_window7_224", Library::torchvision},
    {"swin_s", "swin_small_patch4_window7_224", Library::torchvision},
    {"swin_b", "swin_base_patch4_window7_224", Library::torchvision},
    {"mobilenet_v2", "mobilenetv2_100", Library::torchvision},
    {"mobilenet_v3_large", "mobilenetv3_large_100", Library::torchvision},
    {"mobilenet_v3_small", "mobilenetv3_small_100", Library::torchvision},
};

const TorchvisionName* torchvision_name(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTorchvision), std::end(kTorchvision),
                                   [&](const auto& n) { return n.name == name; });
  return found == std::end(kTorchvision) ? nullptr : found;
}

// All of torchvision's have a head for ImageNet's classes.
Model of_torchvision(Model model, const TorchvisionName& name) {
  constexpr int kClasses = 1000;
  if (spec_of(model).value("num_classes", kClasses) == 0)
    model = with_overrides(model, {{"num_classes", std::to_string(kClasses), "torchvision"}});
  model.library = name.library;
  model.notes.push_back(fmt::format(
      "{} is torchvision's name: layers and counts are those of timm's {}, whose module "
      "names are shown; conventions count the calls of torchvision's code",
      name.name, name.listed));
  return model;
}

// The papers' "ViT-B/16", "DeiT-S/16" in timm's words; empty when the name is none of these.
std::string spelled_out(const std::string& name) {
  constexpr std::pair<std::string_view, std::string_view> kSizes[] = {
      {"ti", "tiny"}, {"s", "small"}, {"b", "base"}, {"l", "large"}, {"h", "huge"}};
  const auto first = name.find_first_of("_/");
  const auto second = first == std::string::npos ? first : name.find_first_of("_/", first + 1);
  if (second == std::string::npos) return "";
  const auto size = std::string_view(name).substr(first + 1, second - first - 1);
  const auto patch = name.substr(second + 1);
  if (patch.empty() || patch.find_first_not_of("0123456789") != std::string::npos) return "";
  for (const auto& [letter, word] : kSizes)
    if (letter == size) return fmt::format("{}_{}_patch{}", name.substr(0, first), word, patch);
  return "";
}

}  // namespace

namespace {

// The part of a hub's name that tells sizes: "meta-llama/Llama-3.1-8B-Instruct" is Llama-3.1-8B,
// tuned; "timm/vit_base_patch16_224.augreg_in21k" is vit_base_patch16_224, with one of its weights.
struct HubName {
  std::string folded;  // without who published it
  std::string model;   // without what was tuned, and without a tag
};

HubName hub_name(std::string_view name) {
  HubName hub;
  hub.folded = folded_name(name);
  hub.folded = hub.folded.substr(hub.folded.find('/') + 1);
  hub.model = hub.folded;
  for (const std::string_view maker : {"meta_"})
    if (hub.model.starts_with(maker)) hub.model.erase(0, maker.size());
  for (const std::string_view tuned : {"_instruct", "_chat", "_it", "_hf"})
    if (hub.model.ends_with(tuned)) hub.model.erase(hub.model.size() - tuned.size());
  return hub;
}

// timm's names have no dots of their own, and words that underscores part.
std::string without_tag(const std::string& name) {
  const auto untagged = name.substr(0, name.find('.'));
  return untagged.find('_') == std::string::npos ? name : untagged;
}

}  // namespace

std::string builtin_canonical(std::string_view name) {
  if (auto listed = listed_name(std::string(name)); !listed.empty()) return listed;
  if (const auto* theirs = torchvision_name(name)) return std::string(theirs->listed);
  const auto plain = folded_name(name);
  const auto hub = hub_name(name);
  for (const auto& spelling :
       {plain, hub.folded, spelled_out(plain), hub.model, without_tag(hub.folded)})
    if (auto listed = listed_as_folded(spelling); !listed.empty()) return listed;
  return "";
}

Model builtin_model(std::string_view name, const std::string& origin) {
  const auto* spec = find(builtin_canonical(name));
  if (spec == nullptr) {
    const auto prefix = origin.empty() ? std::string() : origin + ": ";
    const auto hint = did_you_mean(name, builtin_names());
    fail("{}unknown model '{}'{}", prefix, name,
         hint.empty() ? "; `vitals list` shows the built-in ones" : hint);
  }
  const auto source = fmt::format("built-in {}", spec->name);
  auto model = model_from_json(parse_json(spec->json, source), source, std::string(spec->name));
  if (const auto* theirs = torchvision_name(name)) model = of_torchvision(model, *theirs);
  model.by_default.clear();  // what a built-in model leaves to its class is known to be so
  const auto folded = hub_name(name).folded;
  if (without_tag(folded) != folded && listed_as_folded(folded).empty() &&
      listed_as_folded(hub_name(name).model).empty())
    model.notes.push_back(fmt::format(
        "{}: what follows the dot names weights; the sizes are {}'s own, whatever head they have",
        name, spec->name));
  return model;
}

}  // namespace vitals
