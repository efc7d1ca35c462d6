#include "frontends/hf/derive.h"

#include "core/error.h"
#include "frontends/spec/json_text.h"
#include "models/field.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace vitals {
namespace {

class Evaluator {
 public:
  explicit Evaluator(const HfValues& values) : values_(values) {}

  nlohmann::json value(const nlohmann::json& e) {
    if (e.is_string()) {
      if (e == "$i") return index_;
      return values_.at(e.get<std::string>());
    }
    if (e.is_object()) return e.at("is");
    if (!e.is_array()) return e;
    return applied(e[0].get<std::string>(), e);
  }

 private:
  // Where a fault is told: the first field that the expression names.
  static std::string field_of(const nlohmann::json& e) {
    if (e.is_string() && e != "$i") return e.get<std::string>();
    if (e.is_array())
      for (std::size_t i = 1; i < e.size(); ++i)
        if (auto field = field_of(e[i]); !field.empty()) return field;
    return "";
  }

  double number(const nlohmann::json& e) {
    const auto v = value(e);
    if (!v.is_number()) values_.refuse(field_of(e), "expected a number, got " + brief(v));
    return v.get<double>();
  }

  bool flag(const nlohmann::json& e) {
    const auto v = value(e);
    if (v.is_null()) return false;
    if (!v.is_boolean()) values_.refuse(field_of(e), "expected true or false, got " + brief(v));
    return v.get<bool>();
  }

  nlohmann::json sequence(const nlohmann::json& e) {
    auto v = value(e);
    if (v.is_null()) return nlohmann::json::array();
    if (v.is_array()) return v;
    if (!v.is_string()) values_.refuse(field_of(e), "expected a list, got " + brief(v));
    auto letters = nlohmann::json::array();
    for (const char c : v.get<std::string>()) letters.push_back(std::string(1, c));
    return letters;
  }

  std::uint64_t count(const nlohmann::json& e) {
    const auto n = number(e);
    if (n < 0 || n != std::floor(n) || n > kMaxDepth)
      values_.refuse(field_of(e), "expected a number of layers");
    return static_cast<std::uint64_t>(n);
  }

  static bool whole(double x) { return x == std::floor(x) && std::abs(x) < 9e15; }

  nlohmann::json arithmetic(char op, const nlohmann::json& e) {
    double x = number(e[1]);
    bool integers = whole(x);
    for (std::size_t i = 2; i < e.size(); ++i) {
      const double y = number(e[i]);
      integers = integers && whole(y);
      if ((op == '/' || op == '%') && y == 0) values_.refuse(field_of(e[i]), "0 divides nothing");
      if (op == '+') x += y;
      if (op == '-') x -= y;
      if (op == '*') x *= y;
      if (op == '/') x = integers ? std::floor(x / y) : x / y;
      if (op == '%') x = std::fmod(x, y);
    }
    if (!integers) return x;
    if (x < 0 || !whole(x)) values_.refuse(field_of(e), "makes no sensible size");
    return static_cast<std::uint64_t>(x);
  }

  nlohmann::json over_layers(const nlohmann::json& e, bool indices) {
    auto all = nlohmann::json::array();
    const auto n = count(e[1]);
    const auto saved = index_;
    for (index_ = 0; index_ < n; ++index_) {
      if (!indices)
        all.push_back(value(e[2]));
      else if (flag(e[2]))
        all.push_back(index_);
    }
    index_ = saved;
    return all;
  }

  nlohmann::json mapped(const nlohmann::json& e) {
    auto all = nlohmann::json::array();
    for (const auto& entry : sequence(e[1])) {
      const auto key = entry.is_string() ? entry.get<std::string>() : entry.dump();
      if (!e[2].contains(key))
        values_.refuse(field_of(e[1]), "expected entries of known kinds, got " + brief(entry));
      all.push_back(e[2][key]);
    }
    return all;
  }

  nlohmann::json applied(const std::string& op, const nlohmann::json& e) {
    if (op.size() == 1 && std::string("+-*/%").find(op) != std::string::npos)
      return arithmetic(op[0], e);
    if (op == "ratio") {
      const auto divisor = number(e[2]);
      if (divisor == 0) values_.refuse(field_of(e[2]), "0 divides nothing");
      return number(e[1]) / divisor;
    }
    if (op == "sqrt") return std::sqrt(number(e[1]));
    if (op == "floor") return static_cast<std::uint64_t>(std::floor(number(e[1])));
    if (op == "==") return value(e[1]) == value(e[2]);
    if (op == "<") return number(e[1]) < number(e[2]);
    if (op == ">=") return number(e[1]) >= number(e[2]);
    if (op == "not") return !flag(e[1]);
    if (op == "and")
      return std::all_of(e.begin() + 1, e.end(), [&](const auto& x) { return flag(x); });
    if (op == "or")
      return std::any_of(e.begin() + 1, e.end(), [&](const auto& x) { return flag(x); });
    if (op == "?") return flag(e[1]) ? value(e[2]) : value(e[3]);
    if (op == "first") {
      for (std::size_t i = 1; i < e.size(); ++i)
        if (auto v = value(e[i]); !v.is_null()) return v;
      return nullptr;
    }
    if (op == "stated") return values_.stated(e[1].get<std::string>());
    if (op == "length") return sequence(e[1]).size();
    if (op == "at") {
      if (auto one = value(e[1]); one.is_number()) return one;
      const auto list = sequence(e[1]);
      const auto i = count(e[2]);
      return i < list.size() ? list[i] : nlohmann::json();
    }
    if (op == "in") {
      const auto list = sequence(e[2]);
      return std::find(list.begin(), list.end(), value(e[1])) != list.end();
    }
    if (op == "mentions") {
      const auto text = value(e[2]);
      return !text.is_null() && text.dump().find(e[1].get<std::string>()) != std::string::npos;
    }
    if (op == "layers" || op == "where") return over_layers(e, op == "where");
    if (op == "map") return mapped(e);
    throw std::out_of_range("a family derives by an unknown operator " + op);
  }

  const HfValues& values_;
  std::uint64_t index_ = 0;
};

}  // namespace

nlohmann::json derived(const nlohmann::json& expression, const HfValues& values) {
  return Evaluator(values).value(expression);
}

}  // namespace vitals
