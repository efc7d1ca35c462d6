#include "runtime/kernels/onednn_library.h"

#include <stdexcept>

#ifdef VITALS_WITH_ONEDNN

#include "runtime/kernels/isa.h"
#include "runtime/kernels/onednn_api.h"

#include <fmt/core.h>

#include <dlfcn.h>

namespace vitals {
namespace {

dnnl_cpu_isa_t onednn_isa(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return dnnl_cpu_isa_sse41;  // the narrowest that it knows
    case Isa::kAvx2:
      return dnnl_cpu_isa_avx2;
    case Isa::kAvx512:
      return dnnl_cpu_isa_avx512_core;
    case Isa::kAvx512Bf16:
      return dnnl_cpu_isa_avx512_core_bf16;
    case Isa::kAmx:
      return dnnl_cpu_isa_avx512_core_amx;
  }
  return dnnl_cpu_isa_all;
}

// The library takes a cap once in a process, before anything else.
void cap_onednn(const OnednnApi& api) {
  const auto cap = isa_cap();
  if (!cap) return;
  static const dnnl_status_t status = api.set_max_cpu_isa(onednn_isa(*cap));
  check_onednn(status, "limiting the instruction set");
}

}  // namespace

OnednnLibrary::OnednnLibrary() : api_(std::make_unique<OnednnApi>()) {
  OnednnApi& api = *api_;
  // Never closed: libgomp's threads outlive any engine, and unloading code under them would crash.
  api.library = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
  if (api.library == nullptr) {
    throw std::runtime_error(fmt::format("cannot open oneDNN (libdnnl.so.2): {}", dlerror()));
  }
#define VITALS_ONEDNN_FIND(name)                                                      \
  api.name = reinterpret_cast<decltype(api.name)>(dlsym(api.library, "dnnl_" #name)); \
  if (api.name == nullptr) throw std::runtime_error("libdnnl.so.2 has no dnnl_" #name);
  VITALS_ONEDNN_FUNCTIONS(VITALS_ONEDNN_FIND)
#undef VITALS_ONEDNN_FIND
  const dnnl_version_t* found = api.version();
  if (found->major != DNNL_VERSION_MAJOR || found->minor < DNNL_VERSION_MINOR) {
    throw std::runtime_error(
        fmt::format("libdnnl.so.2 is oneDNN {}.{}, but {}.{} or later is needed", found->major,
                    found->minor, DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR));
  }
  cap_onednn(api);
  check_onednn(api.engine_create(&api.engine, dnnl_cpu, 0), "opening the CPU engine");
  check_onednn(api.stream_create(&api.stream, api.engine, dnnl_stream_default_flags),
               "creating a stream");
}

OnednnLibrary::~OnednnLibrary() {
  if (api_->stream != nullptr) api_->stream_destroy(api_->stream);
  if (api_->engine != nullptr) api_->engine_destroy(api_->engine);
}

std::string OnednnLibrary::version() const {
  const dnnl_version_t* found = api_->version();
  return fmt::format("{}.{}.{}", found->major, found->minor, found->patch);
}

}  // namespace vitals

#endif
