// The statement of a config's fields: name, meaning, type, limits and default, once. Parsing,
// unknown keys, `vitals spec`, the JSON schema and the documentation all read it. Must not know
// JSON.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace vitals {

// Height and width; written as one number when they are equal.
struct Size2 {
  std::uint64_t height = 0;
  std::uint64_t width = 0;
  friend bool operator==(const Size2&, const Size2&) = default;
};

// A layer chosen by name, with the options that a spec may give it:
// "RmsNorm" or {"kind": "RmsNorm", "eps": 1e-05}. An empty kind is null: the architecture's
// default.
struct LayerSpec {
  std::string kind;
  std::optional<double> eps;
  std::optional<std::string> act_layer;
  std::optional<bool> gate_last;
  std::optional<double> init_values;
  friend bool operator==(const LayerSpec&, const LayerSpec&) = default;
};

// One of these options, and the kind of layer that takes it; empty: every kind.
struct LayerOption {
  std::string_view name;
  std::string_view kind;
};

// Where a field's value lives. The alternative is the field's type.
using FieldRef =
    std::variant<bool*, std::uint64_t*, double*, std::string*, Size2*, LayerSpec*,
                 std::optional<bool>*, std::optional<std::uint64_t>*, std::optional<double>*,
                 std::vector<std::uint64_t>*, std::vector<double>*, std::vector<std::string>*>;

struct Field {
  using Access = FieldRef (*)(void* config);

  std::string_view name;
  std::string_view doc;
  Access access = nullptr;
  double min = 0;
  double max = 1e18;
  bool min_excluded = false;
  bool max_excluded = false;
  std::vector<std::string_view>
      choices;                // of a string, or of a layer's kind; compared without case
  bool null_allowed = false;  // of a string, size or list: null means empty
  std::vector<LayerOption> options = {};  // that a layer takes beside its kind

  [[nodiscard]] Field at_least(double value) && {
    min = value;
    return std::move(*this);
  }
  [[nodiscard]] Field above(double value) && {
    min = value;
    min_excluded = true;
    return std::move(*this);
  }
  [[nodiscard]] Field at_most(double value) && {
    max = value;
    return std::move(*this);
  }
  [[nodiscard]] Field between(double least, double most) && {
    min = least;
    max = most;
    return std::move(*this);
  }
  [[nodiscard]] Field below(double value) && {
    max = value;
    max_excluded = true;
    return std::move(*this);
  }
  [[nodiscard]] Field one_of(std::span<const std::string_view> values) && {
    choices.assign(values.begin(), values.end());
    return std::move(*this);
  }
  [[nodiscard]] Field one_of(std::initializer_list<std::string_view> values) && {
    choices = values;
    return std::move(*this);
  }
  // An option of a layer; of layers of one kind, if that is given.
  [[nodiscard]] Field takes(std::string_view option, std::string_view kind = {}) && {
    options.push_back({option, kind});
    return std::move(*this);
  }
  [[nodiscard]] Field or_null() && {
    null_allowed = true;
    return std::move(*this);
  }
};

// A second name for one or several fields, with the name's original meaning.
struct Alias {
  std::string_view name;
  std::string_view doc;
  std::vector<std::string_view> fields;
};

namespace detail {
template <class Config, class T>
Config config_of(T Config::*);

template <auto Member, auto... Rest, class Config>
auto& reach(Config& config) {
  if constexpr (sizeof...(Rest) == 0)
    return config.*Member;
  else
    return reach<Rest...>(config.*Member);
}
}  // namespace detail

// field<&VitConfig::depth>("depth", "Number of blocks."); of a part of the config:
// field<&DualConfig::image, &ImageConfig::depth>(...).
template <auto Member, auto... Rest>
[[nodiscard]] Field field(std::string_view name, std::string_view doc) {
  using Config = decltype(detail::config_of(Member));
  Field f;
  f.name = name;
  f.doc = doc;
  f.access = [](void* config) -> FieldRef {
    return &detail::reach<Member, Rest...>(*static_cast<Config*>(config));
  };
  return f;
}

// Several lists of fields as one, in order.
template <class... Lists>
[[nodiscard]] std::vector<Field> all_fields(Lists&&... lists) {
  std::vector<Field> all;
  (all.insert(all.end(), std::make_move_iterator(lists.begin()),
              std::make_move_iterator(lists.end())),
   ...);
  return all;
}

// Size limits that every architecture shares: larger values are typing errors, and are refused
// before anything is built.
inline constexpr double kMaxDepth = 100'000;
inline constexpr double kMaxWidth = 1 << 24;
inline constexpr double kMaxSide = 1 << 20;

}  // namespace vitals
