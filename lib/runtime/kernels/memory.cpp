#include "runtime/kernels/memory.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace vitals {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kChunk = std::size_t{64} << 20;

std::size_t round_up(std::size_t bytes, std::size_t step) {
  if (bytes > static_cast<std::size_t>(-1) - step) throw std::bad_alloc();
  return (bytes + step - 1) / step * step;
}

}  // namespace

AlignedBuffer::~AlignedBuffer() { std::free(data_); }

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void* AlignedBuffer::reserve(std::size_t bytes) {
  if (bytes <= bytes_) return data_;
  const std::size_t size = round_up(bytes, kLine);
  std::free(std::exchange(data_, nullptr));
  bytes_ = 0;
  data_ = std::aligned_alloc(kLine, size);
  if (data_ == nullptr) throw std::bad_alloc();
  bytes_ = size;
  return data_;
}

WeightStore::~WeightStore() { release(); }

WeightStore::WeightStore(WeightStore&& other) noexcept
    : chunks_(std::exchange(other.chunks_, {})), used_(std::exchange(other.used_, 0)) {}

WeightStore& WeightStore::operator=(WeightStore&& other) noexcept {
  std::swap(chunks_, other.chunks_);
  std::swap(used_, other.used_);
  return *this;
}

void WeightStore::release() {
  for (const Chunk& chunk : chunks_) munmap(chunk.data, chunk.bytes);
  chunks_.clear();
}

void* WeightStore::allocate(std::size_t bytes) {
  const std::size_t size = round_up(std::max(bytes, std::size_t{1}), kLine);
  if (chunks_.empty() || chunks_.back().bytes - chunks_.back().next < size) {
    Chunk chunk;
    chunk.bytes = round_up(std::max(size, kChunk), kHugePage);
    void* data = mmap(nullptr, chunk.bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    chunk.data = static_cast<char*>(data);
    madvise(data, chunk.bytes, MADV_HUGEPAGE);  // only a wish: older kernels may refuse
    chunks_.push_back(chunk);
  }
  Chunk& chunk = chunks_.back();
  void* piece = chunk.data + chunk.next;
  chunk.next += size;
  used_ += size;
  return piece;
}

}  // namespace vitals
