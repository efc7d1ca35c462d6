// Our types and activations in oneDNN's words. Only for files that speak to oneDNN (see
// onednn_api.h); must not know of layers.
#pragma once

#include "runtime/kernels/kernel_table.h"
#include "runtime/kernels/onednn_api.h"

#include <cstdint>

namespace vitals {

dnnl_data_type_t data_type(Element type);

// A matrix with these strides in elements. Throws std::runtime_error.
dnnl_memory_desc_t matrix(const OnednnApi& api, std::int64_t rows, std::int64_t columns,
                          Element type, std::int64_t row_stride, std::int64_t column_stride = 1);

// Appends nothing for kIdentity.
void append_activation(const OnednnApi& api, dnnl_post_ops_t ops, Activation activation);

}  // namespace vitals
