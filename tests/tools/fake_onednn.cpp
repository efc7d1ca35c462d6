// A libdnnl.so.2 whose faults the environment chooses: FAKE_ONEDNN is `old` (an earlier version),
// `no_engine`, or `no_products` (an engine that can plan nothing). All functions that vitals looks
// for are there, under the library's symbols, and only answer with a status.
#include "runtime/kernels/onednn_api.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

bool fault_is(std::string_view name) {
  const char* fault = std::getenv("FAKE_ONEDNN");
  return fault != nullptr && fault == name;
}

// What the function dnnl_<name> returns: a status, or the address of the version.
std::intptr_t answer(std::string_view name) {
  static const dnnl_version_t version = {2, fault_is("old") ? 0 : 99, 0, "", 0, 0};
  if (name == "version") return reinterpret_cast<std::intptr_t>(&version);
  const bool opens = name == "engine_create" || name == "stream_create";
  if (name == "engine_create" && fault_is("no_engine")) return dnnl_unimplemented;
  return !opens && fault_is("no_products") ? dnnl_unimplemented : dnnl_success;
}

}  // namespace

#define VITALS_FAKE(name)                                    \
  extern "C" std::intptr_t fake_##name() asm("dnnl_" #name); \
  extern "C" std::intptr_t fake_##name() { return answer(#name); }
VITALS_ONEDNN_FUNCTIONS(VITALS_FAKE)
#undef VITALS_FAKE
