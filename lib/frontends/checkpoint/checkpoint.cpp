#include "frontends/checkpoint/checkpoint.h"

#include <algorithm>
#include <array>

namespace vitals {
namespace {

constexpr std::array<ElementType, 22> kElementTypes = {{
    {"BOOL", 8, false, DType::boolean},
    {"U8", 8, false, DType::u8},
    {"I8", 8, false, {}},
    {"U16", 16, false, {}},
    {"I16", 16, false, {}},
    {"U32", 32, false, {}},
    {"I32", 32, false, DType::i32},
    {"U64", 64, false, {}},
    {"I64", 64, false, DType::i64},
    {"F4", 4, true, {}},
    {"F6_E2M3", 6, true, {}},
    {"F6_E3M2", 6, true, {}},
    {"F8_E4M3", 8, true, {}},
    {"F8_E5M2", 8, true, {}},
    {"F8_E8M0", 8, true, {}},
    {"F8_E4M3FNUZ", 8, true, {}},
    {"F8_E5M2FNUZ", 8, true, {}},
    {"F16", 16, true, DType::f16},
    {"BF16", 16, true, DType::bf16},
    {"F32", 32, true, DType::f32},
    {"F64", 64, true, DType::f64},
    {"C64", 64, true, {}},
}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The digits at the start of `text`, without leading zeros; `text` loses them all.
std::string_view take_number(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  auto digits = text.substr(0, end);
  text.remove_prefix(end);
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return digits;
}

bool before(const StoredTensor& a, const StoredTensor& b) { return natural_less(a.name, b.name); }

}  // namespace

std::span<const ElementType> element_types() { return kElementTypes; }

const ElementType* find_element_type(std::string_view name) {
  const auto it = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                               [&](const ElementType& t) { return t.name == name; });
  return it == kElementTypes.end() ? nullptr : &*it;
}

Count StoredTensor::elements() const {
  Count n = 1;
  for (auto d : shape) n *= d;
  return n;
}

bool natural_less(std::string_view a, std::string_view b) {
  const auto whole_a = a;
  const auto whole_b = b;
  // What both begin with decides nothing, but for the digits of a number that differs further on.
  const auto common = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  auto equal = static_cast<std::size_t>(common - a.begin());
  while (equal > 0 && is_digit(a[equal - 1])) --equal;
  a.remove_prefix(equal);
  b.remove_prefix(equal);
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const auto x = take_number(a);
      const auto y = take_number(b);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      continue;
    }
    if (a.front() != b.front()) return a.front() < b.front();
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() != b.empty()) return a.empty();
  return whole_a < whole_b;  // "01" and "1"
}

void sort_tensors(Checkpoint& checkpoint) {
  auto& tensors = checkpoint.tensors;
  std::sort(tensors.begin(), tensors.end(), before);
  const auto twice =
      std::adjacent_find(tensors.begin(), tensors.end(),
                         [](const auto& a, const auto& b) { return a.name == b.name; });
  if (twice == tensors.end()) return;
  const auto& first = checkpoint.files[twice->file].path;
  const auto& second = checkpoint.files[(twice + 1)->file].path;
  if (first == second) fail("{}: the tensor '{}' stands twice", first, twice->name);
  fail("the tensor '{}' stands twice: in {} and in {}", twice->name, first, second);
}

const StoredTensor* Checkpoint::find(std::string_view tensor) const {
  const auto stands_for = shared.find(std::string(tensor));
  const std::string_view stored = stands_for == shared.end() ? tensor : stands_for->second;
  const auto it =
      std::lower_bound(tensors.begin(), tensors.end(), stored,
                       [](const StoredTensor& t, auto n) { return natural_less(t.name, n); });
  return it != tensors.end() && it->name == stored ? &*it : nullptr;
}

}  // namespace vitals
