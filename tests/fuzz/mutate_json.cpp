// Half of the mutations of a JSON text keep it JSON: a value becomes another kind of value or one
// from elsewhere in the text, a key goes, moves or stands under another name.
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

using nlohmann::json;

namespace {

void collect(json& value, std::vector<json*>& all) {
  all.push_back(&value);
  if (value.is_structured())
    for (auto& inner : value) collect(inner, all);
}

json odd_value(std::mt19937& random) {
  static const std::vector<json> values = {nullptr,
                                           true,
                                           false,
                                           0,
                                           1,
                                           -1,
                                           2,
                                           3,
                                           7,
                                           16,
                                           224,
                                           1000,
                                           4096,
                                           65536,
                                           1'000'000'000,
                                           std::uint64_t{1} << 32U,
                                           std::uint64_t{1} << 63U,
                                           UINT64_MAX,
                                           INT64_MIN,
                                           0.5,
                                           1e-300,
                                           1e308,
                                           -0.0,
                                           "",
                                           "gelu",
                                           "layernorm",
                                           "\u001b[31m",
                                           "\xc3\xa9",
                                           std::string(300, 'x'),
                                           json::array(),
                                           json::object(),
                                           json::array({1, 2}),
                                           json::array({json::array()}),
                                           json::object({{"kind", "x"}})};
  return values[random() % values.size()];
}

void mutate(json& text, std::mt19937& random) {
  std::vector<json*> all;
  collect(text, all);
  auto& place = *all[random() % all.size()];
  switch (random() % 4) {
    case 0:
      place = odd_value(random);
      break;
    case 1: {
      const json other = *all[random() % all.size()];
      place = other;
      break;
    }
    case 2:
      if (place.is_object() && !place.empty())
        place.erase(std::next(place.begin(), static_cast<std::ptrdiff_t>(random() % place.size())));
      else if (place.is_number_unsigned())
        place = place.get<std::uint64_t>() + random() % 3 - 1;
      else
        place = odd_value(random);
      break;
    default:
      if (place.is_object() && !place.empty()) {
        auto from = std::next(place.begin(), static_cast<std::ptrdiff_t>(random() % place.size()));
        const json value = from.value();
        place[from.key() + "x"] = value;
      } else if (place.is_array()) {
        place.push_back(place.empty() ? odd_value(random) : place[0]);
      } else {
        place = odd_value(random);
      }
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  std::mt19937 random(seed);
  if (random() % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  auto text = json::parse(data, data + size, nullptr, false);
  if (text.is_discarded()) return LLVMFuzzerMutate(data, size, max_size);
  for (auto n = random() % 3 + 1; n > 0; --n) mutate(text, random);
  const auto out = text.dump(-1, ' ', false, json::error_handler_t::replace);
  if (out.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, out.data(), out.size());
  return out.size();
}
