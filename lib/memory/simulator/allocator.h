// The allocator of the eager simulation: what is allocated at every moment, for what, and the
// highest moment of each phase. Knows bytes and labels, no tensors and no ops.
#pragma once

#include "core/count.h"
#include "graph/graph.h"
#include "memory/simulator/caching_allocator.h"

#include <array>
#include <memory>
#include <string_view>
#include <vector>

namespace vitals::eager {

// What a storage is for.
enum class Kind : std::uint8_t {
  weight,               // parameters as the model holds them
  buffer,               // constants and registered buffers
  optimizer,            // optimizer states, master weights included
  input,                // the batch and its targets
  kv_cache,             // keys and values of past tokens
  weight_gradient,      // .grad of parameters
  weight_cast,          // autocast's copies of parameters in the lower precision
  activation,           // made by the forward pass (recomputation included)
  activation_gradient,  // made by the backward pass
  workspace,            // freed before the op returns, and the optimizer's temporaries
};
inline constexpr std::size_t kKinds = 10;
[[nodiscard]] std::string_view to_string(Kind kind);
using ByKind = std::array<Count, kKinds>;

enum class Phase : std::uint8_t { forward, backward, optimizer };
[[nodiscard]] std::string_view to_string(Phase phase);

// Who allocates: an op of a module, the loss, or the optimizer at a parameter.
struct Label {
  static constexpr ModuleId kLoss = kNone - 1;
  ModuleId module = 0;
  std::string_view op;
  ParamId param = kNone;
};
// "blocks.0.attn", "<loss>" or the parameter's path
[[nodiscard]] std::string path_of(const Graph& graph, const Label& label);

// A moment: what is live after an op, and the most that was live during it.
struct Point {
  Phase phase = Phase::forward;
  Label label;
  Count live;
  Count high;
};

struct Peak {
  Phase phase = Phase::forward;
  Count start;  // live before the first phase
  Count end;    // live when this phase is over
  Label label;
  Count bytes;
  ByKind by_kind{};
  std::uint64_t moment = 0;  // number of the allocation that made it
};

class Memory;

// A piece of memory; freed when its last holder lets go.
class Storage {
 public:
  Storage(Memory& memory, Count bytes, Kind kind);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  [[nodiscard]] Count bytes() const { return bytes_; }
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] const Label& label() const { return label_; }
  // The same bytes under another name: an activation's gradient becomes a parameter's.
  void become(Kind kind);

 private:
  friend class Memory;
  Memory& memory_;
  Count bytes_;
  Kind kind_;
  Label label_;
  std::size_t place_ = 0;  // in Memory's list of what is live
  std::uint64_t number_ = 0;
};
using StoragePtr = std::shared_ptr<Storage>;

class Memory {
 public:
  // At allocation number `watch` the composition is kept. Sizes are rounded up to multiples of
  // `block` bytes.
  explicit Memory(std::uint64_t watch = 0, std::uint64_t block = 1)
      : watch_(watch), block_(block) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  [[nodiscard]] StoragePtr allocate(Count bytes, Kind kind);

  // Phases are entered in order; what is allocated before the first one counts as live from the
  // start.
  void begin(Phase phase);
  void end_phase() { peaks_.back().end = live_; }
  void at(const Label& label) { label_ = label; }
  [[nodiscard]] const Label& label() const { return label_; }
  // Closes the moment that began with the last mark.
  void mark();

  [[nodiscard]] Count live() const { return live_; }
  [[nodiscard]] const ByKind& by_kind() const { return by_kind_; }
  [[nodiscard]] const std::vector<Peak>& peaks() const { return peaks_; }  // one a phase entered
  [[nodiscard]] const std::vector<Point>& points() const { return points_; }
  // The most that gradients of activations and workspaces took together.
  [[nodiscard]] Count most_temporary() const { return most_temporary_; }

  struct Piece {
    Label label;
    Kind kind = Kind::activation;
    Count bytes;
  };
  // Notes every allocation and release from now on.
  void keep_log() { logs_ = true; }
  // And who made each of them.
  void keep_record() { logs_ = records_ = true; }
  [[nodiscard]] const std::vector<Piece>& made() const { return made_; }  // by number, from 1
  [[nodiscard]] const MemoryLog& log() const { return log_; }

  // What was live at the watched allocation.
  [[nodiscard]] const std::vector<Piece>& watched() const { return watched_; }

 private:
  friend class Storage;
  void add(Storage& storage);
  void remove(Storage& storage);
  void make_room();
  void note_peak();
  void note(const Storage& storage, bool freed);

  std::uint64_t watch_;
  std::uint64_t block_;
  std::uint64_t allocations_ = 0;
  Count live_;
  Count high_;
  Count most_temporary_;
  ByKind by_kind_{};
  Label label_;
  std::vector<Peak> peaks_;
  std::vector<Point> points_;
  std::vector<Storage*> storages_;
  std::vector<Piece> watched_;
  bool logs_ = false;
  bool records_ = false;
  MemoryLog log_;
  std::vector<Piece> made_;
};

// All allocations and releases of a step.
struct MemoryRecord {
  MemoryLog log;
  std::vector<Memory::Piece> made;
};

}  // namespace vitals::eager
