#include "models/towers/dual_encoder.h"

#include "models/layers/layers.h"
#include "models/towers/image_tower_fields.h"
#include "models/towers/prefixed_fields.h"
#include "models/towers/text_tower_fields.h"

#include <cmath>
#include <optional>

namespace vitals {
namespace {

std::uint64_t text_width(const DualEncoderConfig& c) {
  if (c.projections) return c.projection_dim;
  return c.text.pooled_projection ? c.text.projection_dim : c.text.hidden_size;
}

void validate(const DualEncoderConfig& c) {
  under_prefix("text_", [&] { validate(c.text); });
  under_prefix("image_", [&] { validate(c.image); });
  if (c.text.head != "none") fail("/text_head: the projections are the model's own");
  if (c.image.head != "none") fail("/image_head: the projections are the model's own");
  if (c.image.pooling == "none")
    fail("/image_pooling: texts are compared with one vector an image");
  if (c.head == "detection" && (c.path.empty() || !c.image.class_token))
    fail("/head: boxes need a class token of the image, and a path of both towers");
  const auto image = c.projections ? c.projection_dim : c.image.hidden_size;
  if (text_width(c) != image)
    fail("/projection_dim: texts have {} features and images {}; they cannot be compared",
         text_width(c), image);
}

// x / |x|: the root mean square of n features is |x| / sqrt(n).
Tensor unit_vector(Builder& b, Tensor x) {
  return b.add(op::RmsNorm{0.0, false}, {x}) * (1.0 / std::sqrt(static_cast<double>(x.dim(-1))));
}

struct Compared {
  Tensor logits;
  Tensor tokens;  // of the image, [B, N, h]
  Tensor text;    // [B, width]
};

Compared compare(Builder& b, Tensor ids, Tensor picture, const DualEncoderConfig& c) {
  // Scalars: CLIP's has no dimension, SigLIP's two have one.
  const Shape scalar = c.logit_bias ? Shape{1} : Shape{};
  const auto scale = b.parameter("logit_scale", scalar, Role::other);
  auto text = text_tower(b, ids, c.text);
  const auto features = image_tower(b, picture, c.image);
  auto image = features.pooled;
  b.graph().num_tokens = features.tokens.dim(1);
  if (c.projections) {
    text = linear(b, "text_projection", text, c.projection_dim, Role::projection, false);
    image = linear(b, "visual_projection", image, c.projection_dim, Role::projection, false);
  }
  const auto picture_vector = unit_vector(b, image);
  const auto text_vector = unit_vector(b, text);
  auto logits = b.matmul(text_vector, b.transpose(picture_vector, 0, 1));
  logits = logits * b.activation(scale, op::ActivationKind::exp);
  if (c.logit_bias) logits = logits + b.parameter("logit_bias", scalar, Role::other);
  return {logits, features.tokens, text_vector};
}

// Three layers with GELU between them, as OWL-ViT's heads for boxes and objectness have them.
Tensor three_layers(Builder& b, std::string_view name, Tensor x, std::uint64_t out) {
  return b.call(name, "BoxPredictionHead", {x}, [&] {
    auto y = linear(b, "dense0", x, x.dim(-1), Role::transform);
    y = activation(b, "gelu", y, op::ActivationKind::gelu);
    y = linear(b, "dense1", y, x.dim(-1), Role::transform);
    y = activation(b, "gelu", y, op::ActivationKind::gelu);
    return linear(b, "dense2", y, out, Role::classifier);
  });
}

// Boxes of an image by the texts that name them (OWLv2, arXiv:2306.09683, section 3).
Tensors detect(Builder& b, const Compared& compared, const DualEncoderConfig& c) {
  const NormOptions options{.eps = c.image.norm_layer.eps.value_or(1e-5)};
  const auto& tokens = compared.tokens;
  const auto normed = b.within(c.path, "DualEncoder", [&] {
    return b.within("vision_model", "ImageTower",
                    [&] { return norm(b, "post_layernorm", tokens, options); });
  });
  const auto patches = b.slice(normed, 1, 1, normed.dim(1) - 1);
  const auto weighed = patches * b.slice(normed, 1, 0, 1);
  const auto features = norm(b, "layer_norm", weighed, options);
  const auto scores = b.call("class_head", "ClassPredictionHead", {features}, [&] {
    const auto classes =
        unit_vector(b, linear(b, "dense0", features, compared.text.dim(-1), Role::transform));
    const auto queries = b.reshape(compared.text, {features.dim(0), compared.text.dim(-1), 1});
    const auto near = b.matmul(classes, queries);
    const auto shift = linear(b, "logit_shift", features, 1, Role::classifier);
    const auto scale = b.activation(linear(b, "logit_scale", features, 1, Role::classifier),
                                    op::ActivationKind::elu);
    return (near + shift) * scale;
  });
  const auto boxes = three_layers(b, "box_head", features, 4);
  const auto objectness = three_layers(b, "objectness_head", features, 1);
  return {scores, boxes, objectness};
}

Tensors forward(Builder& b, const DualEncoderConfig& c) {
  if (b.options().past_len > 0) fail("an encoder reads a text at once; it has no tokens to follow");
  b.graph().modules[0].type = c.head == "none" ? "DualEncoder" : "DualEncoderForDetection";
  const auto ids = text_tower_input(b, c.text);
  const auto picture = image_tower_input(b, c.image);
  std::optional<Compared> compared;
  const auto run = [&] {
    compared = compare(b, ids, picture, c);
    return compared->logits;
  };
  if (c.path.empty())
    (void)run();
  else
    (void)b.call(c.path, "DualEncoder", {ids, picture}, run);
  if (c.head == "detection") return detect(b, *compared, c);
  return {compared->logits};
}

std::vector<Field> dual_encoder_own_fields() {
  using C = DualEncoderConfig;
  return {
      field<&C::projections>("projections", "Both towers are projected to projection_dim."),
      field<&C::projection_dim>("projection_dim", "Width of the vectors that are compared.")
          .between(1, kMaxWidth),
      field<&C::logit_bias>("logit_bias", "A bias of the logits (SigLIP)."),
      field<&C::head>("head", "What stands behind both towers: boxes with classes, or nothing.")
          .one_of({"none", "detection"}),
      field<&C::path>("path", "Path of the module that holds both towers, where there is one."),
  };
}

}  // namespace

Architecture dual_encoder_architecture() {
  using C = DualEncoderConfig;
  auto a = architecture<C, validate, forward>(
      "dual_encoder", "Text and image towers whose vectors are compared: CLIP, SigLIP.");
  a.make = [] {
    auto config = std::make_shared<C>();
    config->image.pooling = "class_norm";
    return std::shared_ptr<void>(config);
  };
  a.fields = all_fields(dual_encoder_own_fields(), prefixed(text_tower_fields<&C::text>(), "text_"),
                        prefixed(image_tower_fields<&C::image>(), "image_"));
  a.field_aliases = {{"img_size", "Image height and width in pixels.", {"image_img_size"}},
                     {"in_chans", "Image channels.", {"image_in_chans"}}};
  return a;
}

}  // namespace vitals
