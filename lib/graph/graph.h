// The trace of a model: its ops in the order in which a forward pass runs them, the parameters they
// use, and the module calls they belong to. Plain data; every reading of a model is a fold over it.
#pragma once

#include "core/dtype.h"
#include "graph/checkpoint_keys.h"
#include "graph/op.h"
#include "graph/role.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

using NodeId = std::uint32_t;
using ParamId = std::uint32_t;
using ModuleId = std::uint32_t;
using CallId = std::uint32_t;
inline constexpr std::uint32_t kNone = UINT32_MAX;

// A parameter or buffer. Its key in a checkpoint is its module's path + "." + name; a stacked one
// stands there as one tensor for each index i of its first dimension: path + ".<i>." + name.
struct Param {
  std::string name;
  ModuleId module = 0;
  Shape shape;
  bool trainable = true;
  bool buffer = false;              // a registered buffer: in the checkpoint, but no parameter
  bool stacked = false;             // one parameter each of a ModuleList of experts, held as one
  std::optional<DType> dtype = {};  // a fixed one (ids), whatever precision the model has
  Role role = Role::none;           // of the product or lookup that it belongs to
  bool bias = false;                // added to the result of its role's op
  std::uint64_t experts = 0;        // the first dimension counts experts; 0: no expert's
  // The block format in which its checkpoints are published ("MXFP4"); empty: none.
  std::string_view stored_format = {};
  bool adapter = false;  // of a low-rank adapter, beside a layer of the model
};

// Of an attention module: how many heads queries have, and how many keys and values.
struct AttentionHeads {
  std::uint64_t query = 0;
  std::uint64_t key = 0;
};

// One op. Its only output is named by the node's own id.
struct Node {
  Op op;
  std::vector<NodeId> inputs;
  std::array<ParamId, 2> params{kNone, kNone};  // weight, bias
  CallId call = 0;
  Shape shape;
  Strides strides;
  DType dtype = DType::f32;
  NodeId storage = 0;  // the node whose memory the output lives in: itself, unless it is a view
};

// A module as the checkpoint knows it. Its ModuleId is its place in Graph::modules, parents first.
struct Module {
  std::string path;  // "blocks.3.attn.qkv"; "" is the model itself
  std::string type;  // "Linear"
  ModuleId parent = kNone;
  std::vector<ParamId> params;  // own ones, a tied parameter appears in its first owner only
  Role role = Role::none;
  TorchClass torch = TorchClass::other;
  std::uint32_t layer = kNone;  // which layer of its stack it is or stands in; kNone: in none
  AttentionHeads heads = {};    // where the role is attention
};

// One forward call of a module. A module can be called several times (one Dropout, two uses).
struct Call {
  ModuleId module = 0;
  CallId parent = kNone;
  NodeId begin = 0;  // its nodes, those of inner calls included, are [begin, end)
  NodeId end = 0;
  std::vector<NodeId> inputs;
  std::vector<NodeId> outputs;  // several: the call returns a tuple
  std::vector<NodeId> locals;   // values that a name of its Python frame holds until it returns
};

// A value that a library's code has under a name where this trace has no call: an nn.Identity that
// stands where the model leaves a layer out.
struct NamedValue {
  std::string path;
  NodeId value = 0;
};

// The sizes that the field's rules of thumb ask for, where the model is a plain stack of
// transformer layers: l(12h^2+13h)+Vh and their kin. Tells nothing that the trace does not know.
struct PlainStack {
  std::uint64_t layers = 0;
  std::uint64_t hidden = 0;
  std::uint64_t heads = 0;
  std::uint64_t tokens = 0;  // per sample
  std::uint64_t vocab = 0;   // 0 for a model without a vocabulary
};

// What one attention layer keeps of every past token, so that the next token costs no second pass.
// In elements per token and sample.
struct KvCache {
  ModuleId module = 0;    // the attention
  std::uint64_t key = 0;  // kv_heads * head_dim
  std::uint64_t value = 0;
  std::uint64_t heads = 0;       // kv_heads
  std::uint64_t compressed = 0;  // what latent attention (MLA) may keep instead of both; 0: nothing
  std::uint64_t window = 0;      // older tokens are let go; 0: none are
  std::uint64_t source_tokens = 0;  // cross attention keeps the encoder's tokens; 0: self attention
};

