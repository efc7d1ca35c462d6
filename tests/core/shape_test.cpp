#include "core/shape.h"

#include <doctest/doctest.h>

using namespace vitals;

TEST_CASE("numel multiplies and refuses to wrap") {
  CHECK(numel({2, 3, 4}) == Count(24));
  CHECK(numel({}) == Count(1));
  CHECK(numel({5, 0}) == Count(0));
  CHECK_THROWS_AS((void)numel({1ULL << 40, 1ULL << 40}), Error);
}

TEST_CASE("counts never wrap") {
  CHECK_THROWS_AS((void)(Count(UINT64_MAX) + 1), Error);
  CHECK_THROWS_AS((void)(Count(3) - 4), Error);
  CHECK((Count(UINT64_MAX) + 0).value() == UINT64_MAX);
}

// The expectations are what torch.empty(...).view says.
TEST_CASE("view_strides follows Tensor.view") {
  const Shape qkv{2, 197, 3, 12, 64};
  const auto dense = contiguous_strides(qkv);
  CHECK(view_strides(qkv, dense, {2, 197, 2304}) == Strides{453888, 2304, 1});

  // q = qkv.permute(2, 0, 3, 1, 4)[0]: [2, 12, 197, 64], batch and heads do not fold.
  const Shape q{2, 12, 197, 64};
  const Strides strided{453888, 64, 2304, 1};
  CHECK_FALSE(view_strides(q, strided, {24, 197, 64}).has_value());
  CHECK_FALSE(is_contiguous(q, strided));

  // With one sample there is nothing to fold: it stays a view.
  CHECK(view_strides({1, 12, 197, 64}, strided, {12, 197, 64}) == Strides{64, 2304, 1});
  // A transposed image of patches: [2, 768, 196] -> [2, 196, 768] cannot be flattened.
  CHECK_FALSE(view_strides({2, 196, 768}, {150528, 1, 196}, {392, 768}).has_value());
}

TEST_CASE("elementwise ops keep a dense input's order of dimensions") {
  CHECK(elementwise_strides({2, 196, 768}, {150528, 1, 196}) == Strides{150528, 1, 196});
  CHECK(elementwise_strides({2, 4}, {8, 1}) == Strides{4, 1});
}

// Strides as PyTorch 1.13 gives them for x.permute(0, 3, 1, 2) and torch.empty.
TEST_CASE("channels last is seen as PyTorch sees it") {
  CHECK(is_channels_last({2, 16, 8, 8}, {1024, 1, 128, 16}));
  CHECK(is_channels_last({2, 32, 1, 1}, {32, 1, 32, 32}));
  CHECK_FALSE(is_channels_last({2, 16, 8, 8}, {1024, 64, 8, 1}));
  CHECK_FALSE(is_channels_last({2, 1, 8, 8}, {64, 64, 8, 1}));
  CHECK_FALSE(is_channels_last({1, 1, 1, 1}, {1, 1, 1, 1}));
  CHECK_FALSE(is_channels_last({2, 8, 16}, {128, 1, 8}));
  CHECK(channels_last_strides({2, 16, 8, 8}) == Strides{1024, 1, 128, 16});
}

TEST_CASE("broadcast follows numpy") {
  CHECK(broadcast({2, 12, 50, 50}, {12, 50, 50}) == Shape{2, 12, 50, 50});
  CHECK(broadcast({2, 1, 4}, {3, 1}) == Shape{2, 3, 4});
  CHECK_FALSE(broadcast({2, 3}, {2, 4}).has_value());
}
