#include "models/towers/image_tower.h"

#include "core/divisors.h"
#include "models/layers/activation_names.h"
#include "models/towers/image_tower_fields.h"
#include "models/towers/image_tower_names.h"
#include "models/vision/image.h"

#include <cmath>

namespace vitals {
namespace {

ImagePatches patches_of(const ImageTowerConfig& c) {
  // A border narrower than a patch is cut off, as a convolution without padding does.
  return {c.img_size, c.patch_size, c.in_chans, false, false};
}

NormOptions norm_of(const ImageTowerConfig& c) { return {.eps = c.norm_layer.eps.value_or(1e-6)}; }

StackLayer layer_of(const ImageTowerConfig& c, const ImageTowerNames& n) {
  StackLayer o;
  o.names = n.layer;
  if (c.swiglu) {
    const bool joint = n.layer.gate.empty();
    if (joint) o.names.up = n.swiglu_up;
    if (joint) o.names.down = n.swiglu_down;
    o.mlp = joint ? StackMlp::packed : StackMlp::gated;
  }
  if (!c.layer_scale) o.names.attn_scale = o.names.mlp_scale = "";
  o.num_heads = c.num_attention_heads;
  o.head_dim = c.hidden_size / c.num_attention_heads;
  o.hidden = c.intermediate_size;
  o.norm = norm_of(c);
  o.pre_norm = true;
  o.scale = 1.0 / std::sqrt(static_cast<double>(o.head_dim));
  o.qkv_bias = c.qkv_bias;
  o.key_bias = c.key_bias;
  o.out_bias = c.attention_out_bias;
  o.mlp_bias = c.mlp_bias;
  o.act = c.swiglu && o.mlp == StackMlp::packed ? op::ActivationKind::silu
                                                : activation_kind(c.hidden_act);
  o.drop = c.hidden_dropout_prob;
  o.attn_drop = c.attention_probs_dropout_prob;
  o.mlp_drop = c.mlp_drop_rate;
  o.drop_path = c.drop_path_rate;
  o.drop_path_constant = c.drop_path_schedule == "constant";
  return o;
}

// The table of positions as a value [1, count, h]; it may be no trained one.
Tensor positions(Builder& b, std::uint64_t count, const ImageTowerConfig& c,
                 const ImageTowerNames& n) {
  auto frozen = [&](Tensor x) {
    auto& graph = b.graph();
    graph.params[graph.nodes[x.id()].params[0]].trainable = c.trained_positions;
    return x;
  };
  if (!n.position_module)
    return frozen(b.parameter(n.positions, {1, count, c.hidden_size}, Role::position_embedding));
  b.buffer("position_ids", {1, count}, DType::i64);
  const auto ids = b.constant({1, count}, DType::i64);
  return frozen(embedding(b, n.positions, ids, count, c.hidden_size, Role::position_embedding));
}

Tensor class_token(Builder& b, const ImageTowerConfig& c, const ImageTowerNames& n) {
  const auto width = c.hidden_size;
  // CLIP's is a vector, the others' a token.
  const auto token =
      n.position_module ? b.reshape(b.parameter(n.class_token, {width}, Role::token), {1, 1, width})
                        : b.parameter(n.class_token, {1, 1, width}, Role::token);
  return b.expand(token, {b.options().batch, 1, width});
}

Tensor patch_tokens(Builder& b, Tensor image, const ImageTowerConfig& c, const ImageTowerNames& n) {
  const auto x = conv2d(b, n.patch, image, c.hidden_size,
                        {.kernel = c.patch_size,
                         .stride = c.patch_size,
                         .bias = c.patch_bias,
                         .role = Role::patch_embedding});
  return b.transpose(b.reshape(x, {x.dim(0), x.dim(1), x.dim(2) * x.dim(3)}), 1, 2);
}

// A masked autoencoder sees only some patches (He et al. 2021, arXiv:2111.06377). Which ones they
// are changes no count, so the trace takes the first.
Tensor masked_embeddings(Builder& b, Tensor x, const ImageTowerConfig& c,
                         const ImageTowerNames& n) {
  const auto patches = x.dim(1);
  const auto table = positions(b, patches + 1, c, n);
  x = x + b.slice(table, 1, 1, patches);
  const auto keep = static_cast<std::uint64_t>(static_cast<double>(patches) * (1 - c.mask_ratio));
  x = b.contiguous(b.slice(x, 1, 0, keep));
  const auto token = class_token(b, c, n);
  return b.concat({token + b.slice(table, 1, 0, 1), x}, 1);
}

Tensor embeddings(Builder& b, Tensor image, const ImageTowerConfig& c, const ImageTowerNames& n) {
  return b.call("embeddings", "Embeddings", {image}, [&] {
    if (c.mask_token) (void)b.param("mask_token", {1, c.hidden_size}, Role::token);
    auto x = patch_tokens(b, image, c, n);
    if (c.mask_ratio > 0) return masked_embeddings(b, x, c, n);
    if (c.class_token) x = b.concat({class_token(b, c, n), x}, 1);
    if (!c.rotary) x = x + positions(b, x.dim(1), c, n);
    if (c.reg_tokens > 0) {
      const auto prefix = c.class_token ? 1U : 0U;
      const auto registers = prefix_token(b, "register_tokens", c.reg_tokens, c.hidden_size);
      x = b.concat({b.slice(x, 1, 0, prefix), registers, b.slice(x, 1, prefix, x.dim(1) - prefix)},
                   1);
    }
    return b.dropout(x, c.hidden_dropout_prob);
  });
}

ModuleType multihead_attention(std::uint64_t heads) {
  auto type = attention_type("MultiheadAttention", heads, heads);
  type.torch = TorchClass::multihead_attention;
  return type;
}

// One query that is learned looks at all tokens, through nn.MultiheadAttention with its joint
// projection (SigLIP, arXiv:2303.15343).
Tensor attention_head(Builder& b, Tensor x, const ImageTowerConfig& c) {
  return b.call("head", "AttentionPoolingHead", {x}, [&] {
    const auto h = c.hidden_size;
    const auto heads = c.num_attention_heads;
    const auto head_dim = h / heads;
    const auto probe = prefix_token(b, "probe", 1, h);
    auto y = b.call("attention", multihead_attention(heads), {probe, x}, [&] {
      const auto weight = b.parameter("in_proj_weight", {3 * h, h}, Role::qkv);
      const auto bias = b.parameter("in_proj_bias", {3 * h}, Role::qkv, true);
      auto project = [&](Tensor t, std::uint64_t part) {
        const auto w = b.transpose(b.slice(weight, 0, part * h, h), 0, 1);
        const auto product = b.matmul(t, w);
        return heads_of(b, product + b.slice(bias, 0, part * h, h), heads);
      };
      const auto q = project(probe, 0);
      const auto k = project(x, 1);
      const auto v = project(x, 2);
      const auto attended = attention_core(
          b, q, k, v, {.scale = 1.0 / std::sqrt(static_cast<double>(head_dim)), .drop_name = ""});
      return linear(b, "out_proj", merge_heads(b, attended), h, Role::attention_output);
    });
    const auto normed = norm(b, "layernorm", y, norm_of(c));
    y = y + b.call("mlp", {"Mlp", Role::feed_forward}, {normed}, [&] {
      const auto hidden = linear(b, "fc1", normed, c.intermediate_size, Role::up);
      return linear(b, "fc2", activation(b, "activation_fn", hidden, activation_kind(c.hidden_act)),
                    h, Role::down);
    });
    return b.select(y, 1, 0);
  });
}

ImageFeatures features(Builder& b, Tensor image, const ImageTowerConfig& c,
                       const ImageTowerNames& n) {
  auto x = embeddings(b, image, c, n);
  if (c.embedding_norm) x = norm(b, "pre_layrnorm", x, norm_of(c));
  StackContext context;
  if (c.rotary) {
    context.rope_from = x.dim(1) - patches_of(c).count();
    context.rope = b.constant({patches_of(c).count(), 2 * (c.hidden_size / c.num_attention_heads)});
  }
  x = layer_stack(b, n.layers, "EncoderLayer", x, c.num_hidden_layers, layer_of(c, n), context);
  if (c.pooling == "class_norm") {
    const auto pooled = norm(b, n.final_norm, b.select(x, 1, 0), norm_of(c));
    return {x, pooled};
  }
  x = norm(b, n.final_norm, x, norm_of(c));
  if (c.pooling == "map") return {x, attention_head(b, x, c)};
  return {x, c.pooling == "class" ? b.select(x, 1, 0) : x};
}

std::uint64_t prefix_tokens(const ImageTowerConfig& c) {
  return (c.class_token ? 1 : 0) + c.reg_tokens;
}

Tensor classification(Builder& b, const ImageFeatures& f, const ImageTowerConfig& c) {
  const auto prefix = prefix_tokens(c);
  const auto patches =
      prefix > 0 ? b.slice(f.tokens, 1, prefix, f.tokens.dim(1) - prefix) : f.tokens;
  auto x = b.mean(patches, 1);
  if (c.classifier_input == "class_and_mean") x = b.concat({b.select(f.tokens, 1, 0), x}, -1);
  return c.num_classes > 0 ? linear(b, "classifier", x, c.num_classes, Role::classifier) : x;
}

// The decoder of a masked autoencoder: all patches again, the masked ones as one learned token.
// Their order changes no count.
Tensor reconstruction(Builder& b, Tensor seen, const ImageTowerConfig& c,
                      const ImageTowerNames& n) {
  return b.call("decoder", "MaskedAutoencoderDecoder", {seen}, [&] {
    const auto patches = patches_of(c).count();
    const auto width = c.decoder_hidden_size;
    auto x = linear(b, "decoder_embed", seen, width, Role::projection);
    const auto masked = patches + 1 - x.dim(1);
    const auto mask = b.parameter("mask_token", {1, 1, width}, Role::token);
    if (masked > 0) x = b.concat({x, b.expand(mask, {x.dim(0), masked, width})}, 1);
    const auto table =
        b.parameter("decoder_pos_embed", {1, patches + 1, width}, Role::position_embedding);
    b.graph().params[b.graph().nodes[table.id()].params[0]].trainable = c.trained_positions;
    x = x + table;
    auto layer = layer_of(c, n);
    layer.num_heads = c.decoder_num_attention_heads;
    layer.head_dim = width / layer.num_heads;
    layer.scale = 1.0 / std::sqrt(static_cast<double>(layer.head_dim));
    layer.hidden = c.decoder_intermediate_size;
    StackContext context;
    x = layer_stack(b, "decoder_layers", "DecoderLayer", x, c.decoder_num_hidden_layers, layer,
                    context);
    x = linear(b, "decoder_pred", norm(b, "decoder_norm", x, norm_of(c)),
               c.patch_size.height * c.patch_size.width * c.in_chans, Role::classifier);
    return b.slice(x, 1, 1, patches);
  });
}

// How near an image is to fixed vectors of what must not be seen: Stable Diffusion's safety checker
// has 17 of them, and 3 that call for care (diffusers, safety_checker.py).
Tensors concept_scores(Builder& b, Tensor image) {
  const auto width = image.dim(-1);
  const auto unit = unit_length(b, image);
  const auto distances = [&](std::string_view name, std::uint64_t count) {
    const auto vectors = b.parameter(name, {count, width}, Role::other);
    b.graph().params[b.graph().nodes[vectors.id()].params[0]].trainable = false;
    const auto units = unit_length(b, vectors);
    return b.matmul(unit, b.transpose(units, 0, 1));
  };
  const auto special = distances("special_care_embeds", 3);
  const auto all = distances("concept_embeds", 17);
  b.buffer("concept_embeds_weights", {17}, DType::f32);
  b.buffer("special_care_embeds_weights", {3}, DType::f32);
  return {special, all};
}

ImageFeatures tower(Builder& b, Tensor image, const ImageTowerConfig& c, const ImageTowerNames& n,
                    bool named) {
  std::optional<ImageFeatures> result;
  (void)named_call(b, named ? n.base : "", "ImageTower", {image}, [&] {
    result = features(b, image, c, n);
    return Tensors{result->tokens, result->pooled};
  });
  return *result;
}

Tensors forward(Builder& b, const ImageTowerConfig& c) {
  const auto& n = *find_image_tower_names(c.naming);
  auto& graph = b.graph();
  graph.modules[0].type = c.head == "none" ? "ImageTower" : "ImageTowerWithHead";
  const auto image = image_tower_input(b, c);
  const auto f = tower(b, image, c, n, n.base_without_head || c.head != "none");
  graph.num_tokens = f.tokens.dim(1);
  if (c.head == "projection")
    return {linear(b, "visual_projection", f.pooled, c.projection_dim, Role::projection, false)};
  if (c.head == "concepts") {
    const auto vector =
        linear(b, "visual_projection", f.pooled, c.projection_dim, Role::projection, false);
    return concept_scores(b, vector);
  }
  if (c.head == "classification") return {classification(b, f, c)};
  if (c.head == "pretraining") return {reconstruction(b, f.tokens, c, n)};
  if (c.pooling == "none") return {f.tokens};
  return {f.tokens, f.pooled};
}

}  // namespace

void validate(const ImageTowerConfig& c) {
  const auto& n = *find_image_tower_names(c.naming);
  check_patches(patches_of(c), false);
  auto divides = [](std::uint64_t width, std::uint64_t heads, std::string_view prefix) {
    if (width % heads != 0)
      fail("/{}hidden_size: {} is not divisible by {}num_attention_heads {}; {} heads divide it",
           prefix, width, prefix, heads, nearest_divisors(width, heads));
  };
  divides(c.hidden_size, c.num_attention_heads, "");
  if (c.head == "pretraining")
    divides(c.decoder_hidden_size, c.decoder_num_attention_heads, "decoder_");
  if (c.swiglu && n.swiglu_up.empty() && n.layer.gate.empty())
    fail("/swiglu: the naming '{}' has no gated MLP", c.naming);
  if (c.layer_scale && n.layer.attn_scale.empty())
    fail("/layer_scale: the naming '{}' has no LayerScale", c.naming);
  if (!c.class_token && (c.pooling.starts_with("class") || c.classifier_input == "class_and_mean"))
    fail("/class_token: there is none that could be pooled");
  if (c.rotary && (c.mask_ratio > 0 || c.hidden_size / c.num_attention_heads % 4 != 0))
    fail("/rotary: patches are rotated where all are seen, by heads whose features divide by 4");
  if (!c.class_token && c.mask_ratio > 0) fail("/class_token: a masked autoencoder needs one");
  if (c.head == "pretraining" && c.naming != "vit_mae")
    fail("/head: the naming '{}' has no decoder of patches", c.naming);
  if ((c.head == "projection" || c.head == "concepts") && c.pooling == "none")
    fail("/pooling: a projection needs one vector for the image");
}

ImageFeatures image_tower(Builder& b, Tensor image, const ImageTowerConfig& c) {
  return tower(b, image, c, *find_image_tower_names(c.naming), true);
}

Tensor image_tower_input(Builder& b, const ImageTowerConfig& c) {
  return image_input(b, patches_of(c));
}

Architecture image_tower_architecture() {
  auto a = architecture<ImageTowerConfig, validate, forward>(
      "image_tower", "Image encoder under Hugging Face's names: CLIP, SigLIP, DINOv2, ViT MAE.");
  a.fields = image_tower_fields<>();
  return a;
}

}  // namespace vitals
