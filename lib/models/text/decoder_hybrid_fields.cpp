// Fields of decoders whose layers differ from each other, or have parts that few families know.
#include "models/text/decoder_config.h"

namespace vitals {

std::vector<Field> decoder_hybrid_fields() {
  using C = DecoderConfig;
  return {
      field<&C::feed_forward_types>("feed_forward_types",
                                    "For each layer its feed-forward: dense, experts or none; "
                                    "null: experts, but for dense_layers.")
          .one_of({"dense", "experts", "none"})
          .or_null(),
      field<&C::drafts>("drafts",
                        "A draft model: attention reads the tokens' embeddings beside three hidden "
                        "states of the model it drafts for (EAGLE-3, arXiv:2503.01840)."),
      field<&C::draft_vocab_size>("draft_vocab_size",
                                  "Tokens that a draft model scores; null: vocab_size.")
          .between(1, 1e9),
      field<&C::mamba_width>("mamba_width", "Features inside a Mamba mixer.").at_most(kMaxWidth),
      field<&C::mamba_state>("mamba_state", "Elements of its state a feature.")
          .between(1, kMaxWidth),
      field<&C::mamba_conv>("mamba_conv", "Tokens that its convolution sees.").between(1, 1e4),
      field<&C::mamba_dt_rank>("mamba_dt_rank", "Rank of the step sizes (Mamba).")
          .at_most(kMaxWidth),
      field<&C::mamba_heads>("mamba_heads", "Heads (Mamba-2).").between(1, kMaxWidth),
      field<&C::mamba_groups>("mamba_groups", "Groups of heads that share B and C (Mamba-2).")
          .between(1, kMaxWidth),
      field<&C::mamba_conv_bias>("mamba_conv_bias", "Bias of its convolution."),
      field<&C::mamba_proj_bias>("mamba_proj_bias", "Biases of its projections."),
      field<&C::mamba_norm>("mamba_norm",
                            "Norms inside: of step sizes, B and C (Mamba, as in Jamba), or of the "
                            "gated output (Mamba-2)."),
      field<&C::parallel_mamba>("parallel_mamba",
                                "Every layer has a Mamba-2 mixer beside its attention "
                                "(Falcon-H1)."),
      field<&C::linear_num_key_heads>("linear_num_key_heads",
                                      "Heads of queries and keys of the gated delta rule.")
          .between(1, kMaxWidth),
      field<&C::linear_num_value_heads>("linear_num_value_heads", "Its heads of values.")
          .between(1, kMaxWidth),
      field<&C::linear_key_head_dim>("linear_key_head_dim", "Features of its keys.")
          .between(1, kMaxWidth),
      field<&C::linear_value_head_dim>("linear_value_head_dim", "Features of its values.")
          .between(1, kMaxWidth),
      field<&C::linear_conv_kernel_dim>("linear_conv_kernel_dim",
                                        "Tokens that its convolution sees.")
          .between(1, 1e4),
      field<&C::conv_kernel>("conv_kernel", "Tokens that a short convolution sees (LFM2).")
          .between(1, 1e4),
      field<&C::conv_bias>("conv_bias", "Biases of a short convolution and its projections."),
      field<&C::attention_gate>("attention_gate",
                                "The query projection gives a gate, too, whose sigmoid scales what "
                                "attention returns (Qwen3-Next)."),
      field<&C::sliding_sinks>("sliding_sinks",
                               "Layers with a window have attention sinks, the others none."),
      field<&C::value_head_dim>("value_head_dim", "Features of a value; null: head_dim.")
          .between(1, kMaxWidth),
      field<&C::global_head_dim>("global_head_dim",
                                 "head_dim of layers that see all tokens; null: the same.")
          .between(1, kMaxWidth),
      field<&C::global_num_key_value_heads>(
          "global_num_key_value_heads",
          "num_key_value_heads of layers that see all tokens; null: the same.")
          .between(1, kMaxWidth),
      field<&C::global_keys_are_values>("global_keys_are_values",
                                        "Layers that see all tokens have no value projection; "
                                        "their keys are their values (Gemma 4)."),
      field<&C::value_norm>("value_norm", "A norm of values, without parameters (Gemma 4)."),
      field<&C::shared_key_value_layers>("shared_key_value_layers",
                                         "So many of the last layers attend with the keys and "
                                         "values of the last layer before them of their kind.")
          .at_most(kMaxDepth),
      field<&C::wide_shared_layers>("wide_shared_layers",
                                    "Layers that share keys have a feed-forward of twice the "
                                    "width."),
      field<&C::hidden_size_per_layer_input>(
          "hidden_size_per_layer_input",
          "Width of a second embedding that every layer has of its own (Gemma 3n); 0: none.")
          .at_most(kMaxWidth),
      field<&C::vocab_size_per_layer_input>("vocab_size_per_layer_input",
                                            "Rows of its table; null: vocab_size.")
          .between(1, 1e9),
      field<&C::experts_beside_dense>("experts_beside_dense",
                                      "Layers with experts have a plain feed-forward beside them, "
                                      "each with norms of its own (Gemma 4)."),
      field<&C::moe_latent_size>("moe_latent_size",
                                 "Width of the latent that the experts work in; 0: hidden_size.")
          .at_most(kMaxWidth),
      field<&C::index_n_heads>("index_n_heads",
                               "Heads of the indexer that chooses the keys of sparse attention "
                               "(DeepSeek-V3.2); 0: none.")
          .at_most(kMaxWidth),
      field<&C::index_head_dim>("index_head_dim", "Features of an indexer's head.")
          .between(1, kMaxWidth),
      field<&C::index_topk>("index_topk", "Keys that it chooses for a token.").between(1, 1e9),
      field<&C::index_layers>("index_layers", "Layers with an indexer of their own; null: all.")
          .at_most(kMaxDepth)
          .or_null(),
  };
}

}  // namespace vitals
