#include "runtime/kernels/linear_onednn.h"

#include "runtime/kernels/onednn_library.h"

#ifdef VITALS_WITH_ONEDNN

#include "onednn_describe.h"
#include "runtime/kernels/layout.h"
#include "runtime/kernels/linear.h"
#include "runtime/kernels/onednn_api.h"
#include "runtime/kernels/rounding.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

namespace vitals {
namespace {

constexpr std::int64_t kCacheLine = 64;  // bytes

std::int64_t gathered_bytes(const ConstRows& rows, std::int64_t count, std::int64_t columns) {
  return round_up(count * columns * static_cast<std::int64_t>(element_size(rows.type)), kCacheLine);
}

// Copies `count` rows to `out` without gaps between them, and returns it.
const void* gather(Engine& engine, const ConstRows& rows, std::int64_t count, std::int64_t columns,
                   void* out) {
  CopyJob job;
  job.sizes[4] = count;
  job.sizes[5] = columns;
  job.in_strides[4] = rows.stride;
  job.out_strides[4] = columns;
  job.in_strides[5] = job.out_strides[5] = 1;
  job.in = rows.data;
  job.out = out;
  job.in_type = job.out_type = rows.type;
  copy_strided(engine, job);
  return out;
}

}  // namespace

// One layer's weights and its present plan.
class OnednnLinear : public LinearLayer {
 public:
  OnednnLinear(const OnednnApi& api, WeightStore& store, const LinearShape& shape,
               const LinearOptions& options, const LinearWeights& weights);
  void run(Engine& engine, const LinearOperands& operands) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct OnednnLinear::State {
  // What a primitive is made for; another set of strides or types needs another one.
  struct Key {
    std::int64_t rows = 0;
    std::int64_t y_stride = 0;
    std::int64_t multiplier_stride = 0;
    std::int64_t residual_stride = 0;
    Element multiplier_type = Element::kF32;
    Element residual_type = Element::kF32;
    bool residual_is_y = false;

    friend bool operator==(const Key&, const Key&) = default;
  };

  const OnednnApi& api;
  LinearShape shape;
  LinearOptions options;
  std::vector<float> bias;
  std::vector<float> gamma;
  dnnl_memory_desc_t weights_desc = {};  // as the library chose it
  void* weights = nullptr;
  Key key;
  dnnl_primitive_t primitive = nullptr;
  std::size_t scratchpad_bytes = 0;
  std::vector<dnnl_exec_arg_t> arguments;

  explicit State(const OnednnApi& a) : api(a) {}
  ~State() { release(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void release() {
    for (const dnnl_exec_arg_t& argument : arguments) api.memory_destroy(argument.memory);
    arguments.clear();
    if (primitive != nullptr) api.primitive_destroy(primitive);
    primitive = nullptr;
  }
  void add_argument(int index, const dnnl_memory_desc_t& desc, const void* data) {
    dnnl_memory_t memory = nullptr;
    check_onednn(api.memory_create(&memory, &desc, api.engine, const_cast<void*>(data)),
                 "creating a memory");
    arguments.push_back({index, memory});
  }
  void set_argument(int index, const void* data) {
    for (const dnnl_exec_arg_t& argument : arguments) {
      if (argument.arg == index) {
        api.memory_set_data_handle(argument.memory, const_cast<void*>(data));
      }
    }
  }
  dnnl_memory_desc_t multiplier_desc(const Key& k) const {
    return matrix(api, k.rows, shape.out_features, k.multiplier_type, k.multiplier_stride);
  }
  dnnl_memory_desc_t gamma_desc() const {
    return matrix(api, 1, shape.out_features, Element::kF32, shape.out_features);
  }
  dnnl_memory_desc_t residual_desc(const Key& k) const {
    return matrix(api, k.rows, shape.out_features, k.residual_type, k.residual_stride);
  }
  void append_post_ops(dnnl_post_ops_t ops, const Key& k) const;
  dnnl_primitive_desc_t describe(const Key& k) const;
  void plan(const Key& k);
  void pack(WeightStore& store, const LinearWeights& from);
};

void OnednnLinear::State::append_post_ops(dnnl_post_ops_t ops, const Key& k) const {
  append_activation(api, ops, options.activation);
  if (options.multiplier) {
    const dnnl_memory_desc_t desc = multiplier_desc(k);
    check_onednn(api.post_ops_append_binary(ops, dnnl_binary_mul, &desc), "adding a gate");
  }
  if (!gamma.empty()) {
    const dnnl_memory_desc_t desc = gamma_desc();
    check_onednn(api.post_ops_append_binary(ops, dnnl_binary_mul, &desc), "adding LayerScale");
  }
  if (!options.residual) return;
  if (k.residual_is_y) {
    // A second operand that is the result itself may be overwritten by partial sums; `sum` is
    // made for that.
    check_onednn(api.post_ops_append_sum(ops, 1.0f), "adding a residual in place");
  } else {
    const dnnl_memory_desc_t desc = residual_desc(k);
    check_onednn(api.post_ops_append_binary(ops, dnnl_binary_add, &desc), "adding a residual");
  }
}

dnnl_primitive_desc_t OnednnLinear::State::describe(const Key& k) const {
  const dnnl_memory_desc_t x = matrix(api, k.rows, shape.in_features, options.x, shape.in_features);
  const dnnl_memory_desc_t y = matrix(api, k.rows, shape.out_features, options.y, k.y_stride);
  dnnl_memory_desc_t w = weights_desc;
  if (weights == nullptr) {
    const dnnl_dims_t dims = {shape.in_features, shape.out_features};
    check_onednn(
        api.memory_desc_init_by_tag(&w, 2, dims, data_type(options.weights), dnnl_format_tag_any),
        "describing weights");
  }
  const dnnl_memory_desc_t b = gamma_desc();  // bias has the same form
  dnnl_matmul_desc_t matmul;
  check_onednn(api.matmul_desc_init(&matmul, &x, &w, bias.empty() ? nullptr : &b, &y),
               "describing a matmul");
  dnnl_post_ops_t ops = nullptr;
  dnnl_primitive_attr_t attributes = nullptr;
  check_onednn(api.post_ops_create(&ops), "creating post-ops");
  check_onednn(api.primitive_attr_create(&attributes), "creating attributes");
  append_post_ops(ops, k);
  api.primitive_attr_set_post_ops(attributes, ops);
  api.primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
  dnnl_primitive_desc_t desc = nullptr;
  const dnnl_status_t status =
      api.primitive_desc_create(&desc, &matmul, attributes, api.engine, nullptr);
  api.primitive_attr_destroy(attributes);
  api.post_ops_destroy(ops);
  check_onednn(status, "planning a matmul (is this precision supported on this CPU?)");
  return desc;
}

void OnednnLinear::State::plan(const Key& k) {
  release();
  const dnnl_primitive_desc_t desc = describe(k);
  if (weights == nullptr)
    weights_desc = *api.primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t scratchpad =
      *api.primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
  scratchpad_bytes = api.memory_desc_get_size(&scratchpad);
  const dnnl_status_t status = api.primitive_create(&primitive, desc);
  api.primitive_desc_destroy(desc);
  check_onednn(status, "creating a matmul");
  key = k;
  add_argument(DNNL_ARG_SRC, matrix(api, k.rows, shape.in_features, options.x, shape.in_features),
               nullptr);
  add_argument(DNNL_ARG_DST, matrix(api, k.rows, shape.out_features, options.y, k.y_stride),
               nullptr);
  add_argument(DNNL_ARG_WEIGHTS, weights_desc, weights);
  add_argument(DNNL_ARG_SCRATCHPAD, scratchpad, nullptr);
  if (!bias.empty()) add_argument(DNNL_ARG_BIAS, gamma_desc(), bias.data());
  int index = options.activation == Activation::kIdentity ? 0 : 1;
  const auto operand = [](int i) { return DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1; };
  if (options.multiplier) add_argument(operand(index++), multiplier_desc(k), nullptr);
  if (!gamma.empty()) add_argument(operand(index++), gamma_desc(), gamma.data());
  if (options.residual && !k.residual_is_y) add_argument(operand(index), residual_desc(k), nullptr);
}

void OnednnLinear::State::pack(WeightStore& store, const LinearWeights& from) {
  const std::int64_t n_stride = from.n_stride == 0 ? shape.in_features : from.n_stride;
  const dnnl_memory_desc_t source =
      matrix(api, shape.in_features, shape.out_features, Element::kF32, from.k_stride, n_stride);
  weights = store.allocate(api.memory_desc_get_size(&weights_desc));
  dnnl_primitive_desc_t desc = nullptr;
  check_onednn(api.reorder_primitive_desc_create(&desc, &source, api.engine, &weights_desc,
                                                 api.engine, nullptr),
               "planning a reorder");
  dnnl_primitive_t reorder = nullptr;
  const dnnl_status_t status = api.primitive_create(&reorder, desc);
  api.primitive_desc_destroy(desc);
  check_onednn(status, "creating a reorder");
  dnnl_memory_t in = nullptr;
  dnnl_memory_t out = nullptr;
  api.memory_create(&in, &source, api.engine, const_cast<float*>(from.weight));
  api.memory_create(&out, &weights_desc, api.engine, weights);
  const dnnl_exec_arg_t arguments_of_reorder[] = {{DNNL_ARG_FROM, in}, {DNNL_ARG_TO, out}};
  const dnnl_status_t done = api.primitive_execute(reorder, api.stream, 2, arguments_of_reorder);
  api.memory_destroy(in);
  api.memory_destroy(out);
  api.primitive_destroy(reorder);
  check_onednn(done, "packing weights");
  set_argument(DNNL_ARG_WEIGHTS, weights);
}

OnednnLinear::OnednnLinear(const OnednnApi& api, WeightStore& store, const LinearShape& shape,
                           const LinearOptions& options, const LinearWeights& weights)
    : state_(std::make_unique<State>(api)) {
  State& s = *state_;
  s.shape = shape;
  s.options = options;
  const auto count = static_cast<std::size_t>(shape.out_features);
  if (weights.bias != nullptr) s.bias.assign(weights.bias, weights.bias + count);
  if (weights.gamma != nullptr) s.gamma.assign(weights.gamma, weights.gamma + count);
  State::Key key;
  key.rows = std::max<std::int64_t>(1, shape.rows);
  key.y_stride = shape.out_features;
  key.multiplier_stride = shape.out_features;
  key.residual_stride = shape.out_features;
  key.multiplier_type = options.y;
  key.residual_type = options.y;
  s.plan(key);
  s.pack(store, weights);
}

void OnednnLinear::run(Engine& engine, const LinearOperands& operands) {
  if (operands.rows <= 0) return;
  State& s = *state_;
  const LinearShape& shape = s.shape;
  // The library's fast matmul wants the rows of x without gaps: for one token of each image, which
  // a head reads, it falls to its reference, hundreds of times slower. And a multiplier that is y
  // itself would be overwritten by partial sums.
  const bool gather_x = operands.rows > 1 && operands.x.stride != shape.in_features;
  const bool gather_multiplier =
      s.options.multiplier && operands.multiplier.data == operands.y.data;
  State::Key key = s.key;
  key.rows = operands.rows;
  key.y_stride = operands.y.stride;
  if (s.options.multiplier) {
    key.multiplier_stride = gather_multiplier ? shape.out_features : operands.multiplier.stride;
    key.multiplier_type = operands.multiplier.type;
  }
  if (s.options.residual) {
    key.residual_stride = operands.residual.stride;
    key.residual_type = operands.residual.type;
    key.residual_is_y = operands.residual.data == operands.y.data;
  }
  if (!(key == s.key)) s.plan(key);
  const std::int64_t x_at = round_up(static_cast<std::int64_t>(s.scratchpad_bytes), kCacheLine);
  const std::int64_t multiplier_at =
      x_at + (gather_x ? gathered_bytes(operands.x, key.rows, shape.in_features) : 0);
  const std::int64_t end =
      multiplier_at +
      (gather_multiplier ? gathered_bytes(operands.multiplier, key.rows, shape.out_features) : 0);
  char* scratch = static_cast<char*>(engine.shared_scratch(static_cast<std::size_t>(end)));
  const void* x = operands.x.data;
  if (gather_x) x = gather(engine, operands.x, key.rows, shape.in_features, scratch + x_at);
  const void* multiplier = operands.multiplier.data;
  if (gather_multiplier) {
    multiplier =
        gather(engine, operands.multiplier, key.rows, shape.out_features, scratch + multiplier_at);
  }
  s.set_argument(DNNL_ARG_SRC, x);
  s.set_argument(DNNL_ARG_DST, operands.y.data);
  s.set_argument(DNNL_ARG_SCRATCHPAD, scratch);
  int index = s.options.activation == Activation::kIdentity ? 0 : 1;
  if (s.options.multiplier) {
    s.set_argument(DNNL_ARG_ATTR_MULTIPLE_POST_OP(index++) | DNNL_ARG_SRC_1, multiplier);
  }
  if (!s.gamma.empty()) ++index;
  s.set_argument(DNNL_ARG_ATTR_MULTIPLE_POST_OP(index) | DNNL_ARG_SRC_1, operands.residual.data);
  check_onednn(s.api.primitive_execute(s.primitive, s.api.stream,
                                       static_cast<int>(s.arguments.size()), s.arguments.data()),
               "running a matmul");
}

namespace {

class Onednn : public OpenBackend {
 public:
  [[nodiscard]] std::string description(const std::string& own) const override {
    return "oneDNN " + library_.version() + ", " + own;
  }
  [[nodiscard]] std::unique_ptr<LinearLayer> linear(Engine&, WeightStore& store,
                                                    const LinearShape& shape,
                                                    const LinearOptions& options,
                                                    const LinearWeights& weights) const override {
    return std::make_unique<OnednnLinear>(library_.api(), store, shape, options, weights);
  }

 private:
  OnednnLibrary library_;
};

constexpr std::string_view kOnednnDoc = "oneDNN, where it is installed";

std::unique_ptr<OpenBackend> open_onednn() { return std::make_unique<Onednn>(); }

}  // namespace
}  // namespace vitals

#else

#include <stdexcept>

namespace vitals {
namespace {

constexpr std::string_view kOnednnDoc = "oneDNN, left out of this build";

std::unique_ptr<OpenBackend> open_onednn() {
  throw std::runtime_error("this vitals was built without oneDNN (libdnnl-dev was missing)");
}

}  // namespace
}  // namespace vitals

#endif

namespace vitals {

Backend onednn_backend() { return {"onednn", kOnednnDoc, PoolKind::kOpenMp, open_onednn}; }

}  // namespace vitals
