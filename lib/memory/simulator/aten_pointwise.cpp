#include "memory/simulator/aten.h"

namespace vitals::eager {
namespace {

// The wider of two types, where one is a lower precision.
DType promoted(const Tensor& a, const Tensor& b) {
  if (!is_floating(b->dtype)) return a->dtype;
  if (!is_floating(a->dtype)) return b->dtype;
  return size_of(b->dtype) > size_of(a->dtype) ? b->dtype : a->dtype;
}

}  // namespace

void Aten::set_autocast(bool on) {
  autocast_ = on && settings_.autocast.has_value();
  if (!on) casts_.clear();
}

Tensor Aten::pointwise(Operands operands, DType dtype) {
  return tape_.empty(Tape::elementwise(operands, dtype));
}

Tensor Aten::scalar(DType dtype, Kind kind) { return tape_.empty({{}, {}, dtype, 1}, kind); }

// A Python number becomes a tensor of the compute type while a CPU kernel runs.
Tensor Aten::cpu_scratch() { return on_cpu() ? scalar(DType::f32, Kind::workspace) : nullptr; }

Tensor Aten::to(const Tensor& x, DType dtype) {
  if (x->dtype == dtype) return x;
  return tape_.record(tape_.cast(x, dtype), {x}, {}, [this, old = x->dtype](Tensors& g, Tensors&) {
    return Tensors{tape_.cast(g[0], old)};
  });
}

// Autocast's cached_cast: a parameter is cast once a context, and the cache holds the copy.
Tensor Aten::lower(const Tensor& x) {
  if (!autocast_ || !x || x->dtype != DType::f32) return x;
  if (x->leaf == kNoNode || tape_.leaf(x->leaf).kind != Kind::weight_gradient)
    return to(x, *settings_.autocast);
  auto& cast = casts_[x->leaf];
  if (!cast) {
    cast = to(x, *settings_.autocast);
    cast->storage->become(Kind::weight_cast);
  }
  return cast;
}

// The fp32 list; on the CPU these ops stay in their input's type.
Tensor Aten::upper(const Tensor& x) {
  return autocast_ && x && !on_cpu() && is_floating(x->dtype) ? to(x, DType::f32) : x;
}

Tensor Aten::add(const Tensor& a, const Tensor& b) {
  return tape_.record(pointwise({a, b}, promoted(a, b)), {a, b}, {}, [](Tensors& g, Tensors&) {
    return Tensors{g[0], g[0]};
  });
}

Tensor Aten::sub(const Tensor& a, const Tensor& b) {
  return tape_.record(pointwise({a, b}, promoted(a, b)), {a, b}, {},
                      [this, negated = needs(b)](Tensors& g, Tensors&) {
                        return Tensors{g[0], negated ? pointwise({g[0]}, g[0]->dtype) : nullptr};
                      });
}

Tensor Aten::mul(const Tensor& a, const Tensor& b) {
  const bool for_a = needs(a);
  const bool for_b = needs(b);
  return tape_.record(
      pointwise({a, b}, promoted(a, b)), {a, b}, {for_b ? a : nullptr, for_a ? b : nullptr},
      [this, for_a, for_b](Tensors& g, Tensors& saved) {
        auto product = [&](const Tensor& x) { return pointwise({g[0], x}, promoted(g[0], x)); };
        Tensors out(2);
        if (for_b) out[1] = product(saved[0]);
        if (for_a) out[0] = product(saved[1]);
        return out;
      });
}

// grad_a = g * (b * 1), grad_b = g * (a * 1): the factor's product is a tensor of its own.
Tensor Aten::addcmul(const Tensor& sum, const Tensor& a, const Tensor& b) {
  const auto dtype = promoted(sum, promoted(a, b) == a->dtype ? a : b);
  const bool for_a = needs(a);
  const bool for_b = needs(b);
  return tape_.record(pointwise({sum, a, b}, dtype), {sum, a, b},
                      {nullptr, for_b ? a : nullptr, for_a ? b : nullptr},
                      [this, for_a, for_b](Tensors& g, Tensors& saved) {
                        const auto product = [&](const Tensor& x) {
                          const auto scaled = pointwise({x}, x->dtype);
                          return pointwise({g[0], scaled}, promoted(g[0], scaled));
                        };
                        Tensors out{g[0], nullptr, nullptr};
                        if (for_a) out[1] = product(saved[2]);
                        if (for_b) out[2] = product(saved[1]);
                        return out;
                      });
}

// a / b: grad_a = g / b; grad_b = -g * (a / b) / b.
Tensor Aten::div(const Tensor& a, const Tensor& b) {
  const bool for_a = needs(a);
  const bool for_b = needs(b);
  return tape_.record(pointwise({a, b}, promoted(a, b)), {a, b}, {for_b ? a : nullptr, b},
                      [this, for_a, for_b](Tensors& g, Tensors& saved) {
                        Tensors out(2);
                        if (for_b) {
                          const auto negated = pointwise({g[0]}, g[0]->dtype);
                          const auto ratio = pointwise({saved[0], saved[1]}, saved[0]->dtype);
                          out[1] = pointwise({negated, ratio}, g[0]->dtype);
                        }
                        if (for_a) out[0] = pointwise({g[0], saved[1]}, g[0]->dtype);
                        return out;
                      });
}

// The factor is kept as a tensor of one double; on CUDA it lives on the host.
Tensor Aten::scale(const Tensor& x) {
  const auto factor = on_cpu() ? scalar(DType::f64, Kind::activation) : nullptr;
  auto scratch = cpu_scratch();
  auto y = pointwise({x}, x->dtype);
  scratch = nullptr;
  return tape_.record(y, {x}, {factor}, [this](Tensors& g, Tensors&) {
    const auto work = cpu_scratch();
    return Tensors{pointwise({g[0]}, g[0]->dtype)};
  });
}

Tensor Aten::neg(const Tensor& x) {
  return tape_.record(pointwise({x}, x->dtype), {x}, {}, [this](Tensors& g, Tensors&) {
    return Tensors{pointwise({g[0]}, g[0]->dtype)};
  });
}

Tensor Aten::activation(const Tensor& x, Keeps keeps) {
  auto y = pointwise({x}, x->dtype);
  return tape_.record(y, {x}, {keeps == Keeps::input ? x : y}, [this](Tensors& g, Tensors& saved) {
    return Tensors{pointwise({g[0], saved[0]}, g[0]->dtype)};
  });
}

Tensor Aten::plain(Tensors operands, std::size_t inputs, const Plain& op) {
  for (auto& x : operands) {
    if (op.autocast == Autocast::low) x = lower(x);
    if (op.autocast == Autocast::wide) x = upper(x);
  }
  auto meta = op.output;
  if (is_floating(meta.dtype) && !operands.empty()) {
    const auto last = op.autocast == Autocast::keeps ? 1 : inputs;
    auto widest = operands[0];
    for (std::size_t i = 1; i < last; ++i)
      if (promoted(widest, operands[i]) != widest->dtype) widest = operands[i];
    if (is_floating(widest->dtype)) meta.dtype = widest->dtype;
    for (const auto& x : operands) meta.split = std::max(meta.split, x->split);
  }
  auto y = tape_.empty(meta);
  if (!is_floating(meta.dtype)) return y;
  std::vector<std::optional<Meta>> gradients;
  for (const auto& x : operands)
    gradients.push_back(needs(x)
                            ? std::optional<Meta>(eager::contiguous(x->shape, x->dtype, x->split))
                            : std::nullopt);
  Tensors saved;
  if (op.saves == Saves::inputs) saved = operands;
  if (op.saves == Saves::output) saved = {y};
  return tape_.record(y, operands, std::move(saved), [this, gradients](Tensors&, Tensors&) {
    Tensors out;
    for (const auto& gradient : gradients)
      out.push_back(gradient ? tape_.empty(*gradient) : nullptr);
    return out;
  });
}

Tensor Aten::masked_fill(const Tensor& x, const Tensor& mask) {
  return tape_.record(pointwise({x}, x->dtype), {x}, {mask}, [this](Tensors& g, Tensors&) {
    return Tensors{pointwise({g[0]}, g[0]->dtype)};
  });
}

// CPU: x * noise, noise of x's type. CUDA: a mask of one byte an element (native_dropout).
Tensor Aten::dropout(const Tensor& x) {
  auto meta = Tape::elementwise({x}, x->dtype);
  auto mask_meta = meta;
  if (!on_cpu()) mask_meta.dtype = DType::boolean;
  auto mask = tape_.empty(mask_meta);
  auto y = tape_.empty(meta);
  return tape_.record(y, {x}, {mask}, [this](Tensors& g, Tensors& saved) {
    return Tensors{pointwise({g[0], saved[0]}, g[0]->dtype)};
  });
}

// x.div(keep_prob) * random, random [batch, 1, 1].
Tensor Aten::drop_path(const Tensor& x) {
  Shape rows = x->shape;
  for (std::size_t d = 1; d < rows.rank(); ++d) rows[d] = 1;
  const auto random = tape_.empty(eager::contiguous(rows, x->dtype));
  return mul(scale(x), random);
}

// x * cos + rotate_half(x) * sin, as the reference code writes it (Su et al. 2021,
// arXiv:2104.09864): rotate_half negates one half and concatenates. The tables are constants.
Tensor Aten::rope(const Tensor& x, const Tensor& tables) {
  const auto times_table = [&](const Tensor& t) {
    return tape_.record(
        pointwise({t}, promoted(t, tables)), {t}, {tables},
        [this](Tensors& g, Tensors&) { return Tensors{pointwise({g[0]}, g[0]->dtype)}; });
  };
  auto half = x->shape;
  half[half.rank() - 1] /= 2;
  const auto straight = times_table(x);
  const auto rotate = [&] {
    const auto negated = tape_.empty(eager::contiguous(half, x->dtype, x->split));
    return tape_.record(fresh(x->shape, x), {x}, {}, [this, half](Tensors& g, Tensors&) {
      // each half's gradient fills a tensor of the whole
      const auto negative = fresh(half, g[0]);
      const auto first = fresh(g[0]->shape, g[0]);
      const auto second = fresh(g[0]->shape, g[0]);
      return Tensors{pointwise({first, second}, g[0]->dtype)};
    });
  };
  // A function's arguments live until it returns: the turned half must not be one of add's.
  auto turned = rotate();
  turned = times_table(turned);
  return add(straight, turned);
}

}  // namespace vitals::eager
