#include "core/error.h"
#include "machine.h"

namespace vitals::cli {

std::vector<Command> machine_commands() { return {}; }

std::string backend_names() { return "none"; }

bool can_measure() { return false; }

Measurement measure_model(const ModelOptions&, const std::string& name) {
  fail("{}: this build runs no models", name);
}

void require_measurable(const Graph&) {}

}  // namespace vitals::cli
