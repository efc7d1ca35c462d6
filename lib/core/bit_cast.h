// std::bit_cast, which libc++ 14 lacks.
#pragma once

#include <cstring>
#include <type_traits>

namespace vitals {

template <class To, class From>
[[nodiscard]] To bit_cast(const From& from) noexcept {
  static_assert(sizeof(To) == sizeof(From));
  static_assert(std::is_trivially_copyable_v<To> && std::is_trivially_copyable_v<From>);
  To to;
  std::memcpy(&to, &from, sizeof(To));
  return to;
}

}  // namespace vitals
