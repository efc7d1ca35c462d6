// `vitals list`: many models, one row each. Formatting and order only.
#pragma once

#include "graph/graph.h"
#include "report/text/table.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitals {

struct ListedModel {
  std::string name;
  std::string architecture;
  Count params;
  Count macs;  // of one sample
  std::uint64_t num_tokens = 0;
  Shape input;  // of one sample; [1, channels, height, width] for images

  // On the device that was asked for; samples per second with the range to expect.
  struct Latency {
    std::uint64_t batch = 1;
    double seconds = 0;
    double samples_per_s = 0;
    double low = 0;
    double high = 0;
    std::optional<bool> fits = {};  // nothing where the device states no memory
  };
  std::optional<Latency> latency;
};

// `graph` is built with a batch of one.
[[nodiscard]] ListedModel listed(const Graph& graph, std::string_view architecture);

enum class ListOrder { name, params, macs, tokens, img_size, latency };

// Smallest first; equal ones keep their order.
void sort_models(std::vector<ListedModel>& models, ListOrder order, bool reverse);

// `on_device`: with what a device was asked for, marked where it cannot be told.
// For people: millions of parameters and GMACs with two decimals.
[[nodiscard]] Table list_table(const std::vector<ListedModel>& models, bool on_device);
// Raw numbers, for CSV.
[[nodiscard]] Table list_numbers(const std::vector<ListedModel>& models, bool on_device);
[[nodiscard]] nlohmann::ordered_json list_json(const std::vector<ListedModel>& models,
                                               bool on_device);

}  // namespace vitals
