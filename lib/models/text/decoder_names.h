// What the families of language models call their modules. A row a family; the trace is the same.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vitals {

// An empty name: the family has no such module, or what it holds belongs to its parent.
struct DecoderNames {
  std::string_view naming;
  // the stack of layers and what stands around it
  std::string_view stack = "model";  // under a head; the part before the first dot goes without one
  std::string_view embed = "embed_tokens";
  std::string_view positions = {};
  std::string_view embed_norm = {};
  std::string_view project_in = {};
  std::string_view project_out = {};
  std::string_view layers = "layers";
  std::string_view final_norm = "norm";
  std::string_view head = "lm_head";
  std::string_view token_classifier = "score";
  // a layer
  std::string_view attn = "self_attn";
  std::string_view attn_norm = "input_layernorm";
  std::string_view attn_post_norm = {};
  std::string_view mlp = "mlp";
  std::string_view mlp_norm = "post_attention_layernorm";
  std::string_view mlp_post_norm = {};
  // attention: q, k and v of their own, or one projection
  std::string_view q = "q_proj";
  std::string_view k = "k_proj";
  std::string_view v = "v_proj";
  std::string_view qkv = {};
  bool interleaved = false;  // the one projection holds [kv_heads, queries of it + 2, head_dim]
  std::string_view out = "o_proj";
  std::string_view q_norm = "q_norm";
  std::string_view k_norm = "k_norm";
  std::string_view mixer = "mamba";  // what a layer has instead of attention
  // feed-forward
  std::string_view gate = "gate_proj";
  std::string_view up = "up_proj";
  std::string_view gate_up = {};  // both in one
  std::string_view down = "down_proj";
  std::string_view act = "act_fn";
  bool conv1d = false;
  bool adapts_feed_forward = false;  // PEFT adapts it by default
  // experts
  std::string_view moe = "mlp";
  std::string_view router = "gate";
  std::string_view expert_gate = "gate_proj";
  std::string_view expert_up = "up_proj";
  std::string_view expert_gate_up = {};  // one parameter for all experts, stored [experts, in, out]
  std::string_view expert_down = "down_proj";
  std::string_view shared = "shared_experts";
  std::string_view shared_gate = {};
};

// The row of that name, with the changes "part=name" put in, whose texts must outlive the result.
// Throws Error "/names: ..." for a part that does not exist.
[[nodiscard]] DecoderNames decoder_names(std::string_view naming,
                                         const std::vector<std::string>& changes);
[[nodiscard]] const std::vector<std::string_view>& decoder_namings();

}  // namespace vitals
