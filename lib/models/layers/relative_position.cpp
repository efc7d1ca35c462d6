#include "models/layers/relative_position.h"

#include "models/layers/tables.h"

namespace vitals {
namespace {

// [rows, heads] -> [heads, tokens, tokens]
// The rows of `window`'s own table, moved to where the table of the larger window `in` has them.
void move_rows(const Size2& window, const Size2& in, std::span<std::int64_t> rows) {
  const auto own = static_cast<std::int64_t>(2 * window.width - 1);
  const auto wide = static_cast<std::int64_t>(2 * in.width - 1);
  const auto down = static_cast<std::int64_t>(in.height - window.height);
  const auto right = static_cast<std::int64_t>(in.width - window.width);
  for (auto& row : rows) row = (row / own + down) * wide + row % own + right;
}

Tensor looked_up(Builder& b, Tensor table, const Size2& window, bool class_token,
                 std::uint64_t heads, const Size2& table_window) {
  const auto tokens = window.height * window.width + (class_token ? 1 : 0);
  const auto pairs = (Count(tokens) * tokens).value();
  const auto which = [window, class_token, table_window](std::span<std::int64_t> rows) {
    relative_position_rows(window, class_token, rows);
    if (!(window == table_window)) move_rows(window, table_window, rows);
  };
  const auto rows = b.add(op::Gather{pairs, which}, {table});
  return b.permute(b.reshape(rows, {tokens, tokens, heads}), {2, 0, 1});
}

Tensor unsqueezed(Builder& b, Tensor x) {
  return b.contiguous(b.reshape(x, {1, x.dim(0), x.dim(1), x.dim(2)}));
}

}  // namespace

std::uint64_t relative_positions(const Size2& window, bool class_token) {
  const auto offsets = Count(2 * window.height - 1) * (2 * window.width - 1);
  return (offsets + (class_token ? 3 : 0)).value();
}

Tensor relative_bias_table(Builder& b, const Size2& window, std::uint64_t heads, bool class_token,
                           std::optional<Size2> table) {
  const auto of = table.value_or(window);
  const auto values =
      b.parameter("relative_position_bias_table", {relative_positions(of, class_token), heads},
                  Role::position_bias);
  return unsqueezed(b, looked_up(b, values, window, class_token, heads, of));
}

Tensor relative_bias_mlp(Builder& b, const Size2& window, std::uint64_t heads,
                         std::uint64_t prefix_tokens, const RelPosMlp& o) {
  const auto coordinates = b.constant({2 * window.height - 1, 2 * window.width - 1, 2},
                                      [window, swin = o.swin](std::span<float> values) {
                                        relative_log_coordinates(window, swin, values);
                                      });
  auto table = b.call(o.name, "Mlp", {coordinates}, [&] {
    auto x = activation(b, "act", linear(b, o.first, coordinates, o.hidden, Role::position_bias),
                        op::ActivationKind::relu);
    x = dropout(b, "drop1", x, o.swin && o.name != "mlp" ? 0.0 : 0.125);
    return linear(b, o.second, x, heads, Role::position_bias, !o.swin);
  });
  table = b.reshape(table, {relative_positions(window, false), heads});
  auto bias = looked_up(b, table, window, false, heads, window);
  if (o.swin) bias = b.activation(bias, op::ActivationKind::sigmoid) * 16.0;
  if (prefix_tokens > 0)
    bias = pad_zeros(b, pad_zeros(b, bias, -1, prefix_tokens, 0), -2, prefix_tokens, 0);
  return unsqueezed(b, bias);
}

}  // namespace vitals
