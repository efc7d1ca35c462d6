#include "runtime/kernels/layout.h"

#include "runtime/kernel_case.h"

#include <doctest/doctest.h>

using namespace vitals;

TEST_CASE("a permuted copy moves every element") {
  for_each_engine([](Engine& engine) {
    Random random(1);
    // [2, 3, 4, 5] to [4, 2, 5, 3], fp32 to bf16
    Sample x = random.sample(120, Element::kF32);
    Sample y = poisoned(120, Element::kBf16);
    CopyJob job;
    job.sizes = {1, 1, 4, 2, 5, 3};
    job.in_strides = {0, 0, 5, 60, 1, 20};
    job.out_strides = {0, 0, 30, 15, 3, 1};
    job.in = x.data();
    job.out = y.data();
    job.out_type = Element::kBf16;
    copy_strided(engine, job);
    for (std::int64_t a = 0; a < 2; ++a)
      for (std::int64_t b = 0; b < 3; ++b)
        for (std::int64_t c = 0; c < 4; ++c)
          for (std::int64_t d = 0; d < 5; ++d) {
            const auto from = static_cast<std::size_t>(((a * 3 + b) * 4 + c) * 5 + d);
            const auto to = static_cast<std::size_t>(((c * 2 + a) * 5 + d) * 3 + b);
            CHECK(y.bf16[to].bits == to_bf16(x.f32[from]).bits);
          }
  });
}

TEST_CASE("patches come in the order of a Conv2d's weight, and a rest is left out") {
  for_each_engine([](Engine& engine) {
    std::vector<float> image;
    for (int i = 0; i < 2 * 3 * 7 * 9; ++i) image.push_back(static_cast<float>(i));
    PatchJob job;
    job.image = image.data();
    job.batch = 2;
    job.height = 7;
    job.width = 9;
    job.patch_h = 3;
    job.patch_w = 4;
    std::vector<float> out(2 * 4 * 36, -1.0f);
    job.out = out.data();
    image_to_patches(engine, job);
    std::size_t at = 0;
    for (int b = 0; b < 2; ++b)
      for (int py = 0; py < 2; ++py)
        for (int px = 0; px < 2; ++px)
          for (int c = 0; c < 3; ++c)
            for (int i = 0; i < 3; ++i)
              for (int j = 0; j < 4; ++j) {
                const int from = ((b * 3 + c) * 7 + py * 3 + i) * 9 + px * 4 + j;
                CHECK(out[at++] == static_cast<float>(from));
              }
  });
}

TEST_CASE("rows are picked by index") {
  for_each_engine([](Engine& engine) {
    Random random(2);
    Sample table = random.sample(10 * 6, Element::kBf16);
    const std::vector<std::int64_t> indices = {3, 0, 9, 3};
    std::vector<float> out(4 * 6, -1.0f);
    gather_rows(engine,
                {ConstRows(table.data(), Element::kBf16, 6), 6, indices.data(),
                 Rows{out.data(), Element::kF32, 6}},
                4);
    for (std::size_t r = 0; r < 4; ++r)
      for (std::size_t j = 0; j < 6; ++j) {
        const double want = table.exact[static_cast<std::size_t>(indices[r]) * 6 + j];
        CHECK(static_cast<double>(out[r * 6 + j]) == want);
      }
  });
}
