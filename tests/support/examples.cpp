#include "support/examples.h"

#include "graph/op_traits.h"

namespace vitals::test {
namespace {

// The same values in another order of memory: kernels must honour strides.
Tensor transposed(Builder& b, const Shape& shape) {
  Shape turned = shape;
  std::swap(turned[turned.rank() - 1], turned[turned.rank() - 2]);
  return b.transpose(b.input(turned), -2, -1);
}

Example linear(std::uint64_t in, std::uint64_t out, bool bias) {
  return {fmt::format("linear {} {} {}", in, out, bias), [=](Builder& b) {
            b.linear(b.input({2, 3, in}), out, b.param("weight", {out, in}),
                     bias ? b.param("bias", {out}) : kNone);
          }};
}

Example conv(const Shape& x, const op::Conv& o) {
  return {"conv " + to_string(x), [=](Builder& b) {
            Shape weight{o.out, o.in / o.groups};
            if (o.transposed) weight = {o.in, o.out / o.groups};
            for (std::size_t d = 0; d < o.spatial_dims; ++d) weight.push_back(o.kernel[d]);
            b.add(o, {b.input(x)}, b.param("weight", weight),
                  o.bias ? b.param("bias", {o.out}) : kNone);
          }};
}

Example sdpa(const op::Sdpa& o, const Shape& q, const Shape& k, const Shape& v) {
  return {"sdpa " + to_string(q) + to_string(k), [=](Builder& b) {
            Tensors inputs{b.input(q), b.input(k), b.input(v)};
            if (o.bias) inputs.push_back(b.input({q.at(-3), q.at(-2), k.at(-2)}));
            if (o.sinks) inputs.push_back(b.input({q.at(-3)}));
            b.add(o, inputs);
          }};
}

Example experts(const op::ExpertLinear& o, bool spread) {
  return {fmt::format("expert_linear, spread {}", spread), [=](Builder& b) {
            const auto x = spread ? b.input({3, o.active, o.in}) : b.input({3, o.in});
            const Shape weight =
                o.transposed ? Shape{o.experts, o.in, o.out} : Shape{o.experts, o.out, o.in};
            b.add(o, {x, b.input({3, o.active}, DType::i64)}, b.param("weight", weight),
                  o.bias ? b.param("bias", {o.experts, o.out}) : kNone);
          }};
}

// A unary op on dense, transposed and one-dimensional inputs.
std::vector<Example> unary(const std::string& name, const Op& o) {
  return {{name,
           [=](Builder& b) {
             b.add(o, {b.input({2, 3, 5})});
           }},
          {name + " transposed",
           [=](Builder& b) {
             b.add(o, {transposed(b, {2, 4, 3})});
           }},
          {name + " vector", [=](Builder& b) { b.add(o, {b.input({7})}); }}};
}

template <class O>
std::vector<Example> each(const std::vector<std::pair<std::string, O>>& ops) {
  std::vector<Example> all;
  for (const auto& [name, o] : ops)
    for (auto& example : unary(name, o)) all.push_back(std::move(example));
  return all;
}

// A new op without examples does not compile.
template <class O>
std::vector<Example> examples() = delete;

template <>
std::vector<Example> examples<op::Input>() {
  return {{"input", [](Builder& b) { b.input({2, 3}); }}};
}

template <>
std::vector<Example> examples<op::Parameter>() {
  return {{"parameter", [](Builder& b) { b.parameter("p", {2, 3}); }}};
}

template <>
std::vector<Example> examples<op::Constant>() {
  return {{"constant", [](Builder& b) { b.constant({2, 3}); }}};
}

template <>
std::vector<Example> examples<op::Opaque>() {
  return {{"opaque", [](Builder& b) {
             b.add(op::Opaque{"Unknown", {2, 3}, DType::f32, 12, true}, {b.input({2, 4})});
           }}};
}

template <>
std::vector<Example> examples<op::SideOutput>() {
  return {{"side_output", [](Builder& b) {
             b.add(op::SideOutput{{2, 2}, DType::i64}, {b.input({2, 4})});
           }}};
}

template <>
std::vector<Example> examples<op::Recurrent>() {
  std::vector<Example> all;
  for (auto kind : {op::RecurrentKind::rnn_tanh, op::RecurrentKind::rnn_relu,
                    op::RecurrentKind::gru, op::RecurrentKind::lstm})
    all.push_back({std::string(name_of(Op{op::Recurrent{kind}})), [=](Builder& b) {
                     b.add(op::Recurrent{kind, 4, 3, 2}, {b.input({5, 2, 4})});
                   }});
  return all;
}

template <>
std::vector<Example> examples<op::LinearRecurrence>() {
  return {{"selective_scan",
           [](Builder& b) {
             const auto x = b.input({2, 5, 4});
             b.add(
                 op::LinearRecurrence{op::RecurrenceKind::selective_scan},
                 {x, b.input({2, 5, 4}), b.input({4, 3}), b.input({2, 5, 3}), b.input({2, 5, 3})});
           }},
          {"ssd",
           [](Builder& b) {
             b.add(op::LinearRecurrence{op::RecurrenceKind::ssd},
                   {b.input({2, 5, 2, 4}), b.input({2, 5, 2}), b.input({2}), b.input({2, 5, 1, 3}),
                    b.input({2, 5, 1, 3})});
           }},
          {"gated_delta", [](Builder& b) {
             b.add(op::LinearRecurrence{op::RecurrenceKind::gated_delta},
                   {b.input({2, 5, 2, 4}), b.input({2, 5, 2, 4}), b.input({2, 5, 2, 3})});
           }}};
}

template <>
std::vector<Example> examples<op::Linear>() {
  return {linear(4, 5, true),
          linear(4, 5, false),
          linear(1, 1, true),
          linear(1, 3, false),
          {"linear of a vector",
           [](Builder& b) {
             b.linear(b.input({6}), 2, b.param("weight", {2, 6}));
           }},
          {"linear with a transposed weight",
           [](Builder& b) {
             b.linear(b.input({2, 4}), 3, b.param("weight", {4, 3}), b.param("bias", {3}), true);
           }},
          {"linear with a bias that is computed",
           [](Builder& b) {
             b.linear(b.input({2, 4}), 3, b.param("weight", {3, 4}), b.input({3}));
           }},
          {"linear of rows that lie apart", [](Builder& b) {
             b.linear(b.slice(b.input({4, 9}), 1, 2, 5), 3, b.param("weight", {3, 5}));
           }}};
}

template <>
std::vector<Example> examples<op::Conv>() {
  op::Conv grouped{4, 6, {3, 2}, {2, 1}, {1, 1}, 2, true, 2};
  op::Conv depthwise{3, 3, {3, 3}, {1, 1}, {1, 1}, 3, false, 2};
  op::Conv patches{3, 5, {2, 2}, {2, 2}, {0, 0}, 1, true, 2};
  op::Conv flat{2, 4, {3}, {2}, {1}, 1, true, 1};
  op::Conv causal{4, 4, {3}, {1}, {2}, 4, true, 1};
  causal.more_padding = {-2};
  op::Conv dilated{2, 4, {3, 2}, {1, 1}, {2, 0}, 2, true, 2, {2, 3}};
  op::Conv volume{2, 3, {2, 3, 2}, {1, 2, 1}, {0, 1, 1}, 1, false, 3};
  op::Conv turned{4, 6, {3, 2}, {2, 1}, {1, 0}, 2, true, 2, {1, 2}, {}, true, {1, 0}};
  op::Conv turned_plain{2, 3, {2}, {2}, {0}, 1, false, 1, {1}, {}, true};
  return {
      conv({2, 4, 7, 5}, grouped),   conv({1, 3, 4, 4}, depthwise), conv({2, 3, 6, 4}, patches),
      conv({2, 2, 9}, flat),         conv({2, 4, 5}, causal),       conv({1, 2, 6, 7}, dilated),
      conv({1, 2, 3, 4, 3}, volume), conv({2, 4, 3, 4}, turned),    conv({1, 2, 5}, turned_plain)};
}

template <>
std::vector<Example> examples<op::MatMul>() {
  return {{"matmul",
           [](Builder& b) {
             b.matmul(b.input({3, 4}), b.input({4, 2}));
           }},
          {"matmul of one",
           [](Builder& b) {
             b.matmul(b.input({3, 1}), b.input({1, 2}));
           }},
          {"batched",
           [](Builder& b) {
             b.matmul(b.input({2, 3, 4, 5}), b.transpose(b.input({2, 3, 6, 5}), -2, -1));
           }},
          {"broadcast right",
           [](Builder& b) {
             b.matmul(b.input({2, 3, 4, 5}), b.input({5, 6}));
           }},
          {"broadcast left", [](Builder& b) {
             b.matmul(b.input({1, 4, 5}), b.input({3, 5, 2}));
           }}};
}

template <>
std::vector<Example> examples<op::ExpertLinear>() {
  return {experts({5, 2, 4, 3, false, false}, false), experts({5, 2, 4, 3, true, false}, true),
          experts({2, 1, 4, 3, true, true}, false)};
}

template <>
std::vector<Example> examples<op::Sdpa>() {
  const Shape q{2, 4, 3, 5};
  const Shape one{1, 1, 1, 1};
  op::Sdpa plain{.scale = 0.5};
  op::Sdpa causal{.scale = 0.5, .causal = true};
  op::Sdpa biased{.scale = 0.5, .bias = true};
  op::Sdpa all{.scale = 0.5, .causal = true, .dropout = 0.25, .bias = true, .sinks = true};
  return {sdpa(plain, q, {2, 4, 6, 5}, {2, 4, 6, 7}),  sdpa(causal, q, q, q),
          sdpa(causal, q, {2, 2, 6, 5}, {2, 2, 6, 5}), sdpa(biased, q, q, {2, 4, 3, 2}),
          sdpa(all, q, {2, 1, 3, 5}, {2, 1, 3, 1}),    sdpa(plain, one, one, one)};
}

template <>
std::vector<Example> examples<op::Binary>() {
  std::vector<Example> all;
  for (int i = 0; traits(static_cast<op::BinaryKind>(i)).name != "?"; ++i) {
    const op::Binary o{static_cast<op::BinaryKind>(i)};
    const std::string name(name_of(Op{o}));
    all.push_back({name, [=](Builder& b) { b.add(o, {b.input({2, 3, 4}), b.input({2, 3, 4})}); }});
    all.push_back({name + " broadcast", [=](Builder& b) {
                     b.add(o, {b.input({2, 3, 4}), b.input({1, 3, 1})});
                   }});
    all.push_back({name + " broadcast left", [=](Builder& b) {
                     b.add(o, {b.input({4}), transposed(b, {2, 3, 4})});
                   }});
  }
  return all;
}

template <>
std::vector<Example> examples<op::Where>() {
  return {
      {"where", [](Builder& b) {
         b.add(op::Where{}, {b.constant({3, 1}, DType::boolean), b.input({2, 3, 4}), b.input({4})});
       }}};
}

template <>
std::vector<Example> examples<op::Cast>() {
  return unary("cast", op::Cast{DType::i32});
}

template <>
std::vector<Example> examples<op::Scale>() {
  return unary("scale", op::Scale{0.125});
}

template <>
std::vector<Example> examples<op::Unary>() {
  std::vector<std::pair<std::string, op::Unary>> all;
  // Up to the last one; the table tells where the kinds end.
  for (int i = 0; name_of(static_cast<op::UnaryKind>(i)) != "?"; ++i) {
    const op::Unary o{static_cast<op::UnaryKind>(i), 0.25, 0.75};
    all.emplace_back(name_of(o.kind), o);
  }
  return each(all);
}

template <>
std::vector<Example> examples<op::Softmax>() {
  auto all = unary("softmax", op::Softmax{});
  all.push_back({"softmax of one", [](Builder& b) { b.softmax(b.input({3, 1})); }});
  all.push_back({"softmax over channels", [](Builder& b) {
                   b.add(op::Softmax{false, 1}, {b.input({2, 3, 4})});
                 }});
  for (auto& example : unary("log_softmax", op::Softmax{true, 0})) all.push_back(example);
  return all;
}

template <>
std::vector<Example> examples<op::TopK>() {
  return {{"topk",
           [](Builder& b) {
             b.add(op::TopK{3}, {b.input({2, 4, 5})});
           }},
          {"topk of one",
           [](Builder& b) {
             b.add(op::TopK{1}, {b.input({4, 1})});
           }},
          {"topk of all", [](Builder& b) { b.add(op::TopK{4}, {b.input({4})}); }},
          {"topk of columns, smallest", [](Builder& b) {
             b.add(op::TopK{2, 1, true}, {b.input({2, 4, 3})});
           }}};
}

template <>
std::vector<Example> examples<op::MaskedFill>() {
  return {{"masked_fill", [](Builder& b) {
             b.add(op::MaskedFill{}, {b.input({2, 3, 4}), b.constant({3, 4}, DType::boolean)});
           }}};
}

template <>
std::vector<Example> examples<op::LayerNorm>() {
  std::vector<Example> all = unary("layer_norm, not affine", op::LayerNorm{1e-6, false, false});
  for (const bool bias : {true, false})
    all.push_back({fmt::format("layer_norm, bias {}", bias), [=](Builder& b) {
                     b.add(op::LayerNorm{1e-5, true, bias}, {transposed(b, {2, 3, 4})},
                           b.param("weight", {4}), bias ? b.param("bias", {4}) : kNone);
                   }});
  return all;
}

template <>
std::vector<Example> examples<op::RmsNorm>() {
  auto all = unary("rms_norm, not affine", op::RmsNorm{1e-6, false});
  all.push_back({"rms_norm", [](Builder& b) {
                   b.add(op::RmsNorm{1e-6, true}, {b.input({2, 3, 4})}, b.param("weight", {4}));
                 }});
  all.push_back(
      {"rms_norm with weights a head", [](Builder& b) {
         b.add(op::RmsNorm{1e-6, true}, {b.input({2, 5, 3, 4})}, b.param("weight", {3, 4}));
       }});
  return all;
}

template <>
std::vector<Example> examples<op::GlobalResponseNorm>() {
  const auto of = [](const char* name, auto input) {
    return Example{name, [=](Builder& b) {
                     const Tensor x = input(b);
                     const Shape channels{x.dim(-1)};
                     b.add(op::GlobalResponseNorm{1e-6}, {x}, b.param("weight", channels),
                           b.param("bias", channels));
                   }};
  };
  return {of("global_response_norm",
             [](Builder& b) {
               return b.input({2, 3, 4, 5});
             }),
          of("global_response_norm of tokens",
             [](Builder& b) {
               return b.input({2, 6, 3});
             }),
          of("global_response_norm, channels first", [](Builder& b) {
            return b.permute(b.input({2, 5, 3, 4}), {0, 2, 3, 1});
          })};
}

template <>
std::vector<Example> examples<op::BatchNorm>() {
  const auto norm = [](const std::string& name, const Shape& shape, bool training, bool affine) {
    return Example{name, [=](Builder& b) {
                     const Shape channels{shape[1]};
                     Tensors inputs{b.input(shape)};
                     if (!training) {
                       inputs.push_back(b.parameter("running_mean", channels));
                       inputs.push_back(b.parameter("running_var", channels));
                     }
                     b.add(op::BatchNorm{1e-5, training, affine}, inputs,
                           affine ? b.param("weight", channels) : kNone,
                           affine ? b.param("bias", channels) : kNone);
                   }};
  };
  return {norm("batch_norm", {2, 3, 4, 5}, false, true),
          norm("batch_norm of rows", {4, 3}, false, true),
          norm("batch_norm, not affine", {2, 3, 4}, false, false),
          norm("batch_norm in training", {2, 3, 4}, true, true),
          norm("batch_norm in training, not affine", {2, 3, 2, 2, 2}, true, false)};
}

template <>
std::vector<Example> examples<op::GroupNorm>() {
  const auto norm = [](const std::string& name, std::uint64_t groups, bool affine) {
    return Example{name, [=](Builder& b) {
                     b.add(op::GroupNorm{groups, 1e-5, affine, groups == 6},
                           {transposed(b, {2, 6, 3, 2})}, affine ? b.param("weight", {6}) : kNone,
                           affine ? b.param("bias", {6}) : kNone);
                   }};
  };
  return {norm("group_norm", 2, true), norm("group_norm, not affine", 3, false),
          norm("instance_norm", 6, true)};
}

template <>
std::vector<Example> examples<op::LocalResponseNorm>() {
  return {{"local_response_norm", [](Builder& b) {
             b.add(op::LocalResponseNorm{3, 1e-2, 0.75, 1.0}, {b.input({2, 4, 3, 2})});
           }}};
}

template <>
std::vector<Example> examples<op::Pool>() {
  std::vector<Example> all;
  for (auto kind : {op::PoolKind::max, op::PoolKind::avg, op::PoolKind::lp}) {
    const std::string name(name_of(Op{op::Pool{kind}}));
    op::Pool images{kind, {3, 2}, {2, 1}, {1, 0}};
    op::Pool dilated{kind, {2}, {1}, {0}, 1, {2}};
    op::Pool ceiled{kind, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}, 3};
    ceiled.ceil_mode = true;
    ceiled.count_padding = false;
    all.push_back({name, [=](Builder& b) { b.add(images, {b.input({2, 3, 5, 4})}); }});
    all.push_back({name + " 1d", [=](Builder& b) { b.add(dilated, {b.input({2, 3, 5})}); }});
    all.push_back({name + " 3d", [=](Builder& b) { b.add(ceiled, {b.input({1, 2, 3, 4, 5})}); }});
  }
  return all;
}

template <>
std::vector<Example> examples<op::AdaptivePool>() {
  std::vector<Example> all;
  for (auto kind : {op::PoolKind::max, op::PoolKind::avg, op::PoolKind::lp}) {
    const std::string name(name_of(Op{op::AdaptivePool{kind}}));
    all.push_back({name + " global", [=](Builder& b) {
                     b.add(op::AdaptivePool{kind}, {b.input({2, 3, 5, 4})});
                   }});
    all.push_back({name, [=](Builder& b) {
                     b.add(op::AdaptivePool{kind, {3, 2}}, {b.input({2, 3, 5, 4})});
                   }});
  }
  return all;
}

template <>
std::vector<Example> examples<op::Resize>() {
  return {{"resize", [](Builder& b) {
             b.add(op::Resize{op::ResizeKind::linear, {1, 2, 6, 8}}, {b.input({1, 2, 3, 4})});
           }}};
}

template <>
std::vector<Example> examples<op::Dropout>() {
  return unary("dropout", op::Dropout{0.25});
}

template <>
std::vector<Example> examples<op::DropPath>() {
  return unary("drop_path", op::DropPath{0.25});
}

template <>
std::vector<Example> examples<op::Concat>() {
  return {{"concat",
           [](Builder& b) {
             b.concat({b.input({2, 1, 3}), transposed(b, {2, 4, 3}), b.input({2, 2, 3})}, 1);
           }},
          {"concat of one", [](Builder& b) {
             b.concat({b.input({2, 3})}, -1);
           }}};
}

template <>
std::vector<Example> examples<op::Reshape>() {
  return {{"reshape",
           [](Builder& b) {
             b.reshape(b.input({2, 6}), {3, 4});
           }},
          {"reshape that copies", [](Builder& b) {
             b.reshape(transposed(b, {2, 6}), {12});
           }}};
}

template <>
std::vector<Example> examples<op::Expand>() {
  return {{"expand",
           [](Builder& b) {
             b.expand(b.input({1, 3, 1}), {2, 3, 4});
           }},
          {"expand to more dimensions", [](Builder& b) {
             b.expand(b.input({3}), {2, 3});
           }}};
}

template <>
std::vector<Example> examples<op::Permute>() {
  return {{"permute", [](Builder& b) { b.permute(b.input({2, 3, 4}), {2, 0, 1}); }}};
}

template <>
std::vector<Example> examples<op::Slice>() {
  return {{"slice",
           [](Builder& b) {
             b.slice(b.input({2, 5, 3}), 1, 2, 2);
           }},
          {"slice by steps",
           [](Builder& b) {
             b.add(op::Slice{1, 1, 4, false, false, 2}, {b.input({2, 5, 3})});
           }},
          {"select", [](Builder& b) {
             b.select(b.input({2, 5, 3}), -1, 1);
           }}};
}

template <>
std::vector<Example> examples<op::Triangle>() {
  return {{"tril",
           [](Builder& b) {
             b.add(op::Triangle{}, {b.input({2, 3, 4})});
           }},
          {"triu", [](Builder& b) {
             b.add(op::Triangle{true, 1}, {transposed(b, {3, 4})});
           }}};
}

template <>
std::vector<Example> examples<op::Flip>() {
  return {{"flip", [](Builder& b) { b.add(op::Flip{{0, 2}}, {b.input({2, 3, 4})}); }}};
}

template <>
std::vector<Example> examples<op::Tile>() {
  return {{"tile", [](Builder& b) { b.add(op::Tile{{2, 1, 3}}, {b.input({2, 3, 1})}); }}};
}

template <>
std::vector<Example> examples<op::Pad>() {
  std::vector<Example> all;
  for (auto kind :
       {op::PadKind::constant, op::PadKind::reflect, op::PadKind::edge, op::PadKind::wrap})
    all.push_back({fmt::format("pad {}", static_cast<int>(kind)), [=](Builder& b) {
                     b.add(op::Pad{kind, {0, 2}, {1, 1}, 0.5}, {b.input({2, 3})});
                   }});
  return all;
}

template <>
std::vector<Example> examples<op::Take>() {
  return {
      {"index_select",
       [](Builder& b) {
         b.add(op::Take{op::TakeKind::rows, 1}, {b.input({2, 5, 3}), b.input({4, 2}, DType::i64)});
       }},
      {"gather_elements",
       [](Builder& b) {
         b.add(op::Take{op::TakeKind::elements, 1}, {b.input({2, 5}), b.input({2, 3}, DType::i64)});
       }},
      {"gather_nd", [](Builder& b) {
         b.add(op::Take{op::TakeKind::nd, 0, 1},
               {b.input({2, 5, 3}), b.input({2, 4, 1}, DType::i64)});
       }}};
}

template <>
std::vector<Example> examples<op::Scatter>() {
  return {{"scatter", [](Builder& b) {
             b.add(op::Scatter{}, {b.input({2, 5}), b.input({2, 3}, DType::i64), b.input({2, 3})});
           }}};
}

template <>
std::vector<Example> examples<op::Copy>() {
  return {{"contiguous", [](Builder& b) { b.contiguous(transposed(b, {2, 3, 4})); }}};
}

template <>
std::vector<Example> examples<op::Roll>() {
  return {{"roll",
           [](Builder& b) {
             b.add(op::Roll{{-2, -2}, 1, 2}, {b.input({2, 4, 5, 3})});
           }},
          {"roll back", [](Builder& b) {
             b.add(op::Roll{{3, -1}, 1, 2}, {b.input({1, 4, 4, 2})});
           }}};
}

template <>
std::vector<Example> examples<op::Reduce>() {
  std::vector<Example> all;
  for (int i = 0; traits(static_cast<op::ReduceKind>(i)).name != "?"; ++i) {
    const auto kind = static_cast<op::ReduceKind>(i);
    const std::string name(traits(kind).name);
    for (const bool keep : {true, false}) {
      for (const int axis : {0, 1, -1})
        all.push_back({fmt::format("{} over {}", name, axis), [=](Builder& b) {
                         b.add(op::Reduce{kind, axis, keep}, {transposed(b, {2, 3, 4})});
                       }});
      all.push_back({name + " over two", [=](Builder& b) {
                       b.add(op::Reduce{kind, 0, keep, {2}}, {b.input({2, 3, 4})});
                     }});
    }
  }
  all.push_back({"mean of one", [](Builder& b) { b.mean(b.input({3, 1}), 1); }});
  return all;
}

template <>
std::vector<Example> examples<op::ArgReduce>() {
  return {{"argmax",
           [](Builder& b) {
             b.add(op::ArgReduce{false, 1, false}, {b.input({2, 5, 3})});
           }},
          {"argmin, kept", [](Builder& b) {
             b.add(op::ArgReduce{true, -1, true}, {b.input({2, 3})});
           }}};
}

template <>
std::vector<Example> examples<op::Cumulative>() {
  return {{"cumsum",
           [](Builder& b) {
             b.add(op::Cumulative{op::CumulativeKind::sum, 1}, {b.input({2, 4, 3})});
           }},
          {"cumprod", [](Builder& b) {
             b.add(op::Cumulative{op::CumulativeKind::prod, -1}, {transposed(b, {2, 4})});
           }}};
}

template <>
std::vector<Example> examples<op::Embedding>() {
  return {{"embedding", [](Builder& b) {
             b.add(op::Embedding{5, 3}, {b.input({2, 4}, DType::i64)}, b.param("weight", {5, 3}));
           }}};
}

template <>
std::vector<Example> examples<op::Gather>() {
  return {{"gather", [](Builder& b) { b.add(op::Gather{6}, {b.parameter("table", {4, 3})}); }}};
}

template <>
std::vector<Example> examples<op::Rope>() {
  std::vector<Example> all;
  for (const bool half : {false, true})
    for (const std::uint64_t dim : {4U, 6U})
      all.push_back({fmt::format("rope {} {}", dim, half), [=](Builder& b) {
                       const auto table = b.constant({5, 2 * dim}, [](std::span<float> values) {
                         for (std::size_t i = 0; i < values.size(); ++i)
                           values[i] = static_cast<float>(i % 7) / 4.0F - 0.75F;
                       });
                       b.add(op::Rope{dim, half}, {b.input({2, 3, 5, 6}), table});
                     }});
  return all;
}

template <std::size_t... I>
std::vector<std::vector<Example>> collected(std::index_sequence<I...>) {
  return {examples<std::variant_alternative_t<I, Op>>()...};
}

}  // namespace

const std::vector<std::vector<Example>>& all_examples() {
  static const auto all = [] {
    auto examples = collected(std::make_index_sequence<std::variant_size_v<Op>>{});
    for (std::size_t i = 0; i < examples.size(); ++i)
      if (examples[i].empty()) throw std::logic_error(fmt::format("op {} has no example", i));
    return examples;
  }();
  return all;
}

}  // namespace vitals::test
