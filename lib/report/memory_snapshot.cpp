#include "report/memory_snapshot.h"

#include "core/pickle_writer.h"

#include <vector>

namespace vitals {
namespace {

constexpr std::uint64_t kFirstAddress = std::uint64_t{0x7f} << 40;
constexpr std::uint64_t kBlock = 512;

class SnapshotWriter {
 public:
  SnapshotWriter(const Graph& graph, const eager::MemoryRecord& record)
      : graph_(graph), record_(record) {
    auto next = kFirstAddress;
    for (const auto& piece : record.made) {
      addresses_.push_back(next);
      next += (piece.bytes.value() + kBlock - 1) / kBlock * kBlock;
    }
  }

  std::string write() {
    std::vector<bool> live(record_.made.size());
    for (const auto* events : {&record_.log.before, &record_.log.step})
      for (const auto& event : *events) live[event.allocation - 1] = !event.freed;
    out_.begin_dict().text("segments").begin_list();
    for (std::size_t i = 0; i < live.size(); ++i)
      if (live[i] && record_.made[i].bytes > Count(0)) segment(i);
    out_.end_list().text("device_traces").begin_list().begin_list();
    for (const auto* events : {&record_.log.before, &record_.log.step})
      for (const auto& e : *events)
        if (e.bytes > 0) event(e);
    out_.end_list().end_list().end_dict();
    return std::move(out_).finished();
  }

 private:
  void pair(const char* key, std::uint64_t value) { out_.text(key).number(value); }
  void pair(const char* key, std::string_view value) { out_.text(key).text(value); }

  // What is live at the end is a segment of its own.
  void segment(std::size_t i) {
    const auto bytes = record_.made[i].bytes.value();
    out_.begin_dict();
    pair("device", 0);
    pair("address", addresses_[i]);
    for (const char* key : {"total_size", "allocated_size", "active_size", "requested_size"})
      pair(key, bytes);
    pair("stream", 0);
    pair("segment_type", std::string_view("large"));
    frames(i);
    out_.text("blocks").begin_list().begin_dict();
    pair("address", addresses_[i]);
    pair("size", bytes);
    pair("requested_size", bytes);
    pair("state", std::string_view("active_allocated"));
    frames(i);
    out_.end_dict().end_list().end_dict();
  }

  void event(const eager::MemoryEvent& e) {
    const auto i = e.allocation - 1;
    out_.begin_dict();
    pair("action", e.freed ? std::string_view("free_completed") : std::string_view("alloc"));
    pair("addr", addresses_[i]);
    pair("size", e.bytes);
    pair("stream", 0);
    frames(i);
    out_.end_dict();
  }

  void frames(std::size_t i) {
    const auto& piece = record_.made[i];
    const auto path = path_of(graph_, piece.label);
    out_.text("frames").begin_list();
    frame(piece.label.op, path.empty() ? graph_.model : path);
    frame(eager::to_string(piece.kind), "vitals");
    out_.end_list();
  }

  void frame(std::string_view name, std::string_view file) {
    out_.begin_dict();
    pair("name", name);
    pair("filename", file);
    pair("line", 0);
    out_.end_dict();
  }

  const Graph& graph_;
  const eager::MemoryRecord& record_;
  std::vector<std::uint64_t> addresses_;
  PickleWriter out_;
};

}  // namespace

std::string memory_snapshot(const Graph& graph, const MemoryEstimate& estimate) {
  return SnapshotWriter(graph, estimate.record).write();
}

}  // namespace vitals
