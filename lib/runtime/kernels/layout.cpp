#include "runtime/kernels/layout.h"

#include <algorithm>
#include <cstring>

namespace vitals {
namespace {

const char* at(const void* data, Element type, std::int64_t index) {
  return static_cast<const char*>(data) + index * static_cast<std::int64_t>(element_size(type));
}

char* at(void* data, Element type, std::int64_t index) {
  return static_cast<char*>(data) + index * static_cast<std::int64_t>(element_size(type));
}

void copy_row(const void* in, Element in_type, std::int64_t in_stride, void* out, Element out_type,
              std::int64_t out_stride, std::int64_t count) {
  if (in_type == out_type && in_stride == 1 && out_stride == 1) {
    std::memcpy(out, in, static_cast<std::size_t>(count) * element_size(in_type));
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    put(out, out_type, i * out_stride, get(in, in_type, i * in_stride));
  }
}

// The two innermost dimensions of a copy at one place of the others.
void copy_plane(const CopyJob& job, std::int64_t from, std::int64_t to) {
  constexpr int kInner = kMaxCopyDims - 1;
  for (std::int64_t r = 0; r < job.sizes[kInner - 1]; ++r) {
    copy_row(at(job.in, job.in_type, from + r * job.in_strides[kInner - 1]), job.in_type,
             job.in_strides[kInner],
             at(job.out, job.out_type, to + r * job.out_strides[kInner - 1]), job.out_type,
             job.out_strides[kInner], job.sizes[kInner]);
  }
}

}  // namespace

void copy_strided(Engine& engine, const CopyJob& job) {
  constexpr int kOuter = kMaxCopyDims - 2;
  std::int64_t planes = 1;
  for (int d = 0; d < kMaxCopyDims; ++d) {
    if (job.sizes[static_cast<std::size_t>(d)] <= 0) return;
    if (d < kOuter) planes *= job.sizes[static_cast<std::size_t>(d)];
  }
  const std::int64_t pieces = std::min(planes, std::int64_t{8} * engine.pool().threads());
  engine.pool().parallel_for(pieces, [&](std::int64_t piece, int) {
    for (std::int64_t p = planes * piece / pieces; p < planes * (piece + 1) / pieces; ++p) {
      std::int64_t rest = p;
      std::int64_t from = 0;
      std::int64_t to = 0;
      for (std::size_t d = kOuter; d-- > 0;) {
        const std::int64_t i = rest % job.sizes[d];
        rest /= job.sizes[d];
        from += i * job.in_strides[d];
        to += i * job.out_strides[d];
      }
      copy_plane(job, from, to);
    }
  });
}

void image_to_patches(Engine& engine, const PatchJob& job) {
  const std::int64_t down = job.height / job.patch_h;
  const std::int64_t across = job.width / job.patch_w;
  const std::int64_t row = job.channels * job.patch_h * job.patch_w;
  engine.pool().parallel_for(job.batch * down, [&](std::int64_t task, int) {
    const std::int64_t b = task / down;
    const std::int64_t y = task % down * job.patch_h;
    for (std::int64_t c = 0; c < job.channels; ++c) {
      for (std::int64_t i = 0; i < job.patch_h; ++i) {
        const float* line = job.image + ((b * job.channels + c) * job.height + y + i) * job.width;
        for (std::int64_t x = 0; x < across; ++x) {
          const std::int64_t to = (task * across + x) * row + (c * job.patch_h + i) * job.patch_w;
          copy_row(line + x * job.patch_w, Element::kF32, 1, at(job.out, job.out_type, to),
                   job.out_type, 1, job.patch_w);
        }
      }
    }
  });
}

void gather_rows(Engine& engine, const GatherJob& job, std::int64_t rows) {
  const std::int64_t pieces = std::min(rows, std::int64_t{4} * engine.pool().threads());
  engine.pool().parallel_for(pieces, [&](std::int64_t piece, int) {
    for (std::int64_t r = rows * piece / pieces; r < rows * (piece + 1) / pieces; ++r) {
      copy_row(at(job.table.data, job.table.type, job.indices[r] * job.table.stride),
               job.table.type, 1, at(job.out.data, job.out.type, r * job.out.stride), job.out.type,
               1, job.columns);
    }
  });
}

}  // namespace vitals