// A low-rank adapter beside a linear layer: the layer's own node, the first of the adapter's, and
// the node that adds both; the adapter's nodes are [first, sum].
struct Adapter {
  NodeId base = 0;
  NodeId first = 0;
  NodeId sum = 0;
  ParamId down = kNone;  // A [rank, in]
  ParamId up = kNone;    // B [out, rank]
};

// Ops of an imported file that were recognised as one op of ours: which pattern, what it became,
// how often, and how many nodes of the file it took.
struct LiftedPattern {
  std::string pattern;
  std::string op;  // name_of() it
  std::uint64_t times = 0;
  std::uint64_t nodes = 0;
};

// Whose code runs: the same layers, but called by other functions and modules.
enum class Library : std::uint8_t {
  other,
  timm,
  transformers,
  torchvision,      // projections of attention run as functions of their weights
  torchvision_mha,  // nn.MultiheadAttention: all of attention does
};

struct Graph {
  std::string model;
  std::string changes = {};  // of the model that the name stands for: "depth 24, num_classes 10"
  std::vector<Param> params;
  std::vector<Module> modules;
  std::vector<Call> calls;         // in order of entry; calls[0] is the model's own
  std::vector<CallId> completion;  // the same, in order of return
  std::vector<Node> nodes;         // topological: inputs come before
  std::vector<NodeId> inputs;
  std::vector<NodeId> outputs;
  std::vector<NamedValue> named_values;
  std::uint64_t batch = 1;
  std::uint64_t num_tokens = 0;    // length of the main sequence
  std::vector<KvCache> kv_caches;  // of a model that generates, by layer
  std::vector<Adapter> adapters;   // in the order of their nodes
  // What PEFT adapts of a model by default (peft/utils/constants.py, commit 00073fe8:
  // TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING): queries and values, joined or not.
  std::vector<Role> adapter_roles = {Role::query, Role::value, Role::qkv, Role::key_value};
  // The names of its checkpoints, where they are not those of the trace.
  std::shared_ptr<const CheckpointKeys> checkpoint_keys;
  Library library = Library::other;
  std::optional<PlainStack> plain_stack;
  bool imported = false;  // from a file that states ops, which may be unknown ones
  std::vector<LiftedPattern> lifted;

  [[nodiscard]] const Module& module_of(const Node& node) const {
    return modules[calls[node.call].module];
  }
};

[[nodiscard]] std::string path_of(const Graph& graph, const Param& param);

// The model's name with what was changed of it: "vit_base_patch32_224 with depth 24".
[[nodiscard]] inline std::string title_of(const Graph& graph) {
  return graph.changes.empty() ? graph.model : graph.model + " with " + graph.changes;
}

// The nearest module of this role that `module` is or stands in; kNone: there is none.
[[nodiscard]] ModuleId enclosing(const Graph& graph, ModuleId module, Role role);

// The last part of a path: "qkv" of "blocks.3.attn.qkv".
[[nodiscard]] std::string_view last_name(std::string_view path);
// Whether whole names of the path, parted by dots, stand at its beginning or end.
[[nodiscard]] bool begins_path(std::string_view path, std::string_view beginning);
[[nodiscard]] bool ends_path(std::string_view path, std::string_view end);
// Whether it is a number, the place of a module in a list of its like.
[[nodiscard]] bool is_numbered(std::string_view path);

[[nodiscard]] inline Count numel(const Param& param) { return numel(param.shape); }
// Whether training changes it.
[[nodiscard]] inline bool learns(const Param& param) { return param.trainable && !param.buffer; }

// By node: the nodes that read it, once for each time that they do.
[[nodiscard]] std::vector<std::vector<NodeId>> users_of(const Graph& graph);

// The id of a node of this very graph.
[[nodiscard]] inline NodeId id_of(const Graph& graph, const Node& node) {
  return static_cast<NodeId>(&node - graph.nodes.data());
}

[[nodiscard]] inline bool is_view(const Graph& graph, NodeId id) {
  return graph.nodes[id].storage != id;
}

}  // namespace vitals
