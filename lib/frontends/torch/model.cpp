#include "frontends/torch/model.h"

#include "core/error.h"
#include "core/text.h"
#include "cost/op_totals.h"
#include "frontends/torch/import.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vitals {
namespace {

struct Recorded {
  Graph graph;
};

Graph build_recorded(const std::string& name, const void* config, const BuildOptions& options) {
  const auto& recorded = *static_cast<const Recorded*>(config);
  if (options.batch != 1 && options.batch != recorded.graph.batch)
    fail("{}: the trace was recorded with a batch of {}; record it again for another one", name,
         recorded.graph.batch);
  if (options.seq_len != 0 && options.seq_len != recorded.graph.num_tokens)
    fail("{}: the trace was recorded with the sizes of its inputs; record it again for others",
         name);
  auto graph = recorded.graph;
  graph.model = name;
  return graph;
}

const Architecture& recorded_architecture() {
  static const Architecture architecture = [] {
    Architecture a;
    a.name = "trace";
    a.doc = "A recorded forward call.";
    a.make = [] { return std::shared_ptr<void>(std::make_shared<Recorded>()); };
    a.clone = [](const void* c) {
      return std::shared_ptr<void>(std::make_shared<Recorded>(*static_cast<const Recorded*>(c)));
    };
    a.validate = [](const void*) {};
    a.build = build_recorded;
    return a;
  }();
  return architecture;
}

}  // namespace

Model model_from_trace(const torch::TraceFile& trace, const std::string& source) {
  auto recorded = std::make_shared<Recorded>();
  try {
    recorded->graph = torch::import_trace(trace);
  } catch (const Error& error) {
    throw error.within(source);
  }
  Model model;
  model.name = trace.model.empty() ? "model" : trace.model;
  model.architecture = &recorded_architecture();
  model.document = torch::trace_to_json(trace).dump();
  model.recorded_batch = recorded->graph.batch;
  const auto* mode = !trace.training   ? ""
                     : *trace.training ? " in training mode"
                                       : " in evaluation, without dropout";
  std::string inputs;
  for (const auto value : trace.inputs)
    inputs += (inputs.empty() ? "" : ", ") + to_string(trace.values[value].shape);
  model.notes.push_back(fmt::format("{}: recorded{}{}, inputs {}", source, mode,
                                    trace.producer.empty() ? "" : " by " + trace.producer, inputs));
  model.config = recorded;
  return model;
}

Model model_from_trace_json(const nlohmann::json& json, const std::string& source) {
  try {
    const auto trace = torch::trace_from_json(json);
    return model_from_trace(trace, source);
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.starts_with(printable_line(source))) throw;
    throw error.within(source);
  }
}

}  // namespace vitals
