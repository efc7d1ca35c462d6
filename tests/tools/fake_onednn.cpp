// A libdnnl.so.2 whose faults the environment chooses: FAKE_ONEDNN is `old` (an earlier version),
// `no_engine`, or `no_products` (an engine that can plan nothing). Functions are defined under the
// library's symbols without its headers' prototypes: those that are called return a status only.
#include <cstdlib>
#include <string_view>

namespace {

bool fault_is(std::string_view name) {
  const char* fault = std::getenv("FAKE_ONEDNN");
  return fault != nullptr && fault == name;
}

struct Version {  // dnnl_version_t
  int major;
  int minor;
  int patch;
  const char* hash;
  unsigned cpu_runtime;
  unsigned gpu_runtime;
};

constexpr int kUnimplemented = 3;  // dnnl_unimplemented

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are oneDNN's
#define FAKE_FUNCTION(name) \
  extern "C" int dnnl_##name() { return fault_is("no_products") ? kUnimplemented : 0; }

extern "C" const void* dnnl_version() {
  static const Version version = {2, fault_is("old") ? 0 : 99, 0, "", 0, 0};
  return &version;
}
extern "C" int dnnl_engine_create() { return fault_is("no_engine") ? kUnimplemented : 0; }
extern "C" int dnnl_stream_create() { return 0; }
FAKE_FUNCTION(engine_destroy)
FAKE_FUNCTION(stream_destroy)
FAKE_FUNCTION(memory_create)
FAKE_FUNCTION(memory_destroy)
FAKE_FUNCTION(memory_set_data_handle)
FAKE_FUNCTION(memory_desc_init_by_strides)
FAKE_FUNCTION(memory_desc_init_by_tag)
FAKE_FUNCTION(memory_desc_get_size)
FAKE_FUNCTION(matmul_desc_init)
FAKE_FUNCTION(primitive_attr_create)
FAKE_FUNCTION(primitive_attr_destroy)
FAKE_FUNCTION(primitive_attr_set_post_ops)
FAKE_FUNCTION(primitive_attr_set_scratchpad_mode)
FAKE_FUNCTION(post_ops_create)
FAKE_FUNCTION(post_ops_destroy)
FAKE_FUNCTION(post_ops_append_eltwise)
FAKE_FUNCTION(post_ops_append_binary)
FAKE_FUNCTION(post_ops_append_sum)
FAKE_FUNCTION(primitive_desc_create)
FAKE_FUNCTION(primitive_desc_destroy)
FAKE_FUNCTION(primitive_desc_query_md)
FAKE_FUNCTION(reorder_primitive_desc_create)
FAKE_FUNCTION(primitive_create)
FAKE_FUNCTION(primitive_destroy)
FAKE_FUNCTION(primitive_execute)
// NOLINTEND(readability-identifier-naming)
