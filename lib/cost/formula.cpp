#include "cost/formula.h"

#include <cassert>

namespace vitals {

Formula& Formula::plus(std::span<const Factor> product) {
  if (product.empty()) return *this;
  std::size_t end = terms_ == 0 ? 0U : ends_[terms_ - 1];
  assert(terms_ < kMaxTerms && end + product.size() <= kMaxFactors);
  for (const auto& factor : product) factors_[end++] = factor;
  ends_[terms_++] = static_cast<std::uint8_t>(end);
  return *this;
}

Formula& Formula::plus(const Formula& other) {
  for (std::size_t t = 0, from = 0; t < other.terms_; from = other.ends_[t++])
    plus(std::span(other.factors_).subspan(from, other.ends_[t] - from));
  return *this;
}

Formula Formula::times(std::uint64_t n) const {
  Formula result;
  std::size_t from = 0;
  std::size_t to = 0;
  for (; result.terms_ < terms_; ++result.terms_) {
    assert(to + 1 + ends_[result.terms_] - from <= kMaxFactors);
    result.factors_[to++] = {nullptr, n};
    while (from < ends_[result.terms_]) result.factors_[to++] = factors_[from++];
    result.ends_[result.terms_] = static_cast<std::uint8_t>(to);
  }
  return result;
}

Count Formula::value() const {
  Count sum;
  for (std::size_t t = 0, i = 0; t < terms_; ++t) {
    Count product = 1;
    for (; i < ends_[t]; ++i) product *= factors_[i].value;
    sum += product;
  }
  return sum;
}

template <class Write>
std::string Formula::text(Write&& write) const {
  if (terms_ == 0) return "0";
  std::string text;
  for (std::size_t t = 0, i = 0; t < terms_; ++t) {
    if (t > 0) text += " + ";
    for (const auto first = i; i < ends_[t]; ++i) {
      if (i > first) text += " x ";
      text += write(factors_[i]);
    }
  }
  return text;
}

std::string Formula::symbols() const {
  return text([](const Factor& f) {
    return f.name != nullptr ? std::string(f.name) : fmt::format("{}", f.value);
  });
}

std::string Formula::numbers() const {
  return text([](const Factor& f) { return fmt::format("{}", f.value); });
}

}  // namespace vitals
