#include "memory/simulator/caching_allocator.h"

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <set>
#include <utility>

namespace vitals::eager {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kBlock = 512;                // sizes are multiples of it
constexpr std::uint64_t kMostSmall = kMiB;           // up to here from the pool of small blocks,
constexpr std::uint64_t kSmallSegment = 2 * kMiB;    // which grows by segments of this size
constexpr std::uint64_t kLeastOwn = 10 * kMiB;       // from here a segment of its own,
constexpr std::uint64_t kRoundOwn = 2 * kMiB;        // rounded up to this;
constexpr std::uint64_t kMediumSegment = 20 * kMiB;  // below, this much
constexpr std::uint64_t kPrecision = 16 * kMiB;
constexpr int kSteps = 3;  // the second step finds the first one's segments

std::uint64_t rounded_up(std::uint64_t bytes, std::uint64_t to) {
  return (bytes + to - 1) / to * to;
}

struct Block {
  std::uint64_t address = 0;
  std::uint64_t size = 0;
  bool small = false;
  bool free = false;
  Block* before = nullptr;  // in the same segment
  Block* behind = nullptr;
};

// Best fit: the smallest, then the lowest.
struct BySize {
  bool operator()(const Block* a, const Block* b) const {
    return a->size != b->size ? a->size < b->size : a->address < b->address;
  }
};

class CachingAllocator {
 public:
  explicit CachingAllocator(std::uint64_t capacity) : capacity_(capacity) {}

  // Null when the device has too little.
  Block* allocate(std::uint64_t bytes) {
    const auto size = rounded_up(std::max(bytes, kBlock), kBlock);
    const bool small = size <= kMostSmall;
    auto* block = cached(size, small);
    if (block == nullptr) block = new_segment(size, small);
    if (block == nullptr) return nullptr;
    split(*block, size);
    block->free = false;
    active_ += block->size;
    most_active_ = std::max(most_active_, active_);
    return block;
  }

  void release(Block& freed) {
    auto* block = &freed;
    active_ -= block->size;
    block->free = true;
    if (auto* before = block->before; before != nullptr && before->free) {
      pool(*before).erase(before);
      take_in(*before, *block);
      block = before;
    }
    if (auto* behind = block->behind; behind != nullptr && behind->free) {
      pool(*behind).erase(behind);
      take_in(*block, *behind);
    }
    pool(*block).insert(block);
  }

  [[nodiscard]] std::uint64_t most_reserved() const { return most_reserved_; }
  [[nodiscard]] std::uint64_t most_active() const { return most_active_; }

 private:
  using Pool = std::set<Block*, BySize>;

  Pool& pool(const Block& block) { return pools_[block.small ? 0 : 1]; }

  Block* cached(std::uint64_t size, bool small) {
    Block wanted{0, size, small, false, nullptr, nullptr};
    auto& blocks = pool(wanted);
    const auto found = blocks.lower_bound(&wanted);
    if (found == blocks.end()) return nullptr;
    auto* block = *found;
    blocks.erase(found);
    return block;
  }

  Block* new_segment(std::uint64_t size, bool small) {
    const auto bytes = small              ? kSmallSegment
                       : size < kLeastOwn ? kMediumSegment
                                          : rounded_up(size, kRoundOwn);
    if (reserved_ + bytes > capacity_) return_free_segments();
    if (reserved_ + bytes > capacity_) return nullptr;
    reserved_ += bytes;
    most_reserved_ = std::max(most_reserved_, reserved_);
    blocks_.push_back({next_address_, bytes, small, false, nullptr, nullptr});
    next_address_ += bytes;
    return &blocks_.back();
  }

  void return_free_segments() {
    for (auto& blocks : pools_)
      for (auto it = blocks.begin(); it != blocks.end();) {
        const bool whole = (*it)->before == nullptr && (*it)->behind == nullptr;
        if (whole) reserved_ -= (*it)->size;
        it = whole ? blocks.erase(it) : std::next(it);
      }
  }

  void split(Block& block, std::uint64_t size) {
    const auto rest = block.size - size;
    if (block.small ? rest < kBlock : rest <= kMostSmall) return;
    blocks_.push_back({block.address + size, rest, block.small, true, &block, block.behind});
    auto& remaining = blocks_.back();
    if (block.behind != nullptr) block.behind->before = &remaining;
    block.behind = &remaining;
    block.size = size;
    pool(remaining).insert(&remaining);
  }

  // `second` stands behind `first`.
  static void take_in(Block& first, const Block& second) {
    first.size += second.size;
    first.behind = second.behind;
    if (second.behind != nullptr) second.behind->before = &first;
  }

  std::uint64_t capacity_;
  std::uint64_t reserved_ = 0;
  std::uint64_t most_reserved_ = 0;
  std::uint64_t active_ = 0;
  std::uint64_t most_active_ = 0;
  std::uint64_t next_address_ = 0;
  std::array<Pool, 2> pools_;
  std::deque<Block> blocks_;
};

struct Replay {
  bool runs = true;
  std::uint64_t reserved = 0;
  std::uint64_t active = 0;
};

class Player {
 public:
  explicit Player(std::uint64_t capacity) : allocator_(capacity) {}

  // False when memory runs out.
  bool play(const std::vector<MemoryEvent>& events) {
    return std::all_of(events.begin(), events.end(),
                       [&](const MemoryEvent& event) { return play(event); });
  }

  // Frees what the events made and left.
  void clean_up(const std::vector<MemoryEvent>& events) {
    for (const auto& event : events) release(event.allocation);
  }

  [[nodiscard]] const CachingAllocator& allocator() const { return allocator_; }

 private:
  bool play(const MemoryEvent& event) {
    if (event.freed) release(event.allocation);
    if (event.freed || event.bytes == 0) return true;
    auto* block = allocator_.allocate(event.bytes);
    if (event.allocation >= live_.size()) live_.resize(2 * event.allocation + 1);
    live_[event.allocation] = block;
    return block != nullptr;
  }

  void release(std::uint64_t allocation) {
    if (allocation >= live_.size() || live_[allocation] == nullptr) return;
    allocator_.release(*std::exchange(live_[allocation], nullptr));
  }

  CachingAllocator allocator_;
  std::vector<Block*> live_;  // by number of allocation
};

Replay replay(const MemoryLog& log, std::uint64_t capacity) {
  Player player(capacity);
  bool runs = player.play(log.before);
  for (int step = 0; runs && step < kSteps; ++step) {
    player.clean_up(log.step);
    runs = player.play(log.step);
  }
  return {runs, player.allocator().most_reserved(), player.allocator().most_active()};
}

}  // namespace

Count least_capacity(const MemoryLog& log) {
  const auto unlimited = replay(log, std::numeric_limits<std::uint64_t>::max() / 2);
  auto enough = unlimited.reserved;
  auto too_little = unlimited.active - 1;
  while (enough - too_little > kPrecision) {
    const auto middle = too_little + (enough - too_little) / 2;
    (replay(log, middle).runs ? enough : too_little) = middle;
  }
  return enough;
}

}  // namespace vitals::eager
