#ifdef VITALS_WITH_ONEDNN

#include "onednn_describe.h"

namespace vitals {

dnnl_data_type_t data_type(Element type) { return type == Element::kF32 ? dnnl_f32 : dnnl_bf16; }

dnnl_memory_desc_t matrix(const OnednnApi& api, std::int64_t rows, std::int64_t columns,
                          Element type, std::int64_t row_stride, std::int64_t column_stride) {
  dnnl_memory_desc_t desc;
  const dnnl_dims_t dims = {rows, columns};
  const dnnl_dims_t strides = {row_stride, column_stride};
  check_onednn(api.memory_desc_init_by_strides(&desc, 2, dims, data_type(type), strides),
               "describing a matrix");
  return desc;
}

void append_activation(const OnednnApi& api, dnnl_post_ops_t ops, Activation activation) {
  dnnl_alg_kind_t kind = dnnl_eltwise_relu;
  float alpha = 0;
  switch (activation) {
    case Activation::kIdentity:
      return;
    case Activation::kRelu:
      break;
    case Activation::kGelu:
      kind = dnnl_eltwise_gelu_erf;
      break;
    case Activation::kGeluTanh:
      kind = dnnl_eltwise_gelu_tanh;
      break;
    case Activation::kQuickGelu:
      kind = dnnl_eltwise_swish;
      alpha = 1.702f;
      break;
    case Activation::kSilu:
      kind = dnnl_eltwise_swish;
      alpha = 1;
      break;
    case Activation::kTanh:
      kind = dnnl_eltwise_tanh;
      break;
    case Activation::kSigmoid:
      kind = dnnl_eltwise_logistic;
      break;
  }
  check_onednn(api.post_ops_append_eltwise(ops, 1.0f, kind, alpha, 0), "adding an activation");
}

}  // namespace vitals

#endif
