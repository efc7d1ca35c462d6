// A count as a sum of products of named sizes: "rows x in x out". The same data gives the number
// and the text that explains it, so that neither can drift from the other. Knows no ops.
#pragma once

#include "core/count.h"

#include <array>
#include <initializer_list>
#include <span>
#include <string>

namespace vitals {

class Formula {
 public:
  // A size by its name; without a name the number stands for itself.
  struct Factor {
    const char* name;
    std::uint64_t value;
  };

  static constexpr std::size_t kMaxTerms = 8;
  static constexpr std::size_t kMaxFactors = 24;  // of all terms together

  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only the terms' own factors are read
  Formula() : terms_(0), ends_{} {}  // zero
  Formula(std::initializer_list<Factor> product) : Formula() { plus(product); }

  // Adds a product. An empty product is no term.
  Formula& plus(std::span<const Factor> product);
  Formula& plus(std::initializer_list<Factor> product) {
    return plus(std::span(product.begin(), product.size()));
  }

  // Adds the terms of another formula.
  Formula& plus(const Formula& other);

  // n times as much, term by term.
  [[nodiscard]] Formula times(std::uint64_t n) const;

  // No term at all: nothing is counted. (A term may still come out as zero.)
  [[nodiscard]] bool empty() const { return terms_ == 0; }
  // Throws Error when it does not fit into 64 bits.
  [[nodiscard]] Count value() const;
  [[nodiscard]] std::string symbols() const;  // "rows x in x out + rows x out"
  [[nodiscard]] std::string numbers() const;  // "197 x 768 x 2304 + 197 x 2304"

 private:
  template <class Write>
  [[nodiscard]] std::string text(Write&& write) const;

  std::size_t terms_;
  std::array<std::uint8_t, kMaxTerms> ends_;  // one past each term's last factor
  std::array<Factor, kMaxFactors> factors_;   // NOLINT: only those below ends_ are ever read
};

}  // namespace vitals
