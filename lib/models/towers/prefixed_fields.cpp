#include "models/towers/prefixed_fields.h"

#include <deque>
#include <string>

namespace vitals {

std::vector<Field> prefixed(std::vector<Field> fields, std::string_view prefix) {
  static std::deque<std::string> names;
  for (auto& f : fields) {
    names.push_back(std::string(prefix) + std::string(f.name));
    f.name = names.back();
  }
  return fields;
}

}  // namespace vitals
