// One line a model: its name and a hash of its trace, op by op. C++ leaves the order in which
// operands and arguments are evaluated to the compiler, so that a description which makes two
// tensors in one expression has another trace by another compiler. `tools/dev check asan` compares
// what the programs of two compilers print: all built-in models, and every Hugging Face type with
// the defaults of its class.
#include "core/error.h"
#include "frontends/hf/config.h"
#include "frontends/spec/builtin.h"
#include "frontends/spec/json_text.h"
#include "graph/op.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <string_view>

namespace {

using namespace vitals;

// FNV-1a, 64 bits.
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) mix(static_cast<unsigned char>(c));
    mix(0);
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) mix(static_cast<unsigned char>(number >> (8 * i)));
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  void mix(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3U; }
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

std::uint64_t hash_of(const Graph& graph) {
  Hash hash;
  for (const auto& param : graph.params) {
    hash.add(path_of(graph, param));
    for (const auto d : param.shape) hash.add(d);
  }
  for (const auto& node : graph.nodes) {
    hash.add(name_of(node.op));
    for (const auto id : node.inputs) hash.add(id);
    for (const auto id : node.params) hash.add(id);
    hash.add(node.call);
    for (const auto d : node.shape) hash.add(d);
  }
  return hash.value();
}

void print(std::string_view name, const Model& model) {
  BuildOptions training;
  training.training = true;
  training.attention = AttentionKernel::fused;
  fmt::print("{} {:016x} {:016x}\n", name, hash_of(model.build()), hash_of(model.build(training)));
}

}  // namespace

int main(int, char** argv) {
  for (const auto& name : builtin_names()) print(name, builtin_model(name, ""));
  const std::string file = fmt::format("{}/hf_defaults.json", TEST_DATA_DIR);
  const auto facts = parse_json(read_text(file), file);
  for (const auto& fact : facts["model_types"].items()) {
    try {
      const nlohmann::json config = {{"model_type", fact.key()}};
      print(fact.key(), model_from_json(config, "config.json", argv[0]));
    } catch (const Error& e) {
      fmt::print("{} refused: {}\n", fact.key(), e.what());
    }
  }
}
