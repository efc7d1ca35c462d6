#include "graph/einsum.h"

#include "graph/op_traits.h"

#include <algorithm>
#include <map>

namespace vitals {
namespace {

// A dimension: a letter, or one of those that "..." stands for, counted from the last.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 1000;

bool has(const Labels& labels, Label label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

[[noreturn]] void refuse(std::string_view equation, const char* why) {
  fail("[einsum] '{}': {}", equation, why);
}

// The labels of one operand, or of the result, where "..." stands for so many dimensions.
Labels labels_of(std::string_view equation, std::string_view part, std::size_t ellipsis) {
  Labels labels;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const char c = part[i];
    if (c == ' ') continue;
    if (part.substr(i, 3) == "...") {
      for (auto d = ellipsis; d-- > 0;) labels.push_back(kEllipsis + static_cast<Label>(d));
      i += 2;
      continue;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter) refuse(equation, "expected letters and '...'");
    if (has(labels, c)) refuse(equation, "a label repeats within one operand");
    labels.push_back(c);
  }
  return labels;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

struct Operand {
  Tensor value;
  Labels labels;
};

std::size_t letters_in(std::string_view part) {
  return static_cast<std::size_t>(
      std::count_if(part.begin(), part.end(), [](char c) { return c != ' ' && c != '.'; }));
}

class Einsum {
 public:
  Einsum(std::string_view equation, const Tensors& operands) : equation_(equation) {
    const auto arrow = equation.find("->");
    const auto parts = split(equation.substr(0, arrow));
    if (parts.size() != operands.size()) refuse(equation, "as many operands as parts are needed");
    std::size_t widest = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto rank = operands[i].shape().rank();
      const bool open = parts[i].find("...") != std::string_view::npos;
      const auto letters = letters_in(parts[i]);
      if (open ? letters > rank : letters != rank)
        refuse(equation, "an operand has another number of dimensions");
      const auto ellipsis = open ? rank - letters : 0;
      widest = std::max(widest, ellipsis);
      terms_.push_back({operands[i], labels_of(equation, parts[i], ellipsis)});
      note_sizes(terms_.back());
    }
    if (arrow != std::string_view::npos)
      result_ = labels_of(equation, equation.substr(arrow + 2), widest);
    else
      result_ = implied_result(widest);
    for (auto label : result_)
      if (sizes_.count(label) == 0) refuse(equation, "the result has a label of no operand");
  }

  Tensor run() {
    auto value = terms_[0];
    if (terms_.size() == 1) value = summed(value, result_);
    for (std::size_t i = 1; i < terms_.size(); ++i) {
      Labels later = result_;
      for (auto j = i + 1; j < terms_.size(); ++j)
        later.insert(later.end(), terms_[j].labels.begin(), terms_[j].labels.end());
      value = multiplied(value, terms_[i], later);
    }
    return permuted(value, result_).value;
  }

 private:
  void note_sizes(const Operand& x) {
    for (std::size_t i = 0; i < x.labels.size(); ++i) {
      auto& size = sizes_.try_emplace(x.labels[i], 1).first->second;
      const auto own = x.value.shape()[i];
      if (own != size && own != 1 && size != 1)
        refuse(equation_, "a label stands for two different sizes");
      if (size == 1) size = own;
    }
  }

  // Labels that appear in one operand, in order; dimensions of "..." first.
  [[nodiscard]] Labels implied_result(std::size_t ellipsis) const {
    Labels labels = labels_of(equation_, "...", ellipsis);
    for (const auto& [label, size] : sizes_) {
      const auto uses = std::count_if(terms_.begin(), terms_.end(),
                                      [l = label](const Operand& x) { return has(x.labels, l); });
      if (label < kEllipsis && uses == 1) labels.push_back(label);
    }
    return labels;
  }

  [[nodiscard]] Operand permuted(const Operand& x, const Labels& order) const {
    if (x.labels == order) return x;
    Dims dims;
    for (auto label : order)
      dims.push_back(static_cast<std::uint64_t>(std::find(x.labels.begin(), x.labels.end(), label) -
                                                x.labels.begin()));
    return {x.value.builder().permute(x.value, dims), order};
  }

  // Sums over the labels that are not kept.
  [[nodiscard]] static Operand summed(const Operand& x, const Labels& kept) {
    op::Reduce reduce{op::ReduceKind::sum, 0, false, {}};
    bool any = false;
    Labels left;
    for (std::size_t i = 0; i < x.labels.size(); ++i) {
      if (has(kept, x.labels[i])) {
        left.push_back(x.labels[i]);
      } else if (!any) {
        reduce.axis = static_cast<int>(i);
        any = true;
      } else {
        reduce.more.push_back(i);
      }
    }
    if (!any) return x;
    return {x.value.builder().add(reduce, {x.value}), left};
  }

  // All labels in this order, and the size that broadcasting gives each.
  [[nodiscard]] Tensor laid_out(const Operand& x, const Labels& order) const {
    const auto y = permuted(x, order).value;
    Shape wide;
    for (auto label : order) wide.push_back(sizes_.at(label));
    return wide == y.shape() ? y : y.builder().expand(y, wide);
  }

  [[nodiscard]] std::uint64_t size_of_all(const Labels& labels) const {
    Count product = 1;
    for (auto label : labels) product *= sizes_.at(label);
    return product.value();
  }

  [[nodiscard]] Operand multiplied(const Operand& a, const Operand& b, const Labels& later) const {
    Labels keep_a = later;
    Labels keep_b = later;
    keep_a.insert(keep_a.end(), b.labels.begin(), b.labels.end());
    keep_b.insert(keep_b.end(), a.labels.begin(), a.labels.end());
    const auto left = summed(a, keep_a);
    const auto right = summed(b, keep_b);
    Labels batch;
    Labels sums;
    Labels rows;
    Labels columns;
    for (auto label : left.labels) {
      if (!has(right.labels, label))
        rows.push_back(label);
      else
        (has(later, label) ? batch : sums).push_back(label);
    }
    for (auto label : right.labels)
      if (!has(left.labels, label)) columns.push_back(label);
    if (sums.empty()) return product(left, right, joined({batch, rows, columns}));
    auto& builder = left.value.builder();
    const auto count = size_of_all(batch);
    const auto depth = size_of_all(sums);
    const auto x = builder.reshape(laid_out(left, joined({batch, rows, sums})),
                                   {count, size_of_all(rows), depth});
    const auto y = builder.reshape(laid_out(right, joined({batch, sums, columns})),
                                   {count, depth, size_of_all(columns)});
    const auto labels = joined({batch, rows, columns});
    Shape shape;
    for (auto label : labels) shape.push_back(sizes_.at(label));
    return {builder.reshape(builder.matmul(x, y), shape), labels};
  }

  // Nothing is summed: an elementwise product, each operand with a dimension of 1 for the labels
  // that it does not have.
  [[nodiscard]] Operand product(const Operand& a, const Operand& b, const Labels& labels) const {
    const auto aligned = [&](const Operand& x) {
      Labels own;
      Shape shape;
      for (auto label : labels) {
        const bool mine = has(x.labels, label);
        if (mine) own.push_back(label);
        const auto place = std::find(x.labels.begin(), x.labels.end(), label) - x.labels.begin();
        shape.push_back(mine ? x.value.shape()[static_cast<std::size_t>(place)] : 1);
      }
      const auto y = permuted(x, own).value;
      return y.builder().reshape(y, shape);
    };
    return {aligned(a) * aligned(b), labels};
  }

  [[nodiscard]] static Labels joined(std::initializer_list<Labels> parts) {
    Labels all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    if (all.size() > kMaxRank)
      fail("[einsum] an intermediate result has more than {} dimensions", kMaxRank);
    return all;
  }

  std::string_view equation_;
  std::vector<Operand> terms_;
  std::map<Label, std::uint64_t> sizes_;
  Labels result_;
};

}  // namespace

Tensor einsum(std::string_view equation, const Tensors& operands) {
  if (operands.empty()) refuse(equation, "no operand");
  return Einsum(equation, operands).run();
}

}  // namespace vitals
