// What the registry knows of an architecture: its config's fields and the function that expands a
// config into a trace. Typed configs are erased here, and nowhere else.
#pragma once

#include "graph/adapters.h"
#include "graph/builder.h"
#include "graph/checkpoint_keys.h"
#include "graph/stored_weights.h"
#include "models/field.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

struct Architecture {
  std::string_view name;
  std::string_view doc;
  std::vector<std::string_view> aliases;  // other names of the architecture
  std::vector<Field> fields;
  std::vector<Alias> field_aliases;
  bool fused_attention = true;  // its code calls PyTorch's fused attention without being asked

  std::shared_ptr<void> (*make)() = nullptr;  // a config of defaults
  std::shared_ptr<void> (*clone)(const void* config) = nullptr;
  void (*validate)(const void* config) = nullptr;  // throws Error "/field: ..."
  Graph (*build)(const std::string& model, const void* config, const BuildOptions&) = nullptr;
  // The same forward pass inside another model: its inputs, ops and parameters where the builder
  // stands.
  Tensors (*forward)(Builder& b, const void* config) = nullptr;
  // What the config states without effect; null: nothing ever.
  std::vector<std::string> (*remarks)(const void* config) = nullptr;
};

// One description of a model, ready to be expanded.
struct Model {
  std::string name;
  const Architecture* architecture = nullptr;
  std::shared_ptr<const void> config;
  std::vector<std::string> notes;  // what the user should know of how the description was read
  // The names of its checkpoints, where they are not those of the trace.
  std::shared_ptr<const CheckpointKeys> checkpoint_keys;
  std::optional<DType> dtype = {};  // of the weights, where the description states it
  Library library = Library::other;
  // Sizes that the description leaves to its class, as sentences.
  std::vector<std::string> by_default = {};
  // Parts of the description that no count contains (a vision tower): all figures are of the rest.
  std::vector<std::string> left_out = {};
  std::string changes = {};  // "depth 24, num_classes 10": fields that were overridden
  // Of a description that comes with its weights (GGUF); null otherwise.
  std::shared_ptr<const StoredWeights> stored = {};
  // What describes the model where it has no fields: JSON that reads as the same model again. Empty
  // otherwise.
  std::string document = {};
  // Low-rank adapters that the description puts beside its layers.
  std::shared_ptr<const Lora> lora = {};
  // The one batch that it can be built with, where it was recorded with it.
  std::optional<std::uint64_t> recorded_batch = {};

  [[nodiscard]] Graph build(const BuildOptions& options = {}) const {
    auto graph = architecture->build(name, config.get(), options);
    graph.changes = changes;
    graph.checkpoint_keys = checkpoint_keys;
    graph.library = library;
    return lora == nullptr ? graph : with_lora(graph, *lora);
  }
  // A changed model is not the one that its name stands for.
  [[nodiscard]] std::string title() const {
    return changes.empty() ? name : name + " with " + changes;
  }
  // And nothing else: an encoder of images and texts is asked for the tokens of the text.
  [[nodiscard]] bool reads_images() const { return has_field("img_size"); }
  [[nodiscard]] bool reads_text() const { return has_field("vocab_size"); }
  [[nodiscard]] bool has_field(std::string_view field_name) const {
    return std::any_of(architecture->fields.begin(), architecture->fields.end(),
                       [&](const Field& field) { return field.name == field_name; });
  }
  // What is left out, the notes, and what the architecture remarks on its config.
  [[nodiscard]] std::vector<std::string> all_notes() const {
    auto all = left_out;
    all.insert(all.end(), by_default.begin(), by_default.end());
    all.insert(all.end(), notes.begin(), notes.end());
    if (architecture->remarks != nullptr)
      for (auto& remark : architecture->remarks(config.get())) all.push_back(name + ": " + remark);
    return all;
  }
};

// The functions of an architecture, from its typed ones:
//   void validate(const Config&);   Tensors forward(Builder&, const Config&);
// and, if there is something to remark on,
//   std::vector<std::string> remarks(const Config&);
template <class Config, void (*Validate)(const Config&),
          Tensors (*Forward)(Builder&, const Config&),
          std::vector<std::string> (*Remarks)(const Config&) = nullptr>
[[nodiscard]] Architecture architecture(std::string_view name, std::string_view doc) {
  Architecture a;
  a.name = name;
  a.doc = doc;
  a.make = [] { return std::shared_ptr<void>(std::make_shared<Config>()); };
  a.clone = [](const void* c) {
    return std::shared_ptr<void>(std::make_shared<Config>(*static_cast<const Config*>(c)));
  };
  a.validate = [](const void* c) { Validate(*static_cast<const Config*>(c)); };
  a.build = [](const std::string& model, const void* c, const BuildOptions& options) {
    Builder builder(model, options);
    return builder.finish(Forward(builder, *static_cast<const Config*>(c)));
  };
  a.forward = [](Builder& b, const void* c) { return Forward(b, *static_cast<const Config*>(c)); };
  if constexpr (Remarks != nullptr)
    a.remarks = [](const void* c) { return Remarks(*static_cast<const Config*>(c)); };
  return a;
}

// All architectures; the first name of each is the one that specs are written with.
[[nodiscard]] const std::vector<Architecture>& architectures();

// By name or alias; null when there is none.
[[nodiscard]] const Architecture* find_architecture(std::string_view name);

[[nodiscard]] std::vector<std::string> architecture_names();

}  // namespace vitals
