#include "models/towers/dual_encoder.h"

#include "models/layers/layers.h"
#include "models/towers/image_tower_fields.h"
#include "models/towers/text_tower_fields.h"

#include <cmath>
#include <deque>

namespace vitals {
namespace {

// A fault of a tower, under the name that its field has here.
template <class Tower>
void validate_tower(const Tower& tower, std::string_view prefix) {
  try {
    validate(tower);
  } catch (const Error& error) {
    const std::string_view message = error.what();
    if (!message.starts_with('/')) throw;
    fail("/{}{}", prefix, message.substr(1));
  }
}

std::uint64_t text_width(const DualEncoderConfig& c) {
  if (c.projections) return c.projection_dim;
  return c.text.pooled_projection ? c.text.projection_dim : c.text.hidden_size;
}

void validate(const DualEncoderConfig& c) {
  validate_tower(c.text, "text_");
  validate_tower(c.image, "image_");
  if (c.text.head != "none") fail("/text_head: the projections are the model's own");
  if (c.image.head != "none") fail("/image_head: the projections are the model's own");
  if (c.image.pooling == "none")
    fail("/image_pooling: texts are compared with one vector an image");
  const auto image = c.projections ? c.projection_dim : c.image.hidden_size;
  if (text_width(c) != image)
    fail("/projection_dim: texts have {} features and images {}; they cannot be compared",
         text_width(c), image);
}

// x / |x|: the root mean square of n features is |x| / sqrt(n).
Tensor unit_vector(Builder& b, Tensor x) {
  return b.add(op::RmsNorm{0.0, false}, {x}) * (1.0 / std::sqrt(static_cast<double>(x.dim(-1))));
}

Tensors forward(Builder& b, const DualEncoderConfig& c) {
  if (b.options().past_len > 0) fail("an encoder reads a text at once; it has no tokens to follow");
  auto& graph = b.graph();
  graph.modules[0].type = "DualEncoder";
  // Scalars: CLIP's has no dimension, SigLIP's two have one.
  const Shape scalar = c.logit_bias ? Shape{1} : Shape{};
  const auto scale = b.parameter("logit_scale", scalar, Role::other);
  const auto ids = text_tower_input(b, c.text);
  const auto picture = image_tower_input(b, c.image);
  auto text = text_tower(b, ids, c.text);
  const auto features = image_tower(b, picture, c.image);
  auto image = features.pooled;
  graph.num_tokens = features.tokens.dim(1);
  if (c.projections) {
    text = linear(b, "text_projection", text, c.projection_dim, Role::projection, false);
    image = linear(b, "visual_projection", image, c.projection_dim, Role::projection, false);
  }
  const auto picture_vector = unit_vector(b, image);
  const auto text_vector = unit_vector(b, text);
  auto logits = b.matmul(text_vector, b.transpose(picture_vector, 0, 1));
  logits = logits * b.activation(scale, op::ActivationKind::exp);
  if (c.logit_bias) logits = logits + b.parameter("logit_bias", scalar, Role::other);
  return {logits};
}

// The towers' fields with a name before theirs; names live as long as the program.
std::vector<Field> prefixed(std::vector<Field> fields, std::string_view prefix) {
  static std::deque<std::string> names;
  for (auto& f : fields) {
    names.push_back(std::string(prefix) + std::string(f.name));
    f.name = names.back();
  }
  return fields;
}

std::vector<Field> dual_encoder_own_fields() {
  using C = DualEncoderConfig;
  return {
      field<&C::projections>("projections", "Both towers are projected to projection_dim."),
      field<&C::projection_dim>("projection_dim", "Width of the vectors that are compared.")
          .between(1, kMaxWidth),
      field<&C::logit_bias>("logit_bias", "A bias of the logits (SigLIP)."),
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
