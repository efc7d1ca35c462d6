// The oneDNN 2 functions that vitals calls, as pointers found with dlsym, with the CPU engine and
// its stream. Only for files that speak to oneDNN; needs its headers (VITALS_WITH_ONEDNN).
#pragma once

#include <oneapi/dnnl/dnnl.h>

#include <stdexcept>
#include <string>

namespace vitals {

#define VITALS_ONEDNN_FUNCTIONS(X)      \
  X(version)                            \
  X(set_max_cpu_isa)                    \
  X(engine_create)                      \
  X(engine_destroy)                     \
  X(stream_create)                      \
  X(stream_destroy)                     \
  X(memory_create)                      \
  X(memory_destroy)                     \
  X(memory_set_data_handle)             \
  X(memory_desc_init_by_strides)        \
  X(memory_desc_init_by_tag)            \
  X(memory_desc_get_size)               \
  X(matmul_desc_init)                   \
  X(primitive_attr_create)              \
  X(primitive_attr_destroy)             \
  X(primitive_attr_set_post_ops)        \
  X(primitive_attr_set_scratchpad_mode) \
  X(post_ops_create)                    \
  X(post_ops_destroy)                   \
  X(post_ops_append_eltwise)            \
  X(post_ops_append_binary)             \
  X(post_ops_append_sum)                \
  X(primitive_desc_create)              \
  X(primitive_desc_destroy)             \
  X(primitive_desc_query_md)            \
  X(reorder_primitive_desc_create)      \
  X(primitive_create)                   \
  X(primitive_destroy)                  \
  X(primitive_execute)

struct OnednnApi {
// NOLINTNEXTLINE(bugprone-macro-parentheses): a declared name takes none
#define VITALS_ONEDNN_POINTER(name) decltype(&dnnl_##name) name = nullptr;
  VITALS_ONEDNN_FUNCTIONS(VITALS_ONEDNN_POINTER)
#undef VITALS_ONEDNN_POINTER
  void* library = nullptr;
  dnnl_engine_t engine = nullptr;
  dnnl_stream_t stream = nullptr;
};

inline void check_onednn(dnnl_status_t status, const char* what) {
  if (status == dnnl_success) return;
  throw std::runtime_error(std::string("oneDNN: ") + what + " failed with status " +
                           std::to_string(static_cast<int>(status)));
}

}  // namespace vitals
