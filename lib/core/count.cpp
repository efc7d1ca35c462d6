#include "core/count.h"

#include <fmt/format.h>

auto fmt::formatter<vitals::Count>::format(vitals::Count count, fmt::format_context& context) const
    -> fmt::format_context::iterator {
  return fmt::formatter<std::uint64_t>::format(count.value(), context);
}
