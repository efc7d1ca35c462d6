#include "memory/llama_cpp/graph_allocator.h"

#include <algorithm>
#include <limits>
#include <map>

namespace vitals::llama {
namespace {

// ggml_dyn_tallocr: free blocks by address; the last one has no end.
class Blocks {
 public:
  explicit Blocks(std::uint64_t alignment) : alignment_(alignment) {
    free_[0] = std::numeric_limits<std::uint64_t>::max() / 2;
  }

  std::uint64_t take(std::uint64_t bytes) {
    bytes = aligned(bytes);
    auto best = free_.end();
    const auto last = std::prev(free_.end());
    for (auto it = free_.begin(); it != last; ++it)
      if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
    if (best == free_.end()) best = last;
    const auto at = best->first;
    const auto rest = best->second - bytes;
    free_.erase(best);
    if (rest > 0) free_[at + bytes] = rest;
    return at;
  }

  void give_back(std::uint64_t at, std::uint64_t bytes) {
    bytes = aligned(bytes);
    auto next = free_.lower_bound(at);
    if (next != free_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == at) {
        at = before->first;
        bytes += before->second;
        free_.erase(before);
      }
    }
    if (next != free_.end() && at + bytes == next->first) {
      bytes += next->second;
      free_.erase(next);
    }
    free_[at] = bytes;
  }

  std::uint64_t aligned(std::uint64_t bytes) const {
    return (Count(bytes) + (alignment_ - 1)).value() / alignment_ * alignment_;
  }

 private:
  std::uint64_t alignment_;
  std::map<std::uint64_t, std::uint64_t> free_;
};

class Planner {
 public:
  Planner(const std::vector<PlannedTensor>& tensors, std::uint64_t alignment)
      : tensors_(tensors), blocks_(alignment), state_(tensors.size()) {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      state_[i].owner = tensors[i].view ? state_[tensors[i].sources[0]].owner : i;
      for (const auto source : tensors[i].sources) ++state_[state_[source].owner].readers;
    }
  }

  GraphBuffer plan() {
    for (std::size_t i = 0; i < tensors_.size(); ++i)
      if (tensors_[i].input) place(i);
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      if (!tensors_[i].input && !tensors_[i].view) place(i);
      for (const auto source : tensors_[i].sources) read(state_[source].owner);
    }
    std::stable_sort(buffer_.pieces.begin(), buffer_.pieces.end(),
                     [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
    return std::move(buffer_);
  }

 private:
  struct State {
    std::size_t owner = 0;    // of the memory
    std::size_t readers = 0;  // ops that still read it, views among them
    std::size_t holder = 0;   // whose block it is in, where it took one over
    std::uint64_t at = 0;
    std::uint64_t bytes = 0;
    bool placed = false;
  };

  void place(std::size_t i) {
    const auto& tensor = tensors_[i];
    auto& own = state_[i];
    if (tensor.bytes == 0) return;
    if (tensor.in_place)
      for (const auto source : tensor.sources) {
        auto& other = state_[state_[source].owner];
        const bool last = other.placed && other.readers == 1 && other.bytes == tensor.bytes &&
                          !tensors_[state_[source].owner].input;
        if (!last) continue;
        own = {i, own.readers, 0, other.at, other.bytes, true};
        other.placed = false;
        rename(state_[source].owner, i);
        return;
      }
    own.bytes = tensor.bytes;
    own.at = blocks_.take(tensor.bytes);
    own.placed = true;
    live_.push_back(i);
    note_peak(own.at + blocks_.aligned(tensor.bytes));
  }

  void rename(std::size_t from, std::size_t to) {
    *std::find(live_.begin(), live_.end(), from) = to;
  }

  // One reader of the memory is done.
  void read(std::size_t owner) {
    auto& state = state_[owner];
    if (--state.readers > 0 || !state.placed) return;
    blocks_.give_back(state.at, state.bytes);
    state.placed = false;
    live_.erase(std::find(live_.begin(), live_.end(), owner));
  }

  void note_peak(std::uint64_t end) {
    if (Count(end) <= buffer_.bytes) return;
    buffer_.bytes = end;
    buffer_.live = 0;
    std::map<std::string, Count> sums;
    for (const auto i : live_) {
      buffer_.live += state_[i].bytes;
      sums[tensors_[i].what] += state_[i].bytes;
    }
    buffer_.pieces.clear();
    for (const auto& [what, bytes] : sums) buffer_.pieces.push_back({what, bytes});
  }

  const std::vector<PlannedTensor>& tensors_;
  Blocks blocks_;
  std::vector<State> state_;
  std::vector<std::size_t> live_;
  GraphBuffer buffer_;
};

}  // namespace

GraphBuffer plan_buffer(const std::vector<PlannedTensor>& tensors, std::uint64_t alignment) {
  return Planner(tensors, alignment).plan();
}

}  // namespace vitals::llama
