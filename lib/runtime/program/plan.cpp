#include "runtime/program/plan.h"

#include "runtime/program/rows.h"

#include <algorithm>
#include <numeric>

namespace vitals {
namespace {

// Steps, the first and the last that touch a buffer.
struct Life {
  std::size_t first = SIZE_MAX;
  std::size_t last = 0;

  [[nodiscard]] bool used() const { return first != SIZE_MAX; }
  [[nodiscard]] bool overlaps(const Life& other) const {
    return first <= other.last && other.first <= last;
  }
  void touch(std::size_t step) {
    first = std::min(first, step);
    last = std::max(last, step);
  }
};

std::vector<Life> lives_of(const Program& program) {
  std::vector<Life> lives(program.buffers.size());
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    for (const auto& view : program.steps[i].in) lives[view.buffer].touch(i);
    lives[program.steps[i].out.buffer].touch(i);
  }
  for (std::size_t b = 0; b < lives.size(); ++b)
    if (program.buffers[b].pinned) lives[b] = {0, program.steps.size()};
  return lives;
}

bool same_place(const View& a, const View& b) {
  return a.offset == b.offset && a.shape == b.shape && a.strides == b.strides;
}

class Merger {
 public:
  explicit Merger(Program& program)
      : program_(program), lives_(lives_of(program)), name_(program.buffers.size()) {
    std::iota(name_.begin(), name_.end(), BufferId{0});
  }

  void run() {
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      auto& step = program_.steps[i];
      for (auto& view : step.in) view.buffer = name_[view.buffer];
      step.out.buffer = name_[step.out.buffer];
      for (auto input : step.overwrites)
        if (merge(i, step, input)) break;
    }
    for (auto& view : program_.value)
      if (view.buffer != kNone) view.buffer = name_[view.buffer];
  }

 private:
  bool merge(std::size_t at, Step& step, std::size_t input) {
    const auto& from = step.in[input];
    const auto old = from.buffer;
    const auto& in = program_.buffers[old];
    const auto& out = program_.buffers[step.out.buffer];
    const bool free = in.in_arena() && !in.pinned && lives_[old].last == at;
    const bool fits = in.dtype == out.dtype && in.elements == out.elements && !out.pinned &&
                      same_place(from, step.out) && covers(from, in.elements) &&
                      lives_[step.out.buffer].first == at;
    if (!free || !fits) return false;
    for (std::size_t i = 0; i < step.in.size(); ++i)
      if (i != input && step.in[i].buffer == old) return false;
    lives_[old].last = lives_[step.out.buffer].last;
    name_[step.out.buffer] = old;
    step.out.buffer = old;
    return true;
  }

  Program& program_;
  std::vector<Life> lives_;
  std::vector<BufferId> name_;  // the buffer that took a buffer's place
};

std::uint64_t aligned_bytes(const Buffer& buffer) {
  const auto bytes = Count(buffer.elements) * size_of(buffer.dtype) + (kArenaAlignment - 1);
  return bytes.value() / kArenaAlignment * kArenaAlignment;
}

// The lowest offset at which `bytes` bytes meet none of the placed ones that live at the same time.
std::uint64_t lowest_gap(std::vector<std::pair<std::uint64_t, std::uint64_t>>& taken,
                         std::uint64_t bytes) {
  std::sort(taken.begin(), taken.end());
  std::uint64_t offset = 0;
  for (const auto& [begin, end] : taken) {
    if (begin >= offset + bytes) break;
    offset = std::max(offset, end);
  }
  return offset;
}

std::uint64_t most_alive(const std::vector<Life>& lives, const std::vector<std::uint64_t>& bytes,
                         std::size_t steps) {
  std::vector<std::int64_t> change(steps + 2);
  for (std::size_t b = 0; b < lives.size(); ++b) {
    change[lives[b].used() ? lives[b].first : 0] += static_cast<std::int64_t>(bytes[b]);
    change[lives[b].last + 1] -= static_cast<std::int64_t>(bytes[b]);
  }
  std::int64_t live = 0;
  std::int64_t most = 0;
  for (auto c : change) most = std::max(most, live += c);
  return static_cast<std::uint64_t>(most);
}

}  // namespace

void reuse_in_place(Program& program) { Merger(program).run(); }

Plan plan_memory(const Program& program, bool share) {
  const auto lives = lives_of(program);
  std::vector<std::uint64_t> bytes(lives.size());
  std::vector<BufferId> order;
  for (BufferId b = 0; b < lives.size(); ++b) {
    if (!program.buffers[b].in_arena() || !lives[b].used()) continue;
    bytes[b] = aligned_bytes(program.buffers[b]);
    order.push_back(b);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](BufferId a, BufferId b) { return bytes[a] > bytes[b]; });
  Plan plan;
  plan.offset.resize(lives.size());
  std::vector<BufferId> placed;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> taken;
  for (auto b : order) {
    taken.clear();
    for (auto p : placed)
      if (!share || lives[p].overlaps(lives[b]))
        taken.emplace_back(plan.offset[p], plan.offset[p] + bytes[p]);
    plan.offset[b] = lowest_gap(taken, bytes[b]);
    plan.bytes = std::max(plan.bytes, plan.offset[b] + bytes[b]);
    placed.push_back(b);
  }
  plan.live_bytes = most_alive(lives, bytes, program.steps.size());
  return plan;
}

}  // namespace vitals
