#include "frontends/devices/price_file.h"

#include "core/error.h"
#include "frontends/devices/device_file.h"
#include "frontends/spec/json_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace vitals {

std::string_view price_table_json();  // written by tools/embed_text.py

namespace prices {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// A hundredth is less than a measurement's noise.
double rounded(double x) { return std::round(x * 100) / 100; }

double four_digits(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", x);
  return std::strtod(text, nullptr);
}

const FamilySpec& family_named(const std::string& name, const std::string& at) {
  for (const auto family : kFamilies)
    if (spec_of(family).name == name) return spec_of(family);
  fail("{}/kernel: unknown kind of kernel '{}'", at, name);
}

Spread spread_from(const json& value) {
  return {value.at(0).get<double>(), value.at(1).get<double>()};
}
ordered_json to_json(const Spread& spread) {
  return {four_digits(spread.low), four_digits(spread.high)};
}

DevicePrices device_from(const json& value, const json& sizes, const std::string& at) {
  DevicePrices d;
  const auto& spec = family_named(value.at("kernel").get<std::string>(), at);
  d.family = spec.family;
  d.device = value.at("device").get<std::string>();
  const auto* device = find_device(d.device);
  if (device == nullptr) fail("{}/device: unknown device '{}'", at, d.device);
  d.machine = device->machine;
  for (const auto& g : value.at("groups")) {
    auto& group = d.groups.emplace_back();
    group.framework = g.at("framework").get<std::string>();
    group.dtype = g.at("dtype").get<std::string>();
    for (std::size_t i = 0; i < spec.factors.size(); ++i)
      group.factors[i] = g.at("factors").at(i).get<double>();
  }
  for (const auto& block : value.at("points")) {
    Point point;
    point.group = block.at("group").get<std::size_t>();
    if (point.group >= d.groups.size()) fail("{}/points: no group {}", at, point.group);
    point.kv_bytes = block.at("kv_bytes").get<double>();
    const auto& places = block.at("sizes");
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto& size = sizes.at(std::string(spec.name)).at(places[i].get<std::size_t>());
      for (std::size_t k = 0; k < spec.sizes.size(); ++k) point.sizes[k] = size.at(k).get<double>();
      point.weight = block.at("weights").at(i).get<double>();
      d.points.push_back(point);
    }
  }
  d.near = spread_from(value.at("near"));
  d.far = spread_from(value.at("far"));
  return d;
}

}  // namespace

PriceList price_list_from(const json& value, const std::string& at) {
  PriceList list;
  try {
    for (std::size_t i = 0; i < value.at("devices").size(); ++i)
      list.devices.push_back(device_from(value.at("devices")[i], value.at("sizes"),
                                         fmt::format("{}: /devices/{}", at, i)));
    for (const auto family : kFamilies)
      list.unseen[static_cast<std::size_t>(family)] =
          spread_from(value.at("unseen").at(std::string(spec_of(family).name)));
  } catch (const json::exception& error) {
    fail("{}: is no price list: {}", at, error.what());
  }
  return list;
}

namespace {

// Points of one group and one type of cache together; sizes by their place in `known`.
ordered_json points_json(const DevicePrices& d, std::vector<Sizes>& known) {
  ordered_json blocks = ordered_json::array();
  for (std::size_t group = 0; group < d.groups.size(); ++group)
    for (const int kv_bytes : {1, 2}) {
      ordered_json places = ordered_json::array();
      ordered_json weights = ordered_json::array();
      for (const auto& point : d.points) {
        if (point.group != group || point.kv_bytes != kv_bytes) continue;
        const auto place = std::find(known.begin(), known.end(), point.sizes);
        places.push_back(place - known.begin());
        if (place == known.end()) known.push_back(point.sizes);
        weights.push_back(rounded(point.weight));
      }
      if (!places.empty())
        blocks.push_back({{"group", group},
                          {"kv_bytes", kv_bytes},
                          {"sizes", std::move(places)},
                          {"weights", std::move(weights)}});
    }
  return blocks;
}

}  // namespace

ordered_json to_json(const PriceList& list) {
  ordered_json sizes = ordered_json::object();
  ordered_json devices = ordered_json::array();
  ordered_json unseen = ordered_json::object();
  std::array<std::vector<Sizes>, kFamilies.size()> known;
  for (const auto& d : list.devices) {
    const auto& spec = spec_of(d.family);
    auto& of_family = known[static_cast<std::size_t>(d.family)];
    ordered_json groups = ordered_json::array();
    for (const auto& group : d.groups) {
      ordered_json factors = ordered_json::array();
      for (std::size_t i = 0; i < spec.factors.size(); ++i)
        factors.push_back(four_digits(group.factors[i]));
      groups.push_back(
          {{"framework", group.framework}, {"dtype", group.dtype}, {"factors", factors}});
    }
    devices.push_back({{"kernel", spec.name},
                       {"device", d.device},
                       {"groups", std::move(groups)},
                       {"near", to_json(d.near)},
                       {"far", to_json(d.far)},
                       {"points", points_json(d, of_family)}});
  }
  for (const auto family : kFamilies) {
    const auto& spec = spec_of(family);
    auto& list_of = sizes[std::string(spec.name)] = ordered_json::array();
    for (const auto& size : known[static_cast<std::size_t>(family)]) {
      ordered_json one = ordered_json::array();
      for (std::size_t i = 0; i < spec.sizes.size(); ++i) {
        if (size[i] == std::floor(size[i]))
          one.push_back(static_cast<std::uint64_t>(size[i]));
        else
          one.push_back(size[i]);
      }
      list_of.push_back(std::move(one));
    }
    unseen[std::string(spec.name)] = to_json(list.unseen[static_cast<std::size_t>(family)]);
  }
  return {
      {"sizes", std::move(sizes)}, {"unseen", std::move(unseen)}, {"devices", std::move(devices)}};
}

const PriceList& built_in() {
  static const PriceList list =
      price_list_from(parse_json(price_table_json(), "built-in prices"), "built-in prices");
  return list;
}

}  // namespace prices
}  // namespace vitals
