// Aligned memory for kernels: a buffer for scratch, and a store for packed weights that asks the
// system for huge pages (2-5% of a forward). Must not know what is stored.
#pragma once

#include <cstddef>
#include <vector>

namespace vitals {

// 64-byte aligned, contents lost on growth. Throws std::bad_alloc.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept;
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;

  void* reserve(std::size_t bytes);
  std::size_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Hands out 64-byte aligned zeroed pieces that live as long as the store; pages are taken from the
// system only when touched.
class WeightStore {
 public:
  WeightStore() = default;
  ~WeightStore();
  WeightStore(WeightStore&& other) noexcept;
  WeightStore& operator=(WeightStore&& other) noexcept;

  void* allocate(std::size_t bytes);  // throws std::bad_alloc
  std::size_t used_bytes() const { return used_; }

 private:
  struct Chunk {
    char* data = nullptr;
    std::size_t bytes = 0;
    std::size_t next = 0;
  };
  void release();

  std::vector<Chunk> chunks_;
  std::size_t used_ = 0;
};

}  // namespace vitals
