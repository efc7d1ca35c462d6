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

// A free block as the pool finds it, best fit: the smallest, then the lowest. The keys are copied,
// since following a pointer at every comparison takes most of a replay's time.
struct Entry {
  std::uint64_t size = 0;
  std::uint64_t address = 0;
  Block* block = nullptr;

  bool operator<(const Entry& other) const {
    return size != other.size ? size < other.size : address < other.address;
  }
};

Entry entry(Block& block) { return {block.size, block.address, &block}; }

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
      take_out(*before);
      merge(*before, *block);
      block = before;
    }
    if (auto* behind = block->behind; behind != nullptr && behind->free) {
      take_out(*behind);
      merge(*block, *behind);
    }
    put_in(*block);
  }

  [[nodiscard]] std::uint64_t most_reserved() const { return most_reserved_; }
  [[nodiscard]] std::uint64_t most_active() const { return most_active_; }
  // How often segments came or went. Between two steps, when all that they made is free again, free
  // neighbours are one block: the same segments mean the same state.
  [[nodiscard]] std::uint64_t segment_changes() const { return segment_changes_; }

 private:
  using Pool = std::set<Entry>;

  Pool& pool(bool small) { return pools_[small ? 0 : 1]; }

  // Nodes of the pools are used again: most allocations take one block out and put one in.
  void put_in(Block& block) {
    auto& blocks = pool(block.small);
    if (spare_nodes_.empty()) {
      blocks.insert(entry(block));
      return;
    }
    auto node = std::move(spare_nodes_.back());
    spare_nodes_.pop_back();
    node.value() = entry(block);
    blocks.insert(std::move(node));
  }

  void take_out(Block& block) {
    auto& blocks = pool(block.small);
    spare_nodes_.push_back(blocks.extract(blocks.find(entry(block))));
  }

  Block* cached(std::uint64_t size, bool small) {
    auto& blocks = pool(small);
    const auto found = blocks.lower_bound({size, 0, nullptr});
    if (found == blocks.end()) return nullptr;
    auto* block = found->block;
    spare_nodes_.push_back(blocks.extract(found));
    return block;
  }

  Block& new_block(const Block& block) {
    if (spare_blocks_.empty()) return blocks_.emplace_back(block);
    auto& used_again = *spare_blocks_.back();
    spare_blocks_.pop_back();
    used_again = block;
    return used_again;
  }

  Block* new_segment(std::uint64_t size, bool small) {
    const auto bytes = small              ? kSmallSegment
                       : size < kLeastOwn ? kMediumSegment
                                          : rounded_up(size, kRoundOwn);
    if (reserved_ + bytes > capacity_) return_free_segments();
    if (reserved_ + bytes > capacity_) return nullptr;
    reserved_ += bytes;
    ++segment_changes_;
    most_reserved_ = std::max(most_reserved_, reserved_);
    auto& block = new_block({next_address_, bytes, small, false, nullptr, nullptr});
    next_address_ += bytes;
    return &block;
  }

  void return_free_segments() {
    for (auto& blocks : pools_)
      for (auto it = blocks.begin(); it != blocks.end();) {
        auto& block = *it->block;
        const bool whole = block.before == nullptr && block.behind == nullptr;
        if (whole) {
          reserved_ -= block.size;
          ++segment_changes_;
          spare_blocks_.push_back(&block);
        }
        it = whole ? blocks.erase(it) : std::next(it);
      }
  }

  void split(Block& block, std::uint64_t size) {
    const auto rest = block.size - size;
    if (block.small ? rest < kBlock : rest <= kMostSmall) return;
    auto& remaining =
        new_block({block.address + size, rest, block.small, true, &block, block.behind});
    if (block.behind != nullptr) block.behind->before = &remaining;
    block.behind = &remaining;
    block.size = size;
    put_in(remaining);
  }

  // `second` stands behind `first`, and exists no longer.
  void merge(Block& first, Block& second) {
    first.size += second.size;
    first.behind = second.behind;
    if (second.behind != nullptr) second.behind->before = &first;
    spare_blocks_.push_back(&second);
  }

  std::uint64_t capacity_;
  std::uint64_t reserved_ = 0;
  std::uint64_t most_reserved_ = 0;
  std::uint64_t active_ = 0;
  std::uint64_t most_active_ = 0;
  std::uint64_t next_address_ = 0;
  std::uint64_t segment_changes_ = 0;
  std::array<Pool, 2> pools_;
  std::deque<Block> blocks_;
  std::vector<Block*> spare_blocks_;
  std::vector<Pool::node_type> spare_nodes_;
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
    const auto before = player.allocator().segment_changes();
    player.clean_up(log.step);
    runs = player.play(log.step);
    // Such a step is repeated by all that follow.
    if (step > 0 && player.allocator().segment_changes() == before) break;
  }
  return {runs, player.allocator().most_reserved(), player.allocator().most_active()};
}

}  // namespace

Count least_capacity(const MemoryLog& log, std::optional<Count> budget) {
  const auto limit = budget.value_or(0);
  const auto decided = [&](Count too_little, Count enough) {
    return budget && (enough <= limit || too_little >= limit);
  };
  const auto unlimited = replay(log, std::numeric_limits<std::uint64_t>::max() / 2);
  auto enough = unlimited.reserved;
  auto too_little = unlimited.active - 1;
  while (enough - too_little > kPrecision && !decided(too_little, enough)) {
    const auto middle = too_little + (enough - too_little) / 2;
    (replay(log, middle).runs ? enough : too_little) = middle;
  }
  return enough;
}

}  // namespace vitals::eager
