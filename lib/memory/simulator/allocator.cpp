#include "memory/simulator/allocator.h"

#include <algorithm>

namespace vitals::eager {

std::string_view to_string(Kind kind) {
  switch (kind) {
    case Kind::weight:
      return "weights";
    case Kind::buffer:
      return "buffers";
    case Kind::optimizer:
      return "optimizer states";
    case Kind::input:
      return "input";
    case Kind::kv_cache:
      return "kv cache";
    case Kind::weight_gradient:
      return "gradients";
    case Kind::weight_cast:
      return "weight casts";
    case Kind::activation:
      return "activations";
    case Kind::activation_gradient:
      return "activation gradients";
    case Kind::workspace:
      return "workspace";
  }
  return "?";
}

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::forward:
      return "forward";
    case Phase::backward:
      return "backward";
    case Phase::optimizer:
      return "optimizer";
  }
  return "?";
}

std::string path_of(const Graph& graph, const Label& label) {
  if (label.param != kNone) return path_of(graph, graph.params[label.param]);
  if (label.module == Label::kLoss) return "<loss>";
  return graph.modules[label.module].path;
}

Storage::Storage(Memory& memory, Count bytes, Kind kind)
    : memory_(memory), bytes_(bytes), kind_(kind), label_(memory.label()) {
  memory_.add(*this);
}

Storage::~Storage() { memory_.remove(*this); }

void Storage::become(Kind kind) {
  auto& from = memory_.by_kind_[static_cast<std::size_t>(kind_)];
  from = from - bytes_;
  memory_.by_kind_[static_cast<std::size_t>(kind)] += bytes_;
  kind_ = kind;
}

StoragePtr Memory::allocate(Count bytes, Kind kind) {
  if (block_ > 1) bytes = (bytes + (block_ - 1)) / block_ * block_;
  return std::make_shared<Storage>(*this, bytes, kind);
}

// Releasing a storage must not throw, for its destructor does it: the log has room for one more
// event, and for the release of everything that is live.
void Memory::make_room() {
  if (!logs_) return;
  auto& events = peaks_.empty() ? log_.before : log_.step;
  const auto needed = events.size() + storages_.size() + 2;
  if (needed > events.capacity()) events.reserve(std::max(needed, 2 * events.capacity()));
}

void Memory::add(Storage& storage) {
  // What can throw comes first: a storage that is not made must not be listed.
  const auto live = live_ + storage.bytes_;
  const auto of_kind = by_kind_[static_cast<std::size_t>(storage.kind_)] + storage.bytes_;
  if (allocations_ + 1 == watch_) watched_.reserve(storages_.size() + 1);
  make_room();
  if (records_) made_.push_back({storage.label_, storage.kind_, storage.bytes_});
  storage.place_ = storages_.size();
  storages_.push_back(&storage);
  live_ = live;
  by_kind_[static_cast<std::size_t>(storage.kind_)] = of_kind;
  storage.number_ = ++allocations_;
  note(storage, false);
  if (live_ > high_) high_ = live_;
  most_temporary_ =
      std::max(most_temporary_, by_kind_[static_cast<std::size_t>(Kind::activation_gradient)] +
                                    by_kind_[static_cast<std::size_t>(Kind::workspace)]);
  note_peak();
  if (allocations_ != watch_) return;
  for (const auto* s : storages_) watched_.push_back({s->label_, s->kind_, s->bytes_});
}

void Memory::remove(Storage& storage) {
  storages_.back()->place_ = storage.place_;
  storages_[storage.place_] = storages_.back();
  storages_.pop_back();
  note(storage, true);
  live_ = live_ - storage.bytes_;
  auto& kind = by_kind_[static_cast<std::size_t>(storage.kind_)];
  kind = kind - storage.bytes_;
}

void Memory::note(const Storage& storage, bool freed) {
  if (!logs_) return;
  auto& events = peaks_.empty() ? log_.before : log_.step;
  events.push_back({storage.number_, storage.bytes_.value(), freed});
}

void Memory::note_peak() {
  if (peaks_.empty() || live_ <= peaks_.back().bytes) return;
  auto& peak = peaks_.back();
  peak.label = label_;
  peak.bytes = live_;
  peak.by_kind = by_kind_;
  peak.moment = allocations_;
}

void Memory::begin(Phase phase) {
  const auto start = peaks_.empty() ? live_ : peaks_.front().start;
  // The first phase begins a log of its own. It has its room before it is the one that is written
  // to: what is released when a reservation fails is noted, too.
  if (logs_ && peaks_.empty()) log_.step.reserve(storages_.size() + 2);
  peaks_.push_back({phase, start, live_, label_, live_, by_kind_, allocations_});
  high_ = live_;
}

void Memory::mark() {
  points_.push_back({peaks_.back().phase, label_, live_, high_});
  high_ = live_;
}

}  // namespace vitals::eager
